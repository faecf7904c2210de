// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/view.hpp"

namespace FLATKV_API flatkv {

/// A small number as a 256-bit value.
constexpr Word to_word(std::uint64_t number) noexcept {
  Word word{};
  for (std::size_t i = word.size(); number != 0; number >>= 8U) {
    word[--i] = static_cast<std::uint8_t>(number);
  }
  return word;
}

/// Keccak-256 as Ethereum uses it; not the SHA-3 of FIPS 202, which pads differently. The code hash
/// of an account, and the slots of mappings, are such digests.
Word keccak256(ByteView bytes) noexcept;

/// The writes of one block, by account and slot instead of by key bytes:
///
///     BlockBuilder block;
///     block.set_nonce(sender, 8).set_balance(sender, balance).set_storage(token, slot, value);
///     store.apply(block);
///
/// It stands for a list of change sets wherever one is taken. Later writes win over earlier ones of
/// the same field or slot, also over those of earlier `apply` calls of the block. A value of zero
/// is a removal, as in the EVM: the slot is absent afterwards, and a field of an account resets.
///
/// The builder owns its bytes; what is passed in may be freed on return. It checks nothing: limits
/// of size are for `apply`, which refuses the whole block. One thread at a time. Functions that do
/// not return a Status throw std::bad_alloc if there is no memory; nothing was written then. A
/// builder that was moved from may only be destroyed or assigned to.
class BlockBuilder {
 public:
  BlockBuilder();
  BlockBuilder(BlockBuilder&&) noexcept;
  BlockBuilder& operator=(BlockBuilder&&) noexcept;
  ~BlockBuilder();

  /// A block with these writes, to which more can be added; for blocks that come as change sets,
  /// such as those of the log. Keeps everything as it is, legacy keys and other modules included.
  static BlockBuilder from_changes(std::span<const NamedChangeSet> change_sets);

  /// A write of a field creates the account if it is absent, with AccountRows::keep also a write of
  /// zero.
  BlockBuilder& set_nonce(const Address& address, std::uint64_t nonce);
  BlockBuilder& set_balance(const Address& address, const Word& balance);
  BlockBuilder& set_storage(const Address& address, const Slot& slot, const Word& value);

  /// Sets code and code hash. Without `code_hash` it is the keccak256 of the code. Empty code
  /// removes both: an account without code has no code hash here, not the hash of nothing.
  BlockBuilder& set_code(const Address& address, ByteView code);
  /// `code_hash` is written as it is and not compared with the code.
  BlockBuilder& set_code(const Address& address, ByteView code, const Word& code_hash);
  /// The code hash alone, where the code itself is kept elsewhere.
  BlockBuilder& set_code_hash(const Address& address, const Word& code_hash);

  /// Removes nonce, balance, code hash and code. With AccountRows::keep the account's row stays, as
  /// zeros. Storage slots stay, too.
  BlockBuilder& remove_account(const Address& address);

  /// As above, and removes the account's storage slots: those that `state` shows and those that
  /// this builder has set. `state` is a ReadView, an Overlay, or the handle, which also shows
  /// what was applied and not committed. There is no delete of a range, so this walks over all
  /// slots of the account and writes one removal for each: it costs a read, a hash and a log entry
  /// a slot. On an error (of the reads, or `out_of_memory` while walking) nothing was written.
  template <class State>
  Status remove_account_and_storage(const Address& address, const State& state) {
    RowRange range;
    range.prefix.assign(address.begin(), address.end());
    Result<RowIterator> slots = state.iterate(Database::storage, range);
    if (!slots) return std::unexpected(std::move(slots).error());
    return remove_account_and(address, *slots);
  }

  /// Whether there is no write.
  bool empty() const noexcept;
  /// Starts anew with the memory that is there, for the next block.
  void clear() noexcept;

  /// The writes, in order. Borrowed: valid until the builder changes or is moved.
  std::span<const NamedChangeSet> change_sets() const noexcept;
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator std::span<const NamedChangeSet>() const noexcept { return change_sets(); }

 private:
  struct Impl;
  Status remove_account_and(const Address& address, RowIterator& slots);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv
