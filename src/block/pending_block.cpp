// SPDX-License-Identifier: Apache-2.0
#include "block/pending_block.hpp"

#include <algorithm>
#include <new>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/reuse.hpp"
#include "base/stopwatch.hpp"
#include "base/version_arithmetic.hpp"
#include "codec/strict.hpp"
#include "layout/manifest.hpp"
#include "layout/snapshot_manifest.hpp"
#include "lthash/batch.hpp"

namespace flatkv::block {
namespace {

/// From this many writes on, hashing on the pool pays off.
constexpr std::size_t kEarlyFrom = 128;

/// Beyond this size old values are not kept until the block ends. They are hashed as they are read
/// and then released, one window at a time.
constexpr std::size_t kMostOldBytes = std::size_t{64} << 20;
constexpr std::size_t kWindowBytes = std::size_t{16} << 20;

}  // namespace

void PendingBlock::begin(const state::State& state) {
  clear();
  for (const Database database : kDataDatabases) working_[database] = *state.of(database).hash;
  roots_ = state.roots;
  base_version_ = state.version;
}

void PendingBlock::begin(const PendingBlock& below) {
  clear();
  working_ = below.working_;
  roots_ = below.roots_;
  base_version_ = below.version();
}

void PendingBlock::clear() {
  drop_unsettled();  // of a block that was discarded
  for (auto& table : tables_) table.clear();
  for (auto& dirty : dirty_) clear_for_reuse(dirty);
  clear_for_reuse(accounts_);
  clear_for_reuse(chunks_);
  payload_bytes_ = 0;
  change_sets_ = 0;
  ignored_ = 0;
  arena_.clear();
  window_.clear();
  fold_.begin();
  state_.reset();
  read_nanoseconds = route_nanoseconds = hash_nanoseconds = 0;
}

Status PendingBlock::apply(std::span<const NamedChangeSet> change_sets) {
  const std::int64_t version = this->version();
  std::vector<Write> writes;
  std::vector<NamedChangeSet> kept;
  std::vector<codec::PairPlace> places;
  std::uint64_t ignored = 0;
  Bytes chunk;
  {
    const TimedScope watch(route_nanoseconds);
    for (std::size_t i = 0; i < change_sets.size(); ++i) {
      const NamedChangeSet& set = change_sets[i];
      if (set.name.empty()) {
        return fail(ErrorCode::invalid_argument,
                    "change set " + std::to_string(i + 1) + " has an empty name")
            .version(version);
      }
      if (set.name != kEvmModule) {
        ++ignored;
        continue;
      }
      kept.push_back(set);
      for (std::size_t j = 0; j < set.pairs.size(); ++j) {
        const KVPair& pair = set.pairs[j];
        auto route = codec::route_pair(pair);
        if (!route) {
          return std::unexpected(codec::in_pair(std::move(route).error(), {version, i, j}));
        }
        writes.push_back({route->kind, route->database, pair.remove, 0, route->key, pair.value});
      }
    }
    if (kept.empty()) {
      ignored_ += ignored;
      return {};
    }
    const std::uint64_t more = codec::encoded_bytes(kept);
    if (payload_bytes_ + more > codec::kMaxBlockBytes - 16) {
      return fail(ErrorCode::invalid_argument, "the block's payload would exceed 1 GiB")
          .version(version);
    }
    if (kept.size() > codec::kMaxChangeSets - change_sets_) {
      return fail(ErrorCode::invalid_argument, "the block would have more than " +
                                                   std::to_string(codec::kMaxChangeSets) +
                                                   " change sets")
          .version(version);
    }
    chunk.reserve(more);
    codec::append_change_sets(chunk, kept, &places);
    FLATKV_ASSERT(places.size() == writes.size() && chunk.size() == more);
    // From here on keys and values point into the chunk: the caller's bytes are not kept.
    for (std::size_t i = 0; i < writes.size(); ++i) {
      Write& write = writes[i];
      const std::size_t prefix = write.kind == codec::Kind::legacy ? 0 : 1;
      write.key = {chunk.data() + places[i].key_offset + prefix, write.key.size()};
      write.value = write.remove
                        ? ByteView{}
                        : ByteView{chunk.data() + places[i].value_offset, write.value.size()};
    }
  }
  const std::uint64_t bytes = chunk.size();
  const std::size_t sets = kept.size();
  FLATKV_TRY(stage(std::move(chunk), writes));
  payload_bytes_ += bytes;
  change_sets_ += sets;
  ignored_ += ignored;
  return {};
}

Status PendingBlock::stage(Bytes chunk, std::vector<Write>& writes) {
  settle();  // so that a failure below takes back only the rows of this call
  // A scrub needs the rows behind its front summed separately, and which these are is known only
  // when they are hashed.
  const bool early = hashing_ == Hashing::early && scrub_ == nullptr && writes.size() >= kEarlyFrom;
  PerDataDatabase<std::size_t> known;
  for (const Database database : kDataDatabases) known[database] = tables_[database].rows.size();
  chunks_.push_back(std::move(chunk));  // moves the vector: the bytes stay where they are
  try {
    const Base base = state_ ? Base{state_} : base_();
    if (old_values_ == OldValues::pinned) {
      FLATKV_ASSERT(base.state->version == base_version_);
      state_ = base.state;
    }
    {
      const TimedScope watch(route_nanoseconds);
      for (Write& write : writes) {
        write.row = tables_[write.database].intern(write.key, memory::key_hash(write.key));
        // Lets a new row be hashed as soon as its old value is known. Rows of earlier calls wait,
        // since reading may still fail.
        if (write.database != Database::account && write.row >= known[write.database]) {
          set_row(write);
        }
      }
    }
    if (Status read = read_old_values(base, known, early); !read) {
      abandon(known);
      return read;
    }
    const TimedScope watch(route_nanoseconds);
    for (const Write& write : writes) {
      if (write.database == Database::account) {
        write_account(write);
      } else {
        set_row(write);
      }
      mark_dirty(write.database, write.row);
    }
    if (scrub_ != nullptr) settle_let_go(known);
    return {};
  } catch (...) {
    abandon(known);
    throw;
  }
}

/// Reads the old values of the rows from `known` on. Accounts come last: their new values are known
/// only after all of them were read, and the pool hashes the other rows meanwhile.
Status PendingBlock::read_old_values(const Base& base, const PerDataDatabase<std::size_t>& known,
                                     bool hash) {
  const TimedScope watch(read_nanoseconds);
  const Ground ground{*base.state, base.ancestors.get(), base.first};
  // Other blocks beside this one may read the same rows.
  const bool alone = old_values_ == OldValues::pinned;
  const Keep keep = alone ? Keep::nothing : Keep::in_cache;
  const Values values = alone ? Values::in_place : Values::copied;
  for (const Database database :
       {Database::storage, Database::code, Database::legacy, Database::account}) {
    const auto fresh = std::span(tables_[database].rows).subspan(known[database]);
    if (fresh.empty()) continue;
    const bool is_account = database == Database::account;
    memory::Arena* into = arena_.memory() > kMostOldBytes && !is_account ? &window_ : &arena_;
    const auto take = [&, hash_it = hash && !is_account](BlockRow& row, bool copied) {
      row.mixed = row.old_value;
      if (hash_it) {
        hashing_now_ = true;
        summation_.add(unsettled_[database], {row.key, row.old_value, row.value});
        row.mixed = row.value;
      }
      if (is_account) return;  // small, and the new value builds on the old one
      if (into == &window_) [[unlikely]] {
        if (copied && !row.old_value.empty()) let_go(database, row, hash_it);
      } else if (arena_.memory() > kMostOldBytes) {
        into = &window_;
      }
    };
    FLATKV_TRY(rows_.read(ground, database, fresh, into, keep, values, take));
    if (!is_account) continue;
    for (BlockRow& row : fresh) {
      row.value = row.old_value;
      row.has_value = row.had_old;
      Account account;
      if (row.had_old) {
        FLATKV_ASSIGN(account, codec::decode_account(row.old_value));
      }
      accounts_.push_back(account);
    }
  }
  return {};
}

/// Keeps what must outlive the window of a row whose old value is in it. `hashed`: the pool already
/// has the row. Beside a scrub the element is kept, since the front may still pass the row.
void PendingBlock::let_go(Database database, BlockRow& row, bool hashed) {
  hashing_now_ = true;
  if (scrub_ == nullptr) {
    if (!hashed) {
      summation_.add(unsettled_[database], {row.key, row.old_value, {}});
      row.mixed = {};
    }
    row.let_go = static_cast<std::uint32_t>(row.old_value.size());
    row.old_value = {};
  } else if (row.old_value.size() > sizeof(LtHash)) {
    auto* to = arena_.allocate(sizeof(LtHash), alignof(LtHash));
    unsettled_[database] -= *new (to) LtHash(lthash::element(row.key, row.old_value));
    row.let_go = static_cast<std::uint32_t>(row.old_value.size());
    row.old_value = {to, sizeof(LtHash)};
    row.mixed = {};
  } else {
    row.mixed = row.old_value = arena_.copy(row.old_value);
  }
  if (window_.memory() < kWindowBytes) return;
  summation_.wait();
  window_.clear();
}

/// After a successful apply: takes the old values that were released behind the front of a scrub
/// out of the scrub's sum, too.
void PendingBlock::settle_let_go(const PerDataDatabase<std::size_t>& known) {
  settle();
  for (const Database database : kDataDatabases) {
    if (!fold_.concerns(database)) continue;
    for (const BlockRow& row : std::span(tables_[database].rows).subspan(known[database])) {
      if (row.let_go != 0) fold_.let_go(database, row);
    }
  }
}

/// Drops the rows from `known` on and the chunk they came in.
void PendingBlock::abandon(const PerDataDatabase<std::size_t>& known) noexcept {
  drop_unsettled();
  for (const Database database : kDataDatabases) {
    tables_[database].truncate(known[database]);
    std::erase_if(dirty_[database], [&](std::uint32_t row) { return row >= known[database]; });
  }
  accounts_.resize(known[Database::account]);
  chunks_.pop_back();
  if (chunks_.empty()) state_.reset();
}

void PendingBlock::drop_unsettled() noexcept {
  if (!hashing_now_) return;
  summation_.drain();
  window_.clear();
  unsettled_ = {};
  unsettled_behind_ = {};
  hashing_now_ = false;
}

/// Adds what the pool has hashed to the working hashes.
void PendingBlock::settle() {
  if (!hashing_now_) return;
  summation_.wait();
  window_.clear();
  for (const Database database : kDataDatabases) working_[database] += unsettled_[database];
  if (fold_.active()) {
    working_[fold_.database()] += unsettled_behind_;
    fold_.add(unsettled_behind_);
  }
  unsettled_ = {};
  unsettled_behind_ = {};
  hashing_now_ = false;
}

void PendingBlock::write_account(const Write& write) {
  Account& account = accounts_[write.row];
  codec::write_field(account, write.kind, write.value);
  set_account(tables_[Database::account].rows[write.row], account, account_rows_, arena_);
}

void PendingBlock::set_row(const Write& write) {
  BlockRow& row = tables_[write.database].rows[write.row];
  row.has_value = !write.remove;
  row.value = write.value;
}

void PendingBlock::mark_dirty(Database database, std::uint32_t row) {
  BlockRow& changed = tables_[database].rows[row];
  if (changed.dirty) return;
  changed.dirty = true;
  dirty_[database].push_back(row);
}

bool PendingBlock::empty() const noexcept {
  return std::ranges::all_of(tables_, [](const BlockRows& table) { return table.rows.empty(); });
}

const PerDataDatabase<LtHash>& PendingBlock::hashes() {
  roots();
  return working_;
}

const Roots& PendingBlock::roots() {
  if (std::ranges::all_of(dirty_, [](const auto& rows) { return rows.empty(); })) return roots_;
  const TimedScope watch(hash_nanoseconds);
  if (old_values_ == OldValues::pinned) prepare_scrub();
  hashing_now_ = true;
  for (const Database database : kDataDatabases) {
    const bool scrubbed = fold_.concerns(database);
    for (const std::uint32_t index : dirty_[database]) {
      BlockRow& row = tables_[database].rows[index];
      LtHash& sum = scrubbed && fold_.covers(row.key) ? unsettled_behind_ : unsettled_[database];
      summation_.add(sum, {row.key, row.mixed, row.value});
      row.mixed = row.value;
      row.dirty = false;
    }
    dirty_[database].clear();
  }
  settle();
  roots_ = layout::roots_of(working_);
  return roots_;
}

std::int64_t PendingBlock::version() const noexcept {
  return version_after(base_version_).value_or(base_version_);
}

std::uint64_t PendingBlock::memory() const noexcept {
  std::uint64_t bytes =
      arena_.memory() + window_.memory() + payload_bytes_ + accounts_.capacity() * sizeof(Account);
  for (const BlockRows& table : tables_) bytes += table.memory();
  for (const auto& dirty : dirty_) bytes += dirty.capacity() * sizeof(std::uint32_t);
  return bytes;
}

void PendingBlock::prepare_scrub() {
  if (scrub_ != nullptr) fold_.follow(scrub_->front(), tables_);
}

ScrubChange PendingBlock::behind(const std::shared_ptr<const ScrubFront>& front) {
  fold_.follow(front, tables_);
  return fold_.change(tables_);
}

const BlockRow* PendingBlock::find(Database database, ByteView key) const {
  return tables_[database].find(key, memory::key_hash(key));
}

void PendingBlock::collect(Database database, const rocks::Bounds& bounds,
                           std::vector<memtable::Memtable::Row>& into) const {
  for (const BlockRow& row : tables_[database].rows) {
    if (!row.changed() || !bounds.contains(row.key)) continue;
    into.push_back({row.key, row.value, !row.has_value, !row.had_old});
  }
}

}  // namespace flatkv::block
