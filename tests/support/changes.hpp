// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/change_set.hpp"
#include "flatkv/keys.hpp"

namespace flatkv::test {

/// The change sets of one `apply` call, owning their bytes.
class Changes {
 public:
  Changes() = default;

  /// Starts a new change set of this name for the pairs that follow.
  Changes& module(std::string name);
  Changes& set(ByteView key, ByteView value);
  Changes& remove(ByteView key);

  Changes& storage(const Address& address, const Slot& slot, ByteView value) {
    return set(storage_key(address, slot), value);
  }
  Changes& nonce(const Address& address, std::uint64_t nonce);
  Changes& balance(const Address& address, const Word& balance) {
    return set(balance_key(address), balance);
  }
  Changes& code_hash(const Address& address, const Word& hash) {
    return set(code_hash_key(address), hash);
  }
  Changes& code(const Address& address, ByteView code) { return set(code_key(address), code); }

  /// Borrowed from this object; rebuilt by each call.
  std::span<const NamedChangeSet> sets() const;
  operator std::span<const NamedChangeSet>() const { return sets(); }  // NOLINT
  bool empty() const { return sets_.empty(); }

  struct Pair {
    Bytes key;
    Bytes value;
    bool remove = false;
  };
  struct Set {
    std::string name;
    std::vector<Pair> pairs;
  };
  std::vector<Set>& all() { return sets_; }
  const std::vector<Set>& all() const { return sets_; }

 private:
  Set& last();
  std::vector<Set> sets_;
  mutable std::deque<std::vector<KVPair>> borrowed_pairs_;
  mutable std::vector<NamedChangeSet> borrowed_;
};

/// Bytes from numbers and text.
Bytes bytes(std::initializer_list<int> values);
Bytes text(std::string_view characters);
Bytes hex(std::string_view digits);
/// The address (slot, word) that ends in this number.
Address address(std::uint64_t number);
Slot slot(std::uint64_t number);
Word word(std::uint64_t number);

}  // namespace flatkv::test
