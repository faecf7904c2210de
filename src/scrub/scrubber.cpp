// SPDX-License-Identifier: Apache-2.0
#include "scrub/scrubber.hpp"

#include <algorithm>
#include <limits>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "block/block_rows.hpp"
#include "block/row_lookup.hpp"
#include "lthash/batch.hpp"
#include "memory/arena.hpp"
#include "memtable/memtable.hpp"
#include "read/read_view.hpp"
#include "state/host.hpp"

namespace flatkv::scrub {
namespace {

// Slices are small because a flush may have to wait for one.
constexpr std::uint64_t kMaxSliceRows = 1U << 16;
constexpr std::uint64_t kMaxSliceBytes = 32U << 20;
constexpr std::size_t kMaxFindings = 100;
constexpr std::size_t kMostUndone = 16;

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// The key after the first `rows` rows on disk; nothing if there is none. It only bounds a slice,
/// so that no more of a large memtable is sorted than the slice needs.
Result<std::optional<Bytes>> key_after(const rocks::PinnedDatabase& snapshot,
                                       const rocks::Bounds& bounds, std::uint64_t rows) {
  const auto cursor = snapshot.cursor(bounds, rocks::kScanReadahead);
  std::uint64_t bytes = 0;
  for (cursor->seek_to_first(); cursor->valid(); cursor->next()) {
    if (rows == 0 || bytes > kMaxSliceBytes) return to_bytes(cursor->key());
    --rows;
    bytes += cursor->key().size() + cursor->value().size();
  }
  FLATKV_TRY(cursor->status());
  return std::optional<Bytes>();
}

std::string text_of(const ScrubFinding& finding) {
  const DatabaseVerdict& verdict = finding.verdict;
  std::string text = "scrub: round " + std::to_string(finding.round) + ": database " +
                     std::string(to_string(verdict.database)) + " at version " +
                     std::to_string(finding.version);
  if (verdict.error) return text + " cannot be read: " + verdict.error->to_string();
  const auto counts = [](const DatabaseStats& stats) {
    return std::to_string(stats.rows) + " rows, " + std::to_string(stats.key_bytes) +
           " key bytes, " + std::to_string(stats.value_bytes) + " value bytes";
  };
  return text + " does not verify: expected checksum " + to_hex(verdict.expected) + " of " +
         counts(verdict.expected_stats) + "; found " + to_hex(verdict.found) + " of " +
         counts(verdict.found_stats);
}

}  // namespace

Scrubber::Scrubber(Setup setup, ScrubStart start)
    : setup_(std::move(setup)),
      generation_name_(name_of(setup_.generation)),
      logger_(setup_.options->log) {
  status_.begun_anew = start.anew;
  if (!start.anew.empty()) logger_.warning("scrub: begun anew: " + start.anew);
  auto held = part_.hold();
  held.version = setup_.published->load()->version;
  if (!start.mark) return;
  status_.progress = start.mark->progress;
  saved_version_ = start.mark->progress.version;
  if (start.mark->before.empty()) return;
  status_.resumed = true;
  held.front = std::make_shared<const block::ScrubFront>(
      block::ScrubFront{start.mark->progress.database, std::move(start.mark->before)});
  held.sum = {start.mark->hash, start.mark->stats};
  held.version = saved_version_;
}

void Scrubber::start() {
  {
    const std::lock_guard lock(step_mutex_);
    saved_at_ = Clock::now();
  }
  if (setup_.options->scrub.mode != Scrub::in_background) return;
  worker_.start("flatkv-scrub", [this](const std::stop_token& stop) { run(stop); });
}

void Scrubber::stop() {
  worker_.stop();
  const std::lock_guard lock(step_mutex_);  // waits for a step by hand
}

Result<ScrubStatus> Scrubber::step_by_hand(std::uint64_t max_rows) {
  if (max_rows == 0) return fail(ErrorCode::invalid_argument, "a slice has at least one row");
  {
    const std::lock_guard lock(step_mutex_);
    FLATKV_TRY(step(max_rows));
    save();
  }
  return status();
}

Result<std::uint64_t> Scrubber::step(std::uint64_t max_rows) {
  auto rows = guarded([&] { return try_step(max_rows); });
  // The front may have moved past rows that are in no sum.
  if (!rows && rows.error().code == ErrorCode::out_of_memory) forget_front();
  return rows;
}

void Scrubber::forget_front() noexcept {
  auto held = part_.hold();
  held.front.reset();
  held.sum = {};
  undone_.clear();
}

Result<block::ScrubChange> Scrubber::change_of(const Undone& undone) {
  const Database database = undone.front->database;
  const state::DbState& buffers = undone.from->of(database);
  block::BlockRows before;
  const auto add_from = [&](const memtable::Memtable& buffer) {
    if (buffer.last_stamp() <= undone.to->stamp) return;
    buffer.each_written_after(undone.to->stamp, [&](ByteView key, std::uint64_t hash) {
      if (undone.front->covers(key)) before.intern(key, hash);
    });
  };
  add_from(*buffers.active);
  for (const auto& frozen : buffers.frozen) add_from(*frozen);
  block::BlockRows after = before;

  block::ScrubChange change;
  memory::Arena arena;
  block::RowLookup rows(nullptr, nullptr);
  const auto count = [&](const block::BlockRow& row, std::uint64_t one) {
    if (!row.had_old) return;
    change.stats.rows += one;
    change.stats.key_bytes += one * row.key.size();
    change.stats.value_bytes += one * row.old_value.size();
  };
  for (auto* table : {&before, &after}) {
    const state::State& state = table == &before ? *undone.from : *undone.to;
    FLATKV_TRY(rows.read({state}, database, table->rows, &arena, block::Keep::nothing,
                         block::Values::in_place));
    for (const block::BlockRow& row : table->rows) count(row, table == &before ? ~0ULL : 1ULL);
  }
  std::vector<lthash::RowChange> changes;
  for (std::size_t i = 0; i < before.rows.size(); ++i) {
    const block::BlockRow& old = before.rows[i];
    const block::BlockRow& now = after.rows[i];
    changes.push_back({old.key, old.had_old ? old.old_value : ByteView{},
                       now.had_old ? now.old_value : ByteView{}});
  }
  lthash::accumulate(changes, change.hash);
  return change;
}

Status Scrubber::settle() {
  while (true) {
    Undone first;
    {
      const auto held = part_.hold();
      if (undone_.empty()) return {};
      first = undone_.front();
    }
    FLATKV_ASSIGN(const block::ScrubChange change, change_of(first));
    auto held = part_.hold();
    held.sum += change;
    undone_.erase(undone_.begin());
  }
}

Result<block::ScrubPart::Held> Scrubber::settled() {
  while (true) {
    FLATKV_TRY(settle());
    auto held = part_.hold();
    if (undone_.empty()) return held;
  }
}

Result<std::uint64_t> Scrubber::try_step(std::uint64_t max_rows) {
  FLATKV_TRY(setup_.fault->check());
  if (worker_.stopping()) {
    return fail(ErrorCode::cancelled, "the store is being closed or rolled back");
  }
  if (const Status known = settle(); !known) {
    give_up(known.error());
    return 0;
  }
  const auto state = setup_.published->load();
  auto slice = read_slice(state, std::min(max_rows, kMaxSliceRows));
  if (!slice && slice.error().code == ErrorCode::cancelled) {
    return std::unexpected(std::move(slice).error());
  }
  const std::uint64_t rows = slice ? slice->read.sum.stats.rows : 0;
  {
    const std::lock_guard lock(status_mutex_);
    if (!since_first_step_) since_first_step_.emplace();
    status_.rows += rows;
  }
  const bool last = slice && !slice->read.next;
  const Status taken = slice ? take(state, *std::move(slice)) : std::unexpected(slice.error());
  if (!taken) {
    give_up(taken.error());
  } else if (last) {
    if (const Status judged = judge(); !judged) give_up(judged.error());
  }
  return rows;
}

Result<Scrubber::Slice> Scrubber::read_slice(const std::shared_ptr<const state::State>& state,
                                             std::uint64_t max_rows) {
  const Database database = status_.progress.database;
  Slice slice;
  if (const auto front = part_.front()) slice.bounds.lower = front->before;
  const state::DbState& own = state->of(database);
  if (own.active->keys() > max_rows) {
    FLATKV_ASSIGN(slice.bounds.upper, key_after(*own.snapshot, slice.bounds, max_rows));
  }
  FLATKV_ASSIGN(slice.read, scan::scan_slice(
                                [&](const rocks::Bounds& bounds) {
                                  return state::rows_of(state, database, bounds, {},
                                                        rocks::kScanReadahead);
                                },
                                slice.bounds, {max_rows, kMaxSliceBytes}, worker_.token()));
  if (slice.read.next) {
    slice.bounds.upper = slice.read.next;
  } else {
    slice.read.next = slice.bounds.upper;
  }
  FLATKV_FAILPOINT("scrub.slice_read");
  return slice;
}

Status Scrubber::take(const std::shared_ptr<const state::State>& state, Slice slice) {
  const Database database = status_.progress.database;
  std::shared_ptr<const state::State> now;
  {
    auto held = part_.hold();
    now = setup_.published->load();
    FLATKV_ASSERT(held.version == now->version);
    held.front =
        std::make_shared<const block::ScrubFront>(block::ScrubFront{database, slice.read.next});
    if (now->stamp == state->stamp) {
      held.sum += {slice.read.sum.hash, slice.read.sum.stats};
      return {};
    }
  }
  FLATKV_FAILPOINT("scrub.front_moved");
  // Blocks after `now` are folded up to the new front, so the slice must be in the sum as of `now`:
  // read it again. This read cannot be cancelled, since the sum would be worthless without it.
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  FLATKV_ASSIGN(const auto again, scan::scan_slice(
                                      [&](const rocks::Bounds& bounds) {
                                        return state::rows_of(now, database, bounds);
                                      },
                                      slice.bounds, {kAll, kAll}, {}));
  part_.hold().sum += {again.sum.hash, again.sum.stats};
  return {};
}

Status Scrubber::judge() {
  ScrubFinding outcome;
  DatabaseVerdict& verdict = outcome.verdict;
  verdict.database = status_.progress.database;
  outcome.round = status_.progress.round;
  block::ScrubChange sum;
  std::shared_ptr<const state::State> state;
  {
    FLATKV_ASSIGN(auto held, settled());
    state = setup_.published->load();
    sum = held.sum;
    held.front.reset();
    held.sum = {};
  }
  outcome.version = state->version;
  verdict.expected = state->roots.of(verdict.database);
  verdict.expected_stats = state->of(verdict.database).stats;
  verdict.found = sum.hash.checksum();
  verdict.found_stats = sum.stats;
  record(outcome);
  return {};
}

void Scrubber::give_up(Error error) {
  forget_front();
  const auto state = setup_.published->load();
  ScrubFinding outcome;
  outcome.round = status_.progress.round;
  outcome.version = state->version;
  outcome.verdict.database = status_.progress.database;
  outcome.verdict.expected = state->roots.of(outcome.verdict.database);
  outcome.verdict.expected_stats = state->of(outcome.verdict.database).stats;
  error.database = outcome.verdict.database;
  outcome.verdict.error = std::move(error);
  record(outcome);
}

void Scrubber::record(const ScrubFinding& outcome) {
  const bool good = outcome.verdict.good();
  if (!good) logger_.error(text_of(outcome));
  {
    const std::lock_guard lock(status_mutex_);
    status_.progress.verdicts[outcome.verdict.database] = {outcome.round, outcome.version, good};
    if (!good) {
      if (status_.findings.size() == kMaxFindings) status_.findings.erase(status_.findings.begin());
      status_.findings.push_back(outcome);
    }
  }
  next_database();
}

void Scrubber::next_database() {
  ScrubProgress& progress = status_.progress;
  const bool round_ends = progress.database == Database::legacy;
  if (round_ends) {
    std::string text = "scrub: round " + std::to_string(progress.round) + " is complete:";
    for (const Database database : kDataDatabases) {
      const auto& verdict = progress.verdicts[database];
      text += " " + std::string(to_string(database)) +
              (verdict && verdict->good ? " good at " : " NOT GOOD at ") +
              std::to_string(verdict ? verdict->version : 0);
    }
    logger_.info(text);
  }
  const std::lock_guard lock(status_mutex_);
  progress.database = round_ends
                          ? Database::account
                          : static_cast<Database>(static_cast<unsigned>(progress.database) + 1);
  if (round_ends) ++progress.round;
}

void Scrubber::before_ingest(std::int64_t version) {
  const std::lock_guard lock(step_mutex_);
  if ((stale_mark_ || saved_version_ < version) && has_something()) save();
}

void Scrubber::save_at_close() {
  const std::lock_guard lock(step_mutex_);
  if (has_something()) save();
}

void Scrubber::undo(std::int64_t version, const std::function<void()>& publish) {
  const auto full = [&] {
    const auto held = part_.hold();
    return undone_.size() >= kMostUndone;
  };
  if (full()) {  // nobody scrubs, and each of them keeps buffers
    const std::lock_guard lock(step_mutex_);
    forget_front();
  }
  auto held = part_.hold();
  undone_.reserve(undone_.size() + 1);
  auto from = setup_.published->load();
  publish();
  held.version = version;
  stale_mark_ = true;
  if (held.front) undone_.push_back({held.front, std::move(from), setup_.published->load()});
}

bool Scrubber::has_something() const {
  const auto any = [](const auto& verdict) { return verdict.has_value(); };
  return part_.front() || std::ranges::any_of(status_.progress.verdicts, any);
}

void Scrubber::save() {
  layout::ScrubMark mark;
  mark.generation = generation_name_;
  mark.progress = status_.progress;
  stale_mark_ = false;
  {
    auto known = guarded([&] { return settled(); });
    if (!known) forget_front();
    const auto held = known ? *std::move(known) : part_.hold();
    const auto state = setup_.published->load();
    // During replay the sum may be ahead of the blocks, and so is the file.
    if (held.version != state->version) return;
    mark.progress.version = state->version;
    mark.chain = state->chain;
    if (held.front) mark.before = held.front->before.value_or(Bytes());
    mark.hash = held.sum.hash;
    mark.stats = held.sum.stats;
  }
  saved_at_ = Clock::now();
  const Status written = write(mark);
  // After a failure the old or the new mark is on disk; the next open tells by its version.
  saved_version_ = written ? mark.progress.version : -1;
  if (written) return;
  {
    const std::lock_guard lock(status_mutex_);
    ++status_.failed_saves;
  }
  logger_.warn_of("scrub: the progress was not saved", written.error());
}

Status Scrubber::write(const layout::ScrubMark& mark) {
  FLATKV_FAILPOINT("scrub.before_save");
  FLATKV_TRY(state::check_there(*setup_.published->load()->lifetime));
  FLATKV_TRY(layout::write_scrub_mark(*setup_.files, setup_.generation, mark));
  FLATKV_FAILPOINT("scrub.saved");
  return {};
}

ScrubStatus Scrubber::status() const {
  const auto state = setup_.published->load();
  const std::lock_guard lock(status_mutex_);
  ScrubStatus status = status_;
  const block::ScrubPart::Reached reached = part_.reached();
  status.progress.rows = reached.rows;
  status.progress.version = reached.version;
  std::uint64_t behind = reached.rows;
  std::uint64_t total = 0;
  for (const Database database : kDataDatabases) {
    const std::uint64_t rows = state->of(database).stats.rows;
    total += rows;
    if (database < status.progress.database) behind += rows;
  }
  if (total != 0) {
    status.fraction = std::min(1.0, static_cast<double>(behind) / static_cast<double>(total));
  }
  if (since_first_step_) {
    status.rows_per_second =
        static_cast<double>(status.rows) / std::max(1e-3, since_first_step_->seconds());
  }
  return status;
}

}  // namespace flatkv::scrub
