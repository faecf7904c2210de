// SPDX-License-Identifier: Apache-2.0
#include "objects/s3_answers.hpp"

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

}  // namespace flatkv::objects
