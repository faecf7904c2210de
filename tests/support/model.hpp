// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>

#include "flatkv/account.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/error.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

namespace flatkv::test {

/// The lattice hash, straight from docs/specification.md#lattice-hash.
class PlainLtHash {
 public:
  void add(ByteView key, ByteView value) { mix(key, value, true); }
  void subtract(ByteView key, ByteView value) { mix(key, value, false); }
  PlainLtHash& operator+=(const PlainLtHash& other);
  std::array<std::uint8_t, 2048> serialized() const;
  Digest checksum() const;
  bool operator==(const PlainLtHash&) const = default;

 private:
  void mix(ByteView key, ByteView value, bool in);
  std::array<std::uint16_t, 1024> limbs_{};
};

/// Order of unsigned bytes, a prefix before its extensions. (operator< of vectors makes GCC 12 warn
/// falsely.)
struct ByteOrder {
  bool operator()(const Bytes& a, const Bytes& b) const noexcept {
    return as_chars(a) < as_chars(b);
  }
};
using Rows = std::map<Bytes, Bytes, ByteOrder>;

/// Everything that a store holds at one version.
struct State {
  std::int64_t version = 0;
  PerDataDatabase<Rows> rows;
  PerDataDatabase<PlainLtHash> hashes;

  Roots roots() const;
  /// The roots, computed from the rows alone.
  Roots roots_by_scan() const;
  DatabaseStats stats(Database database) const;
  std::optional<Bytes> get(ByteView external_key) const;
  std::optional<Account> account(const Address& address) const;
};

/// What the store must do, with maps, straight from docs/specification.md#keys-and-values and
/// docs/specification.md#lattice-hash. Shares only the public types with the library.
class Model {
 public:
  explicit Model(AccountRows account_rows = AccountRows::keep, std::int64_t initial_version = 1);

  /// False for invalid input; then nothing changed.
  bool apply(std::span<const NamedChangeSet> change_sets);
  void commit();
  void discard();
  /// Rolls back to a state.
  void go_back(const State& state);

  const State& committed() const { return committed_; }
  const State& working() const { return working_; }
  std::int64_t version() const { return committed_.version; }
  std::uint64_t ignored() const { return ignored_; }

 private:
  void write(Database database, const Bytes& key, const std::optional<Bytes>& value);
  void write_account(const Bytes& address, std::uint8_t prefix, const KVPair& pair);

  bool prune_;
  State committed_;
  State working_;
  std::uint64_t ignored_ = 0;
};

}  // namespace flatkv::test
