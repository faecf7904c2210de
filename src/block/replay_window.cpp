// SPDX-License-Identifier: Apache-2.0
#include "block/replay_window.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/reuse.hpp"
#include "codec/change_log_entry.hpp"
#include "memory/key_hash.hpp"

namespace flatkv::block {
namespace {

/// As in a block that is committed: beyond this size old values are hashed as they are read, and
/// then released.
constexpr std::size_t kMostOldBytes = std::size_t{32} << 20;
constexpr std::size_t kReleasedBytes = std::size_t{8} << 20;

/// Rows whose cache misses overlap.
constexpr std::size_t kGroup = 32;
/// How many writes ahead a row is loaded.
constexpr std::size_t kAhead = 8;

}  // namespace

ScrubChange ReplayedBlock::behind(const std::shared_ptr<const ScrubFront>& now) const {
  FLATKV_ASSERT(now.get() == front && now != nullptr);
  ScrubChange sum{behind_front, {}};
  for (const BlockRow& row : rows[front->database]) {
    if (row.changed() && front->covers(row.key)) count_change(row, sum.stats);
  }
  return sum;
}

ReplayWindow::ReplayWindow(Setup setup) : setup_(std::move(setup)), summation_(setup_.share) {
  setup_.rows.use_cores(setup_.share->threads());
}

void ReplayWindow::clear() noexcept {
  summation_.drain();
  clear_for_reuse(payloads_);
  bytes_ = 0;
  clear_for_reuse(writes_);
  clear_for_reuse(blocks_);
  for (const Database database : kDataDatabases) {
    tables_[database].clear();
    clear_for_reuse(touches_[database]);
    clear_for_reuse(changes_[database]);
  }
  clear_for_reuse(accounts_);
  arena_.clear();
  window_.clear();
}

Status ReplayWindow::add(std::int64_t version, Bytes payload, const PerDataDatabase<bool>& take) {
  const auto damaged = [&](std::string message) {
    return fail(ErrorCode::corruption, std::move(message)).path(setup_.store).version(version);
  };
  const auto entry = codec::decode_changelog_entry(payload);
  if (!entry) return damaged("the logged block does not decode: " + entry.error().message);
  if (entry->version != version) {
    return damaged("the logged block says it is version " + std::to_string(entry->version));
  }
  const std::size_t before = writes_.size();
  for (const auto& set : entry->changesets) {
    if (set.name != kEvmModule) continue;
    for (const KVPair& pair : set.pairs) {
      const auto route = codec::route_pair(pair);
      if (!route) {
        // apply() rejects this input, so it was never logged: the record is damaged.
        writes_.resize(before);
        return damaged("the logged block is not valid: " + route.error().message);
      }
      if (!take[route->database]) continue;
      writes_.push_back({route->database, route->kind, pair.remove, 0, route->key,
                         pair.remove ? ByteView{} : pair.value});
    }
  }
  intern(std::span(writes_).subspan(before));
  bytes_ += payload.size();
  payloads_.push_back(std::move(payload));  // moves the vector: the bytes stay where they are
  Block& block = blocks_.emplace_back();
  block.version = version;
  block.take = take;
  block.writes_end = writes_.size();
  return {};
}

void ReplayWindow::intern(std::span<Write> writes) {
  const auto block = static_cast<std::uint32_t>(blocks_.size());
  std::array<std::uint64_t, kGroup> hashes;
  for (std::size_t begin = 0; begin < writes.size(); begin += kGroup) {
    const auto group = writes.subspan(begin, std::min(kGroup, writes.size() - begin));
    for (std::size_t i = 0; i < group.size(); ++i) {
      hashes[i] = memory::key_hash(group[i].key);
      tables_[group[i].database].prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      tables_[group[i].database].prefetch_row(hashes[i]);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      Write& write = group[i];
      write.row = tables_[write.database].intern(write.key, hashes[i]);
      auto& touches = touches_[write.database];
      if (write.row == touches.size()) touches.push_back({block});
    }
  }
}

Status ReplayWindow::prepare(const state::State& state, const ReplayWindow* below) {
  accounts_.resize(tables_[Database::account].rows.size());
  for (const Database database : kDataDatabases) {
    if (Status done = read(state, below, database); !done) {
      summation_.drain();
      blocks_.clear();
      return done;
    }
  }
  std::size_t at = 0;
  for (std::uint32_t block = 0; block < blocks_.size(); ++block) {
    for (; at < blocks_[block].writes_end; ++at) {
      if (at + kAhead < writes_.size()) {
        const Write& ahead = writes_[at + kAhead];
        __builtin_prefetch(&tables_[ahead.database].rows[ahead.row]);
      }
      if (Status done = write(writes_[at], block); !done) {
        // Nothing of this block was handed over but what was released.
        summation_.wait();
        blocks_.resize(block);
        return done;
      }
    }
    hash(block);
  }
  return {};
}

Status ReplayWindow::read(const state::State& state, const ReplayWindow* below, Database database) {
  auto& rows = tables_[database].rows;
  if (rows.empty()) return {};
  const bool is_account = database == Database::account;
  memory::Arena* into = arena_.memory() > kMostOldBytes && !is_account ? &window_ : &arena_;
  const auto take = [&](BlockRow& row, bool) {
    row.value = row.old_value;
    row.has_value = row.had_old;
    if (is_account) return;  // small, and the new value builds on the old one
    if (into == &window_) [[unlikely]] {
      if (!row.old_value.empty()) let_go(database, row);
    } else if (arena_.memory() > kMostOldBytes) {
      into = &window_;
    }
  };
  const Ground ground{.state = state, .replayed = below};
  // Copied: then the window keeps no buffer of the state alive.
  return setup_.rows.read(ground, database, rows, into, Keep::nothing, Values::copied, take);
}

/// Takes the element of an old value out of the sum of the first block that replaces it. Of the
/// value only the size is kept.
void ReplayWindow::let_go(Database database, BlockRow& row) {
  const auto index = static_cast<std::size_t>(&row - tables_[database].rows.data());
  summation_.add(sum(database, row.key, touches_[database][index].block),
                 {row.key, row.old_value, {}});
  row.let_go = static_cast<std::uint32_t>(row.old_value.size());
  row.old_value = row.value = {};
  if (window_.memory() < kReleasedBytes) return;
  summation_.wait();
  window_.clear();
}

Status ReplayWindow::write(const Write& write, std::uint32_t block) {
  FLATKV_ASSIGN(BlockRow* const change, touch(write, block));
  BlockRow& row = tables_[write.database].rows[write.row];
  if (write.database != Database::account) {
    row.has_value = !write.remove;
    row.value = write.value;
  } else {
    Account& account = accounts_[write.row];
    codec::write_field(account, write.kind, write.value);
    set_account(row, account, setup_.account_rows, arena_);
  }
  change->has_value = row.has_value;
  change->value = row.value;
  return {};
}

/// The block's row of the key; with the first write the row begins with what the block before left.
Result<BlockRow*> ReplayWindow::touch(const Write& write, std::uint32_t block) {
  auto& changes = changes_[write.database];
  Touch& last = touches_[write.database][write.row];
  if (last.at != Touch::kNone && last.block == block) return &changes[last.at];
  BlockRow& row = tables_[write.database].rows[write.row];
  if (write.database == Database::account && last.at == Touch::kNone && row.had_old) {
    FLATKV_ASSIGN(accounts_[write.row], codec::decode_account(row.old_value));
  }
  last = {block, static_cast<std::uint32_t>(changes.size())};
  BlockRow& change = changes.emplace_back();
  change.key = row.key;
  change.hash = row.hash;
  change.old_value = row.value;
  change.had_old = row.has_value;
  change.let_go = std::exchange(row.let_go, 0);
  return &change;
}

void ReplayWindow::hash(std::uint32_t block) {
  const PerDataDatabase<std::size_t> begin = rows_begin(block);
  for (const Database database : kDataDatabases) {
    const auto& changes = changes_[database];
    for (const BlockRow& row : std::span(changes).subspan(begin[database])) {
      summation_.add(sum(database, row.key, block), {row.key, row.old_value, row.value});
    }
    blocks_[block].rows_end[database] = changes.size();
  }
  summation_.hand_over();
}

LtHash& ReplayWindow::sum(Database database, ByteView key, std::uint32_t block) {
  const ScrubFront* front = setup_.front.get();
  const bool behind = front != nullptr && front->database == database && front->covers(key);
  return behind ? blocks_[block].behind : blocks_[block].change[database];
}

PerDataDatabase<std::size_t> ReplayWindow::rows_begin(std::size_t block) const {
  return block == 0 ? PerDataDatabase<std::size_t>{} : blocks_[block - 1].rows_end;
}

void ReplayWindow::finish() {
  summation_.wait();
  window_.clear();
  if (!setup_.front) return;
  for (Block& block : blocks_) block.change[setup_.front->database] += block.behind;
}

ReplayedBlock ReplayWindow::operator[](std::size_t index) const {
  const Block& block = blocks_[index];
  const PerDataDatabase<std::size_t> begin = rows_begin(index);
  RowSpans rows;
  for (const Database database : kDataDatabases) {
    rows[database] = std::span(changes_[database])
                         .subspan(begin[database], block.rows_end[database] - begin[database]);
  }
  return {block.version, block.take, rows, block.change, setup_.front.get(), block.behind};
}

memtable::Lookup ReplayWindow::find(Database database, ByteView key,
                                    std::uint64_t hash) const noexcept {
  const BlockRow* row = tables_[database].find(key, hash);
  if (row == nullptr) return {};
  if (!row->has_value) return {memtable::Presence::absent, {}};
  return {memtable::Presence::present, row->value};
}

}  // namespace flatkv::block
