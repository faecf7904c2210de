// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "errors.hpp"
#include "flatkv/account.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/database.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/tools/transfer.hpp"

// What Python hands in, as the library takes it. Bytes come as any object with a buffer, or as a
// str of hex digits with or without "0x". All of these copy, need the interpreter's lock, and raise
// `invalid_argument`, or TypeError for an object of another kind. `name` is the argument's.
namespace flatkv::python {

Bytes bytes_of(nb::handle value, const char* name);

/// As many bytes as `into` has.
void fill_from(nb::handle value, const char* name, std::span<std::uint8_t> into);

inline Address address_of(nb::handle value) {
  Address address;
  fill_from(value, "address", address);
  return address;
}

/// 32 bytes, or an int from 0 to 2^256 - 1.
Word word_of(nb::handle value, const char* name);

Database database_of(const std::string& name);
/// Not `metadata`, which has no rows.
Database data_database_of(const std::string& name);
std::optional<Database> database_of(const std::optional<std::string>& name);
AccountRows account_rows_of(const std::string& name);
std::string path_of(nb::handle path);

/// None, 32 bytes (a root alone) or Roots.
TrustedRoots trusted_of(nb::handle expected);

/// Change sets, with the bytes that they borrow. Not to be copied or moved.
class Changes {
 public:
  /// Of (name, pairs), where pairs are of (key, value) and a value of None removes.
  explicit Changes(nb::handle change_sets);
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;
  std::span<const NamedChangeSet> sets() const noexcept { return sets_; }

 private:
  void add(nb::handle name, nb::handle pairs);

  std::vector<std::string> names_;
  std::vector<std::vector<Bytes>> bytes_;
  std::vector<std::vector<KVPair>> pairs_;
  std::vector<NamedChangeSet> sets_;
};

}  // namespace flatkv::python
