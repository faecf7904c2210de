// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace flatkv::objects {

enum class Scheme : std::uint8_t { s3, file, http };

/// Where objects lie, as people write it: "s3://BUCKET/PREFIX", "file:PATH", "http://…",
/// "https://…".
struct Location {
  Scheme scheme = Scheme::file;
  std::string bucket;  ///< of s3
  /// s3: the prefix, without a slash at either end; file: the directory; http: the URL, without a
  /// slash at its end.
  std::string path;

  /// Checks what can be checked without looking. `invalid_argument` for anything else than the
  /// forms above, and for an http URL with a user, a password or a query: arguments are seen by
  /// every process of the machine, so that no secret may be in one.
  static Result<Location> parse(std::string_view text);
  std::string to_string() const;

  /// The location one level below or above; `name` has no slash.
  Location below(std::string_view name) const;
  Location above() const;
  /// The last component of the path.
  std::string_view name() const;
};

/// Whether it can be a location, so that a mistyped file name is not taken for one.
bool looks_like_location(std::string_view text) noexcept;

}  // namespace flatkv::objects
