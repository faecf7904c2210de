// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "fs/files.hpp"

// The form of MANIFEST.json, CURRENT and SNAPSHOT: a JSON object whose last line is a digest of all
// bytes before it. The spelling of that line is fixed, so that every byte of the file is covered.
namespace flatkv::layout {

/// Completes the text of a JSON object, given up to its closing brace (exclusive), with the digest
/// line.
Bytes seal_text(std::string text);
/// Writes such an object, member by member, with an indentation of two spaces. It has at least one
/// member. (An ordered_json takes memory in its destructor, and ends the process if there is none.)
class Sealing {
 public:
  Sealing() { open('{'); }
  /// `name` is empty in an array.
  Sealing& number(std::string_view name, std::uint64_t value);
  Sealing& text(std::string_view name, std::string_view value);
  Sealing& object(std::string_view name = {});
  Sealing& array(std::string_view name);
  /// Ends the innermost object or array.
  Sealing& end();
  Bytes seal() &&;

 private:
  void begin_item(std::string_view name);
  void open(char bracket);
  void begin_line();

  std::string text_;
  std::string closing_;  ///< brackets, the innermost last
  bool empty_ = true;    ///< the innermost object or array
};

/// A JSON value that is destroyed without memory: that of nlohmann takes some for its members.
class Unsealed {
 public:
  Unsealed() = default;
  Unsealed(Unsealed&&) noexcept = default;
  ~Unsealed() { empty(value); }
  Unsealed(const Unsealed&) = delete;
  Unsealed& operator=(const Unsealed&) = delete;
  Unsealed& operator=(Unsealed&&) = delete;

  nlohmann::json value;

 private:
  static void empty(nlohmann::json& json) noexcept;
};

/// Checks and parses sealed bytes. `corruption` for more than `limit` bytes, a wrong digest, a
/// digest line spelled otherwise, text that is not a JSON object of a few levels, one of more than
/// `most_values` values (each may be three bytes here, and eighty in memory), and a duplicate
/// member.
Result<Unsealed> unseal(ByteView bytes, std::size_t limit, std::size_t most_values = 1U << 22);

/// Typed access to the members of an object. A member that is missing, of another type or out of
/// range is `corruption`, which names it. Borrows the object.
class Members {
 public:
  /// `object` may be any JSON value; the functions refuse what is not an object.
  explicit Members(const nlohmann::json& object) : object_(object) {}
  explicit Members(const Unsealed& object) : object_(object.value) {}

  Result<std::uint64_t> number(std::string_view name, std::uint64_t min, std::uint64_t max) const;
  Result<std::string_view> text(std::string_view name) const;
  /// Hex of exactly `into.size()` bytes, without a 0x prefix.
  Status hex(std::string_view name, std::span<std::uint8_t> into) const;
  Result<const nlohmann::json*> object(std::string_view name) const;
  Result<const nlohmann::json*> array(std::string_view name) const;
  bool has(std::string_view name) const;

 private:
  Result<const nlohmann::json*> find(std::string_view name) const;
  const nlohmann::json& object_;
};

/// `format_too_new` if the member "format" is above ours; then no other member may be read.
Status check_format(const Members& members);

/// Reads and decodes a whole file; errors carry its path. `corruption` if it is missing or not a
/// regular file.
template <class Decode>
auto read_decoded(fs::FileSystem& files, const std::string& path, std::size_t limit, Decode decode)
    -> decltype(decode(ByteView{})) {
  const Result<bool> there = fs::exists(files, path, fs::FileType::file);
  if (!there) return std::unexpected(there.error());
  if (!*there) return fail(ErrorCode::corruption, "the file is missing").path(path);
  const Result<Bytes> bytes = fs::read_file(files, path, limit);
  if (!bytes) return std::unexpected(bytes.error());
  auto decoded = decode(*bytes);
  if (!decoded) decoded.error().path = path;
  return decoded;
}

}  // namespace flatkv::layout
