// SPDX-License-Identifier: Apache-2.0
#include "objects/s3_answers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "objects/xml.hpp"

namespace flatkv::objects {
namespace {

Failure bad(std::string why) {
  return fail(ErrorCode::corruption, "the server's list of objects: " + std::move(why));
}

}  // namespace

Result<ListPage> parse_list_page(std::string_view xml) {
  ListPage page;
  bool is_list = false;
  std::optional<bool> truncated;
  std::optional<std::string> key;
  std::optional<std::uint64_t> bytes;
  FLATKV_TRY(read_xml(xml, [&](const std::string& path, const std::string& text) -> Status {
    if (path == "ListBucketResult") is_list = true;
    if (path == "ListBucketResult/NextContinuationToken") page.next = text;
    if (path == "ListBucketResult/IsTruncated") {
      if (text != "true" && text != "false") return bad("IsTruncated is neither true nor false");
      truncated = text == "true";
    }
    if (path == "ListBucketResult/Contents/Key") key = text;
    if (path == "ListBucketResult/Contents/Size") {
      const char* const end = text.data() + text.size();
      const auto [stopped, error] = std::from_chars(text.data(), end, bytes.emplace());
      if (error != std::errc{} || stopped != end) return bad("a size is no number");
    }
    if (path != "ListBucketResult/Contents") return {};
    if (!key || !bytes) return bad("an object has no key or no size");
    page.objects.push_back({std::move(*key), *bytes});
    key.reset();
    bytes.reset();
    return {};
  }));
  if (!is_list) return bad("it is something else");
  if (!truncated.value_or(false)) page.next.clear();
  if (truncated.value_or(false) && page.next.empty()) return bad("it does not say how it goes on");
  return page;
}

S3Error parse_s3_error(std::string_view xml) {
  S3Error error;
  static_cast<void>(read_xml(xml, [&](const std::string& path, const std::string& text) -> Status {
    // What goes into a message must not be long, nor move the cursor of a terminal.
    std::string plain = text.substr(0, 300);
    for (char& c : plain) {
      if (c <= 0x1f || c == 0x7f) c = ' ';
    }
    if (path == "Error/Code") error.code = plain;
    if (path == "Error/Message") error.message = plain;
    return {};
  }));
  return error;
}

std::string_view remedy_of_refusal(std::string_view code) {
  constexpr std::string_view kAnew =
      "the keys have expired: get new ones, and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
      "AWS_SESSION_TOKEN";
  constexpr std::string_view kKeys =
      "the service does not know these keys: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
      "AWS_SESSION_TOKEN, or the file they come from, and AWS_ENDPOINT_URL";
  constexpr std::string_view kRights =
      "these keys have no right to do this: ask for it, or use others";
  constexpr std::string_view kClock = "set the clock of this machine";
  struct Refusal {
    std::string_view code;
    std::string_view remedy;
  };
  static constexpr std::array kRefusals = {
      Refusal{"ExpiredToken", kAnew},
      Refusal{"ExpiredTokenException", kAnew},
      Refusal{"TokenRefreshRequired", kAnew},
      Refusal{"RequestExpired", kClock},
      Refusal{"RequestTimeTooSkewed", kClock},
      Refusal{"InvalidAccessKeyId", kKeys},
      Refusal{"InvalidClientTokenId", kKeys},
      Refusal{"InvalidSecurity", kKeys},
      Refusal{"InvalidToken", kKeys},
      Refusal{"SignatureDoesNotMatch", kKeys},
      Refusal{"UnrecognizedClientException", kKeys},
      Refusal{"AuthorizationHeaderMalformed",
              "check AWS_REGION: the service wants requests signed for another one"},
      Refusal{"AccessDenied", kRights},
      Refusal{"AccountProblem", kRights},
      Refusal{"AllAccessDisabled", kRights},
      Refusal{"NotSignedUp", kRights},
  };
  const auto* const found = std::ranges::find(kRefusals, code, &Refusal::code);
  return found == kRefusals.end() ? std::string_view{} : found->remedy;
}

}  // namespace flatkv::objects
