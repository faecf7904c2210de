// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// The five databases of a store. The first four, the data databases, hold rows; `metadata` holds
/// the global version and hash and copies of the four hashes.
enum class Database : std::uint8_t { account, code, storage, legacy, metadata };

/// "account", "code", "storage", "legacy" or "metadata".
std::string_view to_string(Database database) noexcept;

inline constexpr std::array<Database, 5> kAllDatabases = {
    Database::account, Database::code, Database::storage, Database::legacy, Database::metadata};
inline constexpr std::array<Database, 4> kDataDatabases = {Database::account, Database::code,
                                                           Database::storage, Database::legacy};

/// One `T` for each of the first `N` databases, found by `Database`. Iterates in that order. Use it
/// through the two names below.
template <class T, std::size_t N>
struct DatabaseArray {
  std::array<T, N> values{};

  /// `database` must be one of the first `N`.
  constexpr T& operator[](Database database) noexcept {
    return values[static_cast<std::size_t>(database)];
  }
  constexpr const T& operator[](Database database) const noexcept {
    return values[static_cast<std::size_t>(database)];
  }
  constexpr auto begin() noexcept { return values.begin(); }
  constexpr auto begin() const noexcept { return values.begin(); }
  constexpr auto end() noexcept { return values.end(); }
  constexpr auto end() const noexcept { return values.end(); }
  static constexpr std::size_t size() noexcept { return N; }

  bool operator==(const DatabaseArray&) const = default;
};

/// One for each of the five databases.
template <class T>
using PerDatabase = DatabaseArray<T, kAllDatabases.size()>;

/// One for each of the four data databases; there is none for `metadata`.
template <class T>
using PerDataDatabase = DatabaseArray<T, kDataDatabases.size()>;

/// Rows, key bytes and value bytes of a database: internal keys and stored values.
struct DatabaseStats {
  std::uint64_t rows = 0;
  std::uint64_t key_bytes = 0;
  std::uint64_t value_bytes = 0;
  bool operator==(const DatabaseStats&) const = default;
};

}  // namespace flatkv
