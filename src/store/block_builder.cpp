// SPDX-License-Identifier: Apache-2.0
#include "flatkv/block_builder.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "base/endian.hpp"
#include "base/guard.hpp"
#include "base/reuse.hpp"
#include "codec/keccak.hpp"
#include "flatkv/keys.hpp"

namespace flatkv {

Word keccak256(ByteView bytes) noexcept { return codec::keccak256(bytes); }

/// The bytes lie in chunks that never move, so that pairs can point into them.
struct BlockBuilder::Impl {
  static constexpr std::size_t kChunkBytes = 64U << 10;

  struct Set {
    std::string name;
    std::vector<KVPair> pairs;
  };
  std::vector<Bytes> chunks;  ///< each filled up to its capacity at most
  std::size_t chunk = 0;      ///< the one being filled; those after it are empty
  std::deque<Set> owned;      ///< at least as many as `sets`
  std::vector<NamedChangeSet> sets;

  ByteView keep(ByteView bytes) {
    const auto fits = [&](const Bytes& one) { return one.capacity() - one.size() >= bytes.size(); };
    while (chunk < chunks.size() && !fits(chunks[chunk])) ++chunk;
    if (chunk == chunks.size()) {
      Bytes fresh;
      fresh.reserve(std::max(kChunkBytes, bytes.size()));
      chunks.push_back(std::move(fresh));
    }
    Bytes& into = chunks[chunk];
    const std::size_t begin = into.size();
    into.insert(into.end(), bytes.begin(), bytes.end());
    return ByteView(into).subspan(begin);
  }

  void begin_set(std::string_view name) {
    owned.resize(sets.size());  // without what a failed allocation left
    owned.push_back({std::string(name), {}});
    sets.push_back({owned.back().name, {}});
  }

  void add(const KVPair& pair) {
    KVPair kept{.key = keep(pair.key), .value = {}, .remove = pair.remove};
    if (!pair.remove) kept.value = keep(pair.value);
    std::vector<KVPair>& pairs = owned[sets.size() - 1].pairs;
    pairs.push_back(kept);
    sets.back().pairs = pairs;
  }

  /// A typed write; no value is a removal.
  void write(ByteView key, ByteView value) {
    if (sets.empty() || sets.back().name != kEvmModule) begin_set(kEvmModule);
    add({.key = key, .value = value, .remove = value.empty()});
  }
  void write_word(ByteView key, const Word& value) {
    write(key, value == Word{} ? ByteView{} : ByteView(value));
  }
  void remove(ByteView key) { write(key, {}); }

  /// Runs `step`, which writes several pairs: all of them or, if it throws, none.
  template <class Step>
  void whole(Step&& step) {
    const std::size_t sets_before = sets.size();
    const std::size_t pairs_before = sets.empty() ? 0 : sets.back().pairs.size();
    try {
      std::forward<Step>(step)();
    } catch (...) {
      sets.resize(sets_before);
      if (!sets.empty()) {
        owned[sets_before - 1].pairs.resize(pairs_before);
        sets.back().pairs = owned[sets_before - 1].pairs;
      }
      throw;
    }
  }

  void remove_account(const Address& address) {
    remove(nonce_key(address));
    remove(balance_key(address));
    remove(code_hash_key(address));
    remove(code_key(address));
  }

  /// The account's slots that this block writes.
  void collect_slots(const Address& address, std::vector<Slot>& into) const {
    const StorageKey first = storage_key(address, {});
    const ByteView prefix = ByteView(first).first(1 + address.size());
    for (const NamedChangeSet& set : sets) {
      if (set.name != kEvmModule) continue;
      for (const KVPair& pair : set.pairs) {
        if (pair.key.size() != first.size() || pair.remove) continue;
        if (!std::ranges::equal(pair.key.first(prefix.size()), prefix)) continue;
        std::ranges::copy(pair.key.subspan(prefix.size()), into.emplace_back().begin());
      }
    }
  }

  void clear() noexcept {
    sets.clear();
    owned.clear();
    // Memory of an exceptional block is given back.
    std::erase_if(chunks, [](const Bytes& one) { return one.capacity() > 2 * kChunkBytes; });
    if (chunks.size() > kMostReused / kChunkBytes) chunks.resize(kMostReused / kChunkBytes);
    for (Bytes& one : chunks) one.clear();
    chunk = 0;
  }
};

BlockBuilder::BlockBuilder() : impl_(std::make_unique<Impl>()) {}
BlockBuilder::BlockBuilder(BlockBuilder&&) noexcept = default;
BlockBuilder& BlockBuilder::operator=(BlockBuilder&&) noexcept = default;
BlockBuilder::~BlockBuilder() = default;

BlockBuilder BlockBuilder::from_changes(std::span<const NamedChangeSet> change_sets) {
  BlockBuilder block;
  for (const NamedChangeSet& set : change_sets) {
    block.impl_->begin_set(set.name);
    for (const KVPair& pair : set.pairs) block.impl_->add(pair);
  }
  return block;
}

BlockBuilder& BlockBuilder::set_nonce(const Address& address, std::uint64_t nonce) {
  std::array<std::uint8_t, 8> bytes{};
  store_be(bytes.data(), nonce);
  impl_->write(nonce_key(address), nonce == 0 ? ByteView{} : ByteView(bytes));
  return *this;
}

BlockBuilder& BlockBuilder::set_balance(const Address& address, const Word& balance) {
  impl_->write_word(balance_key(address), balance);
  return *this;
}

BlockBuilder& BlockBuilder::set_storage(const Address& address, const Slot& slot,
                                        const Word& value) {
  impl_->write_word(storage_key(address, slot), value);
  return *this;
}

BlockBuilder& BlockBuilder::set_code(const Address& address, ByteView code) {
  return set_code(address, code, code.empty() ? Word{} : keccak256(code));
}

BlockBuilder& BlockBuilder::set_code(const Address& address, ByteView code, const Word& code_hash) {
  impl_->whole([&] {
    impl_->write(code_key(address), code);
    impl_->write_word(code_hash_key(address), code_hash);
  });
  return *this;
}

BlockBuilder& BlockBuilder::set_code_hash(const Address& address, const Word& code_hash) {
  impl_->write_word(code_hash_key(address), code_hash);
  return *this;
}

BlockBuilder& BlockBuilder::remove_account(const Address& address) {
  impl_->whole([&] { impl_->remove_account(address); });
  return *this;
}

Status BlockBuilder::remove_account_and(const Address& address, RowIterator& slots) {
  return guarded([&]() -> Status {
    std::vector<Slot> found;
    for (; slots.valid(); slots.next()) {
      std::ranges::copy(slots.key().subspan(address.size()), found.emplace_back().begin());
    }
    if (Status walked = slots.status(); !walked) return walked;
    impl_->collect_slots(address, found);
    std::ranges::sort(found);
    const auto repeated = std::ranges::unique(found);
    found.erase(repeated.begin(), repeated.end());
    impl_->whole([&] {
      impl_->remove_account(address);
      for (const Slot& slot : found) impl_->remove(storage_key(address, slot));
    });
    return {};
  });
}

bool BlockBuilder::empty() const noexcept {
  return std::ranges::all_of(impl_->sets, [](const auto& set) { return set.pairs.empty(); });
}

void BlockBuilder::clear() noexcept { impl_->clear(); }

std::span<const NamedChangeSet> BlockBuilder::change_sets() const noexcept { return impl_->sets; }

}  // namespace flatkv
