// SPDX-License-Identifier: Apache-2.0
#include "layout/sealed_json.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "layout/manifest.hpp"

namespace flatkv::layout {
namespace {

using nlohmann::json;

constexpr std::string_view kBeforeDigest = "  \"digest\": \"";
constexpr std::string_view kAfterDigest = "\"\n}\n";
constexpr std::size_t kDigestChars = 2 * sizeof(Digest);
constexpr std::size_t kTailBytes = kBeforeDigest.size() + kDigestChars + kAfterDigest.size();

/// Finds members that occur twice in one object: JSON does not say which of them counts.
class DuplicateFinder {
 public:
  void see(json::parse_event_t event, const json& parsed) {
    if (event == json::parse_event_t::object_start) open_.emplace_back();
    if (event == json::parse_event_t::object_end && !open_.empty()) open_.pop_back();
    if (event == json::parse_event_t::key && !open_.empty() &&
        !open_.back().insert(parsed.get_ref<const std::string&>()).second) {
      found_ = true;
    }
  }
  bool found() const { return found_; }

 private:
  std::vector<std::set<std::string>> open_;
  bool found_ = false;
};

Failure bad_member(std::string_view name, std::string_view what) {
  return fail(ErrorCode::corruption, "member \"" + std::string(name) + "\" " + std::string(what));
}

}  // namespace

Bytes seal_text(std::string text) {
  const Digest digest = blake3::hash(as_bytes(text));
  text += kBeforeDigest;
  text += to_hex(digest);
  text += kAfterDigest;
  return to_bytes(as_bytes(text));
}

Bytes seal(const nlohmann::ordered_json& object) {
  // `replace` because nothing here may throw; our texts are ASCII anyway.
  std::string text = object.dump(2, ' ', true, json::error_handler_t::replace);
  text.resize(text.size() - 2);  // the line feed and the closing brace
  text += ",\n";
  return seal_text(std::move(text));
}

Result<json> unseal(ByteView bytes, std::size_t limit) {
  if (bytes.size() > limit) {
    return fail(ErrorCode::corruption, "the file is larger than " + std::to_string(limit) +
                                           " bytes, which no such file is");
  }
  if (bytes.size() < kTailBytes) {
    return fail(ErrorCode::corruption, "the file is cut short").offset(bytes.size());
  }
  const std::size_t body = bytes.size() - kTailBytes;
  const std::string_view tail = as_chars(bytes.subspan(body));
  if (!tail.starts_with(kBeforeDigest) || !tail.ends_with(kAfterDigest)) {
    return fail(ErrorCode::corruption, "the file does not end with a digest").offset(body);
  }
  const std::string found = to_hex(blake3::hash(bytes.first(body)));
  const std::string_view stated = tail.substr(kBeforeDigest.size(), kDigestChars);
  if (found != stated) {
    return fail(ErrorCode::corruption,
                "the file's digest is " + found + ", not " + std::string(stated));
  }

  DuplicateFinder duplicates;
  const std::string_view text = as_chars(bytes);
  json object = json::parse(
      text.begin(), text.end(),
      [&](int, json::parse_event_t event, json& parsed) {
        duplicates.see(event, parsed);
        return true;
      },
      false);
  if (object.is_discarded() || !object.is_object()) {
    return fail(ErrorCode::corruption, "the file is not a JSON object");
  }
  if (duplicates.found()) return fail(ErrorCode::corruption, "a member occurs twice");
  return object;
}

Result<const json*> Members::find(std::string_view name) const {
  if (!object_.is_object()) return fail(ErrorCode::corruption, "there is no JSON object");
  const auto found = object_.find(name);
  if (found == object_.end()) return bad_member(name, "is missing");
  return &*found;
}

bool Members::has(std::string_view name) const {
  return object_.is_object() && object_.contains(name);
}

Result<std::uint64_t> Members::number(std::string_view name, std::uint64_t min,
                                      std::uint64_t max) const {
  FLATKV_ASSIGN(const json* member, find(name));
  // The parser stores every non-negative integer that fits as unsigned; we write no other numbers.
  if (!member->is_number_unsigned()) return bad_member(name, "is not a number from 0 to 2^64 - 1");
  const auto number = member->get<std::uint64_t>();
  if (number < min || number > max) {
    return bad_member(name, "is " + std::to_string(number) + ", not within " + std::to_string(min) +
                                " and " + std::to_string(max));
  }
  return number;
}

Result<std::string_view> Members::text(std::string_view name) const {
  FLATKV_ASSIGN(const json* member, find(name));
  if (!member->is_string()) return bad_member(name, "is not text");
  return std::string_view(member->get_ref<const std::string&>());
}

Status Members::hex(std::string_view name, std::span<std::uint8_t> into) const {
  FLATKV_ASSIGN(const std::string_view digits, text(name));
  std::optional<Bytes> bytes;
  if (digits.size() == 2 * into.size()) bytes = from_hex(digits);
  // from_hex skips a 0x prefix, so compare the size after decoding too.
  if (!bytes || bytes->size() != into.size()) {
    return bad_member(name, "is not the hex of " + std::to_string(into.size()) + " bytes");
  }
  std::ranges::copy(*bytes, into.begin());
  return {};
}

Result<const json*> Members::object(std::string_view name) const {
  FLATKV_ASSIGN(const json* member, find(name));
  if (!member->is_object()) return bad_member(name, "is not an object");
  return member;
}

Result<const json*> Members::array(std::string_view name) const {
  FLATKV_ASSIGN(const json* member, find(name));
  if (!member->is_array()) return bad_member(name, "is not an array");
  return member;
}

Status check_format(const Members& members) {
  FLATKV_ASSIGN(const std::uint64_t format, members.number("format", 1, 0xffffffff));
  if (format > kFormat) {
    return fail(ErrorCode::format_too_new, "format " + std::to_string(format) +
                                               " is newer than this program, which knows up to " +
                                               std::to_string(kFormat));
  }
  return {};
}

}  // namespace flatkv::layout
