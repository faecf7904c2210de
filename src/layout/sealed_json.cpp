// SPDX-License-Identifier: Apache-2.0
#include "layout/sealed_json.hpp"

#include <algorithm>
#include <optional>
#include <string>
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

constexpr std::size_t kMostLevels = 8;

/// Builds a value in place, so that what is there when there is no memory left is destroyed by its
/// owner. Refuses members that occur twice in one object: JSON does not say which of them counts.
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(json& root, std::size_t most_values) : root_(root), left_(most_values) {}
  bool found_twice() const { return twice_; }
  bool found_too_many() const { return too_many_; }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool key(string_t& name) override {
    const auto [member, fresh] = open_.back()->emplace(std::move(name), nullptr);
    member_ = &*member;
    twice_ = twice_ || !fresh;
    return fresh;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  json& place() {
    if (open_.empty()) return root_;
    return open_.back()->is_array() ? open_.back()->emplace_back() : *member_;
  }
  bool put(json value) {
    if (!take_one()) return false;
    place() = std::move(value);
    return true;
  }
  bool open(json value) {
    if (open_.size() == kMostLevels || !take_one()) return false;
    json& opened = place();
    opened = std::move(value);
    open_.push_back(&opened);
    return true;
  }
  bool end() {
    open_.pop_back();
    return true;
  }
  bool take_one() {
    too_many_ = left_ == 0;
    if (!too_many_) --left_;
    return !too_many_;
  }

  json& root_;
  std::size_t left_;         ///< values that may come
  json* member_ = nullptr;   ///< of the innermost object, whose value comes next
  std::vector<json*> open_;  ///< objects and arrays
  bool twice_ = false;
  bool too_many_ = false;
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

Sealing& Sealing::number(std::string_view name, std::uint64_t value) {
  begin_item(name);
  text_ += std::to_string(value);
  return *this;
}

Sealing& Sealing::text(std::string_view name, std::string_view value) {
  begin_item(name);
  // `replace` because nothing here may throw; our texts are ASCII anyway.
  text_ += json(value).dump(-1, ' ', true, json::error_handler_t::replace);
  return *this;
}

Sealing& Sealing::object(std::string_view name) {
  begin_item(name);
  open('{');
  return *this;
}

Sealing& Sealing::array(std::string_view name) {
  begin_item(name);
  open('[');
  return *this;
}

Sealing& Sealing::end() {
  const char bracket = closing_.back();
  closing_.pop_back();
  if (!empty_) begin_line();
  text_ += bracket;
  empty_ = false;
  return *this;
}

Bytes Sealing::seal() && {
  text_ += ",\n";  // the digest follows
  return seal_text(std::move(text_));
}

void Sealing::begin_item(std::string_view name) {
  if (!empty_) text_ += ',';
  begin_line();
  empty_ = false;
  if (name.empty()) return;
  text_ += json(name).dump(-1, ' ', true, json::error_handler_t::replace);
  text_ += ": ";
}

void Sealing::open(char bracket) {
  text_ += bracket;
  closing_ += bracket == '{' ? '}' : ']';
  empty_ = true;
}

void Sealing::begin_line() {
  text_ += '\n';
  text_.append(2 * closing_.size(), ' ');
}

void Unsealed::empty(nlohmann::json& json) noexcept {
  if (!json.is_structured()) return;
  for (nlohmann::json& member : json) empty(member);
  json.clear();
}

Result<Unsealed> unseal(ByteView bytes, std::size_t limit, std::size_t most_values) {
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

  Unsealed object;
  Builder builder(object.value, most_values);
  const std::string_view text = as_chars(bytes);
  const bool whole = json::sax_parse(text.begin(), text.end(), &builder);
  if (builder.found_twice()) return fail(ErrorCode::corruption, "a member occurs twice");
  if (builder.found_too_many()) {
    return fail(ErrorCode::corruption, "the file has more values than " +
                                           std::to_string(most_values) +
                                           ", which no such file has");
  }
  if (!whole || !object.value.is_object()) {
    return fail(ErrorCode::corruption, "the file is not a JSON object");
  }
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
