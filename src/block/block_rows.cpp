// SPDX-License-Identifier: Apache-2.0
#include "block/block_rows.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/reuse.hpp"
#include "codec/account.hpp"

namespace flatkv::block {

bool BlockRow::changed() const {
  return had_old != has_value || (has_value && (let_go != 0 || !equal(old_value, value)));
}

const LtHash& BlockRow::old_element() const {
  FLATKV_ASSERT(let_go != 0 && old_value.size() == sizeof(LtHash));
  return *std::launder(reinterpret_cast<const LtHash*>(old_value.data()));
}

void count_change(const BlockRow& row, DatabaseStats& stats) {
  if (row.had_old) {
    --stats.rows;
    stats.key_bytes -= row.key.size();
    stats.value_bytes -= row.old_bytes();
  }
  if (row.has_value) {
    ++stats.rows;
    stats.key_bytes += row.key.size();
    stats.value_bytes += row.value.size();
  }
}

BlockRow* BlockRows::find(ByteView key, std::uint64_t hash) {
  return const_cast<BlockRow*>(std::as_const(*this).find(key, hash));
}

const BlockRow* BlockRows::find(ByteView key, std::uint64_t hash) const {
  if (index_.empty()) return nullptr;
  const std::size_t mask = index_.size() - 1;
  for (std::size_t at = hash & mask; index_[at] != 0; at = (at + 1) & mask) {
    const BlockRow& row = rows[index_[at] - 1];
    if (row.hash == hash && equal(row.key, key)) return &row;
  }
  return nullptr;
}

void BlockRows::prefetch_row(std::uint64_t hash) const noexcept {
  if (index_.empty()) return;
  const std::uint32_t at = index_[hash & (index_.size() - 1)];
  if (at != 0) __builtin_prefetch(&rows[at - 1]);
}

std::uint32_t BlockRows::intern(ByteView key, std::uint64_t hash) {
  if (const BlockRow* row = find(key, hash)) return static_cast<std::uint32_t>(row - rows.data());
  if ((rows.size() + 1) * 2 > index_.size()) grow();
  BlockRow fresh;
  fresh.key = key;
  fresh.hash = hash;
  rows.push_back(fresh);
  const auto row = static_cast<std::uint32_t>(rows.size() - 1);
  insert_index(row);
  return row;
}

void BlockRows::insert_index(std::uint32_t row) {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = rows[row].hash & mask;
  while (index_[at] != 0) at = (at + 1) & mask;
  index_[at] = row + 1;
}

void BlockRows::grow() {
  index_.assign(index_.empty() ? 64 : index_.size() * 2, 0);
  for (std::uint32_t row = 0; row < rows.size(); ++row) insert_index(row);
}

void BlockRows::truncate(std::size_t count) {
  if (count == rows.size()) return;
  rows.resize(count);
  std::ranges::fill(index_, 0U);
  for (std::uint32_t row = 0; row < rows.size(); ++row) insert_index(row);
}

void BlockRows::clear() {
  // After an unusually large block, release the index: otherwise every later `clear` would pay for
  // filling it.
  if (index_.size() > 64 * (rows.size() + 16) ||
      index_.size() * sizeof(std::uint32_t) > kMostReused) {
    std::vector<std::uint32_t>().swap(index_);
  } else {
    std::ranges::fill(index_, 0U);
  }
  clear_for_reuse(rows);
}

void set_account(BlockRow& row, const Account& account, AccountRows account_rows,
                 memory::Arena& arena) {
  row.has_value = account_rows == AccountRows::keep || !codec::is_empty(account);
  row.value = row.has_value ? arena.copy(codec::encode_account(account).view()) : ByteView{};
}

RowSpans rows_of(const PerDataDatabase<BlockRows>& tables) {
  RowSpans spans;
  for (const Database database : kDataDatabases) spans[database] = tables[database].rows;
  return spans;
}

}  // namespace flatkv::block
