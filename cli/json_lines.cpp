// SPDX-License-Identifier: Apache-2.0
#include "json_lines.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "hex.hpp"

namespace flatkv::cli {
namespace {

namespace od = simdjson::ondemand;

static_assert(LineReader::kPadding >= simdjson::SIMDJSON_PADDING);

std::unexpected<JsonFault> fault(std::string what) {
  return std::unexpected(JsonFault{std::move(what), std::nullopt});
}

std::unexpected<JsonFault> broken(simdjson::error_code error) {
  switch (error) {
    case simdjson::EMPTY:
      return fault("empty line");
    case simdjson::INCORRECT_TYPE:
      return fault("a member has the wrong type");
    case simdjson::DEPTH_ERROR:
      return fault("nested too deeply");
    case simdjson::MEMALLOC:
      throw std::bad_alloc();  // nothing is wrong with the line
    default:
      return fault(std::string("not valid JSON: ") + simdjson::error_message(error));
  }
}

/// JSON's grammar of numbers; `token` may end in white space.
bool is_number(std::string_view token) {
  const auto digits = [&token] {
    const std::size_t count = std::min(token.find_first_not_of("0123456789"), token.size());
    token.remove_prefix(count);
    return count > 0;
  };
  const auto take = [&token](std::string_view any) {
    if (token.empty() || any.find(token.front()) == std::string_view::npos) return false;
    token.remove_prefix(1);
    return true;
  };
  take("-");
  if (!take("0") && !digits()) return false;
  if (take(".") && !digits()) return false;
  if (take("eE")) {
    take("+-");
    if (!digits()) return false;
  }
  return token.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Parses a value that is not used, so that garbage in it is noticed.
simdjson::error_code check_value(od::value value, int depth);

simdjson::error_code check_members(od::object object, int depth) {
  for (auto member : object) {
    od::field field;
    if (auto error = std::move(member).get(field)) return error;
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    if (auto error = check_value(field.value(), depth)) return error;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code check_items(od::array array, int depth) {
  for (auto item : array) {
    od::value value;
    if (auto error = std::move(item).get(value)) return error;
    if (auto error = check_value(value, depth)) return error;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code check_value(od::value value, int depth) {
  if (depth == 0) return simdjson::DEPTH_ERROR;
  od::json_type type{};
  if (auto error = value.type().get(type)) return error;
  switch (type) {
    case od::json_type::object: {
      od::object object;
      if (auto error = value.get_object().get(object)) return error;
      return check_members(object, depth - 1);
    }
    case od::json_type::array: {
      od::array array;
      if (auto error = value.get_array().get(array)) return error;
      return check_items(array, depth - 1);
    }
    case od::json_type::number: {
      // As text: a number too large for any type is still valid JSON.
      return is_number(value.raw_json_token()) ? simdjson::SUCCESS : simdjson::NUMBER_ERROR;
    }
    case od::json_type::string: {
      std::string_view text;
      return value.get_string().get(text);
    }
    case od::json_type::boolean: {
      bool flag = false;
      return value.get_bool().get(flag);
    }
    case od::json_type::null: {
      bool is_null = false;
      if (auto error = value.is_null().get(is_null)) return error;
      return is_null ? simdjson::SUCCESS : simdjson::N_ATOM_ERROR;
    }
  }
  return simdjson::TAPE_ERROR;
}

/// Where decoded bytes go. Each takes at least one character of the line, so a buffer as long as
/// the line suffices and nothing ever moves.
class Arena {
 public:
  explicit Arena(std::size_t capacity)
      : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity)), capacity_(capacity) {}

  Parsed<ByteView> hex(std::string_view text, const char* what) {
    if (text.size() / 2 > capacity_ - used_) return fault("line too long");  // cannot be
    const auto length = decode_hex(text, bytes_.get() + used_);
    if (!length) return fault(std::string(what) + " " + std::string(to_string(length.error())));
    const ByteView view(bytes_.get() + used_, *length);
    used_ += *length;
    return view;
  }
  Parsed<std::string_view> text(std::string_view text) {
    if (text.size() > capacity_ - used_) return fault("line too long");  // cannot be
    std::memcpy(bytes_.get() + used_, text.data(), text.size());
    const ByteView view(bytes_.get() + used_, text.size());
    used_ += text.size();
    return as_chars(view);
  }

  std::size_t used() const noexcept { return used_; }
  std::unique_ptr<std::uint8_t[]> take() && { return std::move(bytes_); }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t capacity_;
  std::size_t used_ = 0;
};

/// Calls `on_member(key, value)` for each member; it returns Parsed<bool>, false for "not mine".
template <class OnMember>
Parsed<void> each_member(od::object object, Reading reading, OnMember on_member) {
  for (auto member : object) {
    od::field field;
    if (auto error = std::move(member).get(field)) return broken(error);
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return broken(error);
    FLATKV_ASSIGN(const bool mine, on_member(key, field.value()));
    if (mine) continue;
    if (reading == Reading::strict) {
      return fault("a member \"" + std::string(key) + "\", which the format does not have");
    }
    if (auto error = check_value(field.value(), JsonParser::kMaxDepth)) return broken(error);
  }
  return {};
}

/// "change set 2, pair 1: …", as the store counts them, too.
std::unexpected<JsonFault> within(const char* what, std::size_t number, JsonFault fault) {
  const char* between = fault.what.starts_with("pair ") ? ", " : ": ";
  fault.what = what + (" " + std::to_string(number)) + between + fault.what;
  return std::unexpected(std::move(fault));
}

Parsed<void> once(bool& seen, const char* what) {
  if (seen) return fault(std::string("the member \"") + what + "\" comes twice");
  seen = true;
  return {};
}

Parsed<std::string_view> string_of(od::value value, const char* what) {
  std::string_view text;
  const auto error = value.get_string().get(text);
  if (error == simdjson::INCORRECT_TYPE) return fault(std::string(what) + " is not a string");
  if (error) return broken(error);
  return text;
}

Parsed<std::int64_t> version_of(od::value value) {
  std::int64_t version = 0;
  if (value.get_int64().get(version)) return fault("version is not a 64-bit integer");
  if (version < 1) return fault("version " + std::to_string(version) + " is below 1");
  return version;
}

Parsed<od::object> object_of(od::value value, const char* what) {
  od::object object;
  const auto error = value.get_object().get(object);
  if (error == simdjson::INCORRECT_TYPE) return fault(std::string(what) + " is not an object");
  if (error) return broken(error);
  return object;
}

/// Calls `on_item(value)` for each item of an array; it returns Parsed<void>.
template <class OnItem>
Parsed<void> each_item(od::value value, const char* what, OnItem on_item) {
  od::array array;
  const auto error = value.get_array().get(array);
  if (error == simdjson::INCORRECT_TYPE) return fault(std::string(what) + " is not an array");
  if (error) return broken(error);
  for (auto item : array) {
    od::value each;
    if (auto item_error = std::move(item).get(each)) return broken(item_error);
    FLATKV_TRY(on_item(each));
  }
  return {};
}

Parsed<KVPair> pair_of(od::value value, Reading reading, Arena& arena) {
  FLATKV_ASSIGN(od::object object, object_of(value, "pair"));
  KVPair pair;
  bool has_key = false;
  bool has_value = false;
  bool has_delete = false;
  auto members =
      each_member(object, reading, [&](std::string_view key, od::value member) -> Parsed<bool> {
        if (key == "key") {
          FLATKV_TRY(once(has_key, "key"));
          FLATKV_ASSIGN(const std::string_view text, string_of(member, "key"));
          FLATKV_ASSIGN(pair.key, arena.hex(text, "key"));
        } else if (key == "value") {
          FLATKV_TRY(once(has_value, "value"));
          FLATKV_ASSIGN(const std::string_view text, string_of(member, "value"));
          FLATKV_ASSIGN(pair.value, arena.hex(text, "value"));
        } else if (key == "delete") {
          FLATKV_TRY(once(has_delete, "delete"));
          if (member.get_bool().get(pair.remove)) return fault("delete is neither true nor false");
        } else {
          return false;
        }
        return true;
      });
  FLATKV_TRY(std::move(members));
  if (!has_key) return fault("no key");
  if (reading == Reading::strict && !has_value && !pair.remove) {
    return fault("neither a value nor a delete");
  }
  return pair;
}

/// A set of the last `count` pairs. Spans are made later, once the pairs no longer move.
struct SetSize {
  std::string_view name;
  std::size_t count = 0;
};

Parsed<SetSize> set_of(od::value value, Reading reading, Arena& arena, std::vector<KVPair>& pairs) {
  FLATKV_ASSIGN(od::object object, object_of(value, "change set"));
  SetSize set;
  bool has_name = false;
  bool has_pairs = false;
  const std::size_t before = pairs.size();
  auto members =
      each_member(object, reading, [&](std::string_view key, od::value member) -> Parsed<bool> {
        if (key == "name") {
          FLATKV_TRY(once(has_name, "name"));
          FLATKV_ASSIGN(const std::string_view text, string_of(member, "name"));
          FLATKV_ASSIGN(set.name, arena.text(text));
        } else if (key == "pairs") {
          FLATKV_TRY(once(has_pairs, "pairs"));
          auto items = each_item(member, "pairs", [&](od::value item) -> Parsed<void> {
            auto pair = pair_of(item, reading, arena);
            if (!pair) return within("pair", pairs.size() - before + 1, std::move(pair).error());
            pairs.push_back(*pair);
            return {};
          });
          FLATKV_TRY(std::move(items));
        } else {
          return false;
        }
        return true;
      });
  FLATKV_TRY(std::move(members));
  if (!has_name) return fault("no name");
  if (!has_pairs) return fault("no pairs");
  set.count = pairs.size() - before;
  return set;
}

bool only_white(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

Parsed<void> JsonParser::start(std::string_view line) {
  if (!parser_ || parser_->capacity() > (std::size_t{64} << 20)) {
    parser_ = std::make_unique<od::parser>();  // one huge line must not keep its memory
  }
  if (parser_->capacity() < line.size()) {
    // Doubled, so that lines that grow a little do not each allocate.
    if (auto error = parser_->allocate(std::max<std::size_t>(line.size() * 2, 1U << 16U),
                                       static_cast<std::size_t>(kMaxDepth) * 2)) {
      return broken(error);
    }
  }
  const auto error =
      parser_->iterate(line.data(), line.size(), line.size() + LineReader::kPadding).get(document_);
  if (error) return broken(error);
  return {};
}

Parsed<ChangeLine> JsonParser::change_line(std::string_view text) {
  FLATKV_TRY(start(text));
  ChangeLine line;
  Arena arena(text.size());
  std::vector<SetSize> sizes;
  bool has_version = false;
  bool has_sets = false;
  od::object object;
  if (document_.get_object().get(object)) return fault("not a JSON object");
  auto parsed =
      each_member(object, reading_, [&](std::string_view key, od::value member) -> Parsed<bool> {
        if (key == "version") {
          FLATKV_TRY(once(has_version, "version"));
          FLATKV_ASSIGN(line.version, version_of(member));
        } else if (key == "changesets") {
          FLATKV_TRY(once(has_sets, "changesets"));
          auto items = each_item(member, "changesets", [&](od::value item) -> Parsed<void> {
            auto set = set_of(item, reading_, arena, line.pairs);
            if (!set) return within("change set", sizes.size() + 1, std::move(set).error());
            sizes.push_back(*set);
            return {};
          });
          FLATKV_TRY(std::move(items));
        } else {
          return false;
        }
        return true;
      });
  if (parsed && !has_version) parsed = fault("no version");
  if (parsed && !has_sets) parsed = fault("no changesets");
  if (parsed && document_.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    parsed = fault("more behind the object");
  }
  if (!parsed) {
    JsonFault wrong = std::move(parsed).error();
    if (line.version > 0) wrong.version = line.version;
    return std::unexpected(std::move(wrong));
  }
  const KVPair* next = line.pairs.data();
  for (const SetSize& size : sizes) {
    line.sets.push_back({size.name, {next, size.count}});
    next += size.count;
  }
  line.bytes_size = arena.used();
  line.bytes = std::move(arena).take();
  return line;
}

Parsed<JsonParser::RootsLine> JsonParser::roots_line(std::string_view text) {
  FLATKV_TRY(start(text));
  RootsLine line;
  struct Part {
    const char* name;
    Digest* into;
    bool seen = false;
  };
  std::array<Part, 5> parts = {{{"root", &line.roots.root},
                                {"account", &line.roots.account},
                                {"code", &line.roots.code},
                                {"storage", &line.roots.storage},
                                {"legacy", &line.roots.legacy}}};
  bool has_version = false;
  od::object object;
  if (document_.get_object().get(object)) return fault("not a JSON object");
  auto parsed =
      each_member(object, reading_, [&](std::string_view key, od::value member) -> Parsed<bool> {
        if (key == "version") {
          FLATKV_TRY(once(has_version, "version"));
          if (member.get_int64().get(line.version) || line.version < 0) {
            return fault("version is not a version");
          }
          return true;
        }
        for (Part& part : parts) {
          if (key != part.name) continue;
          FLATKV_TRY(once(part.seen, part.name));
          FLATKV_ASSIGN(const std::string_view hex, string_of(member, part.name));
          std::array<std::uint8_t, 34> bytes{};
          if (hex.size() != 64 && hex.size() != 66) {
            return fault(std::string(part.name) + " is not a digest of 32 bytes");
          }
          const auto length = decode_hex(hex, bytes.data());
          if (!length || *length != part.into->size()) {
            return fault(std::string(part.name) + " is not a digest of 32 bytes");
          }
          std::memcpy(part.into->data(), bytes.data(), part.into->size());
          return true;
        }
        return false;
      });
  if (parsed && !has_version) parsed = fault("no version");
  for (const Part& part : parts) {
    if (parsed && !part.seen) parsed = fault(std::string("no ") + part.name);
  }
  if (parsed && document_.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    parsed = fault("more behind the object");
  }
  if (!parsed) return std::unexpected(std::move(parsed).error());
  return line;
}

Outcome<std::optional<std::string_view>> next_filled_line(LineReader& lines) {
  while (true) {
    FLATKV_ASSIGN(auto line, lines.next());
    if (!line) return std::nullopt;
    if (lines.number() == 1 && line->starts_with("\xef\xbb\xbf")) line->remove_prefix(3);
    if (!only_white(*line)) return line;
  }
}

Outcome<std::optional<ChangeLine>> JsonChangeReader::next() {
  FLATKV_ASSIGN(const auto text, next_filled_line(lines_));
  if (!text) return std::nullopt;
  auto line = parser_.change_line(*text);
  if (!line) {
    const JsonFault& wrong = line.error();
    std::string message = place(lines_.number());
    if (wrong.version) message += ", version " + std::to_string(*wrong.version);
    message += ": " + wrong.what;
    Trouble malformed(ExitCode::usage, std::move(message),
                      "fix the file; blocks before this one stay committed, so that applying it "
                      "again goes on from there");
    malformed.version = wrong.version;
    return std::unexpected(std::move(malformed));
  }
  line->number = lines_.number();
  return std::move(*line);
}

std::string JsonChangeReader::place(std::uint64_t number) const {
  return "line " + std::to_string(number);
}

}  // namespace flatkv::cli
