// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "fs/files.hpp"

// The form of MANIFEST.json, CURRENT and SNAPSHOT: a JSON object whose last line is a digest of all
// bytes before that line, in one fixed spelling, so that no byte of the file is outside it.
namespace flatkv::layout {

/// Ends the text of a JSON object (as far as its closing brace, exclusive) with the digest line.
Bytes seal_text(std::string text);
/// The text of `object` with two spaces of indentation, sealed. `object` has at least one member.
Bytes seal(const nlohmann::ordered_json& object);

/// The object in sealed bytes. `corruption` for more than `limit` bytes, a wrong digest or spelling
/// of its line, text that is no JSON object, and for a member that occurs twice.
Result<nlohmann::json> unseal(ByteView bytes, std::size_t limit);

/// Typed access to the members of an object; what is missing, of another type or out of range is
/// `corruption` that names the member. Borrows the object.
class Members {
 public:
  /// `object` may be anything; the functions refuse what is not an object.
  explicit Members(const nlohmann::json& object) : object_(object) {}

  Result<std::uint64_t> number(std::string_view name, std::uint64_t min, std::uint64_t max) const;
  Result<std::string_view> text(std::string_view name) const;
  /// Hex of exactly `into.size()` bytes, without a prefix.
  Status hex(std::string_view name, std::span<std::uint8_t> into) const;
  Result<const nlohmann::json*> object(std::string_view name) const;
  Result<const nlohmann::json*> array(std::string_view name) const;
  bool has(std::string_view name) const;

 private:
  Result<const nlohmann::json*> find(std::string_view name) const;
  const nlohmann::json& object_;
};

/// `format_too_new` if the member "format" is above ours: nothing else may be looked at then.
Status check_format(const Members& members);

/// A whole file through its decoder, with its path in every error. A missing one is `corruption`,
/// as is anything that is not a plain file.
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
