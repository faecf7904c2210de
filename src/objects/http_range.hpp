// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flatkv::objects {

/// The value of a Content-Range header, "bytes 5-9/10".
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;  ///< unset for '*'
  bool operator==(const ContentRange&) const = default;
};
/// nullopt for anything else, and for a range that cannot be.
std::optional<ContentRange> parse_content_range(std::string_view value);

/// A number without sign and blanks; nullopt for anything else.
std::optional<std::uint64_t> parse_length(std::string_view value);

}  // namespace flatkv::objects
