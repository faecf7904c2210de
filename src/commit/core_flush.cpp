// SPDX-License-Identifier: Apache-2.0
// The part of Core that moves rows out of memory: freezing, back-pressure, snapshots, close.
#include <algorithm>
#include <chrono>
#include <future>

#include "base/assert.hpp"
#include "base/fork.hpp"
#include "base/stopwatch.hpp"
#include "commit/core.hpp"
#include "commit/snapshot_writer.hpp"
#include "state/host.hpp"

namespace flatkv::commit {

namespace {

/// Forgets undone commits that no buffer has entries of any more.
void forget_dead(state::State& state) {
  if (!state.dead) return;
  memtable::Stamp lowest = state.stamp + 1;
  const auto look = [&](const memtable::Memtable& buffer) {
    if (buffer.first_stamp() != 0) lowest = std::min(lowest, buffer.first_stamp());
  };
  for (const state::DbState& own : state.databases) {
    look(*own.active);
    for (const auto& frozen : own.frozen) look(*frozen);
  }
  const auto left = std::ranges::lower_bound(*state.dead, lowest, {}, &memtable::DeadRange::last);
  if (left == state.dead->begin()) return;
  state.dead = left == state.dead->end()
                   ? nullptr
                   : std::make_shared<const memtable::DeadRanges>(left, state.dead->end());
}

}  // namespace

bool Core::flush_due() const {
  if (snapshot_due_) return true;
  const auto current = published_.load();
  std::uint64_t bytes = 0;
  for (const state::DbState& database : current->databases) bytes += database.active->memory();
  if (bytes >= setup_.options.flush.write_buffer_bytes) return true;
  const auto blocks = static_cast<std::uint64_t>(current->version - frozen_at_);
  const std::uint64_t logged = log_ ? log_->appended_bytes() - frozen_log_bytes_ : 0;
  // A held buffer lags behind on purpose, and another one would soon take its place.
  return held_.empty() && (blocks >= setup_.options.flush.max_lag_blocks ||
                           logged >= setup_.options.flush.max_lag_bytes);
}

Status Core::make_room() {
  if (!flush_due()) return {};
  FLATKV_TRY(wait_for_room());
  if (snapshot_due_) {
    snapshot_due_ = false;
    const std::int64_t version = published_.load()->version;
    freeze_for_snapshot([this, version](const Status& done) {
      if (!done) {
        logger_.warning(
            "the automatic snapshot at version " + std::to_string(version) +
            " failed and will be tried at the next interval: " + done.error().to_string());
      }
    });
  } else {
    freeze(false, {});
  }
  return {};
}

bool Core::all_frozen() const {
  const auto current = published_.load();
  for (const Database database : kDataDatabases) {
    if (frozen_versions_[database] < current->databases[database].version) return false;
  }
  return metadata_version_ >= current->version;
}

/// Sizes the index of the next buffer for the rows of the last one and a quarter more: growing it
/// in the middle of a block would delay that block by fifty milliseconds. The pages are those of a
/// flushed buffer.
std::shared_ptr<memtable::Memtable> Core::next_buffer(const memtable::Memtable& last) const {
  // An index for more rows than fit would itself fill the buffer.
  constexpr std::uint64_t kLeastRowBytes = 128;
  return std::make_shared<memtable::Memtable>(
      static_cast<std::size_t>(std::min<std::uint64_t>(
          last.keys() + last.keys() / 4, setup_.options.flush.write_buffer_bytes / kLeastRowBytes)),
      pages_);
}

void Core::freeze(bool urgent, std::function<void()> afterwards) {
  FrozenBatch batch;
  published_.update([&](state::State& state) {
    batch.version = state.version;
    batch.begun = std::exchange(frozen_stamp_, state.stamp);
    batch.stamp = state.stamp;
    forget_dead(state);
    batch.dead = state.dead;
    bool level = true;
    for (const Database database : kDataDatabases) {
      state::DbState& own = state.databases[database];
      FrozenBatch::Part& part = batch.parts[database];
      level = level && own.version == state.version;
      part.take = own.version == state.version && frozen_versions_[database] < state.version;
      part.hash = own.hash;
      part.stats = own.stats;
      if (!part.take) continue;
      part.rows = own.active;
      own.frozen.insert(own.frozen.begin(), std::move(own.active));
      own.active = next_buffer(*part.rows);
      frozen_versions_[database] = state.version;
    }
    batch.metadata = level && metadata_version_ < state.version;
    if (batch.metadata) metadata_version_ = state.version;
    frozen_at_ = state.version;
  });
  frozen_log_bytes_ = log_ ? log_->appended_bytes() : 0;
  batch.log_bytes = frozen_log_bytes_;
  batch.urgent = urgent;
  batch.afterwards = std::move(afterwards);
  // The pending block may keep reading through its base state: its own writes are in no buffer yet,
  // and the state's buffers stay valid.
  held_.push_back(std::move(batch));
  submit_old();
  // A full buffer is held, but not two: the older one is flushed while the next one fills, whatever
  // its age, since a commit would otherwise have to wait for that flush.
  while (held_.size() > 1 && held_bytes() > setup_.options.flush.write_buffer_bytes) submit_first();
}

std::uint64_t Core::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const FrozenBatch& batch : held_) {
    for (const FrozenBatch::Part& part : batch.parts) {
      if (part.rows) bytes += part.rows->memory();
    }
  }
  return bytes;
}

std::size_t Core::held_buffers() const {
  return held_bytes() > setup_.options.flush.write_buffer_bytes / 2 ? 1 : 0;
}

void Core::submit_first() {
  submitted_at_ = held_.front().version;
  submitted_log_bytes_ = held_.front().log_bytes;
  for (const Database database : kDataDatabases) {
    if (held_.front().parts[database].take) submitted_versions_[database] = submitted_at_;
  }
  if (held_.front().metadata) submitted_versions_[Database::metadata] = submitted_at_;
  floor_ = std::max(floor_, submitted_at_);
  points_.drop_below(floor_);
  shown_floor_ = floor();
  flusher_->submit(std::move(held_.front()));
  held_.pop_front();
}

bool Core::is_old(const FrozenBatch& batch) const {
  const std::int64_t last = published_.load()->version;
  return static_cast<std::uint64_t>(last - batch.version) >= setup_.options.rollback_depth;
}

void Core::submit_old() {
  const bool at_once = setup_.options.rollback_depth == 0;
  while (!held_.empty() && is_old(held_.front()) && (at_once || flusher_->has_room())) {
    submit_first();
  }
}

Status Core::flush_old() {
  while (!held_.empty() && is_old(held_.front())) {
    held_.front().urgent = true;
    submit_first();
  }
  const bool level = std::ranges::all_of(submitted_versions_, [&](std::int64_t version) {
    return version == submitted_versions_[Database::metadata];
  });
  if (!points_.on() || !level) return flush_all(true);
  return flusher_->wait_idle();
}

void Core::submit_all(bool urgent) {
  while (!held_.empty()) {
    held_.front().urgent |= urgent;
    submit_first();
  }
}

Status Core::wait_for_room() {
  return flusher_->wait_for_room(Flusher::kMaxFrozen - held_buffers());
}

Status Core::flush(bool urgent) {
  FLATKV_TRY(check_usable());
  return flush_all(urgent);
}

Status Core::flush_all(bool urgent) {
  FLATKV_TRY(setup_.fault->check());
  if (Status there = state::check_there(*setup_.lifetime); !there) {
    setup_.fault->set(there.error());
    return there;
  }
  submit_all(urgent);
  if (!all_frozen()) {
    FLATKV_TRY(flusher_->wait_for_room());
    freeze(urgent, {});
    submit_all(urgent);
  }
  return flusher_->wait_idle();
}

void Core::freeze_for_snapshot(std::function<void(Status)> done) {
  const auto current = published_.load();
  SnapshotRequest request;
  request.manifest = setup_.manifest;
  request.chain = current->chain;
  request.state.version = current->version;
  for (const Database database : kDataDatabases) {
    request.state.hashes[database] = *current->databases[database].hash;
    request.state.stats[database] = current->databases[database].stats;
  }
  freeze(true, [this, request = std::move(request), done = std::move(done)] {
    const Stopwatch watch;
    auto& files = *setup_.environment.files;
    const std::string& generation = setup_.lifetime->generation();
    Status written = state::check_there(*setup_.lifetime);
    if (written) {
      written = write_snapshot(files, generation, setup_.lifetime->databases(), request, logger_);
    }
    if (written) written = state::check_there(*setup_.lifetime);
    if (written) {
      written = prune_history(
          files, generation, request.state.version, setup_.options.snapshot.keep,
          [this](const std::string& changelog, std::int64_t wanted) {
            return keep_log(changelog, wanted);
          },
          logger_);
    }
    count_snapshot(request.state.version, written.has_value(), watch.nanoseconds());
    done(std::move(written));
  });
}

void Core::count_snapshot(std::int64_t version, bool good, std::uint64_t nanoseconds) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::lock_guard lock(timings_mutex_);
  snapshots_.last_failed = !good;
  if (!good) {
    ++snapshots_.failed;
    return;
  }
  ++snapshots_.written;
  snapshots_.last_version = version;
  snapshots_.last_time = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  snapshots_.last_nanoseconds = nanoseconds;
}

/// Called on the flusher's thread.
Result<std::int64_t> Core::keep_log(const std::string& changelog, std::int64_t wanted) const {
  const Followed followed = followed_by();
  if (!followed.names) return wanted;
  return followed.names->prune_to(changelog, wanted, setup_.options.log_keep_bytes);
}

Status Core::close_names() const {
  const Followed followed = followed_by();
  return followed.names ? followed.names->close() : Status{};
}

Status Core::snapshot() {
  FLATKV_TRY(check_usable());
  submit_all(true);
  FLATKV_TRY(flusher_->wait_for_room());
  snapshot_due_ = false;
  auto result = std::make_shared<std::promise<Status>>();
  auto future = result->get_future();
  freeze_for_snapshot([result](Status done) { result->set_value(std::move(done)); });
  submit_all(true);
  FLATKV_TRY(flusher_->wait_idle());  // after a failed flush nothing would ever set the result
  return future.get();
}

Status Core::quiesce() {
  FLATKV_TRY(check_usable());
  return flusher_->wait_idle();
}

void Core::stop_background() {
  static_cast<void>(recent_.end());
  if (scrubber_) scrubber_->stop();  // a slice keeps the databases open
  absent_key_filter_.stop();         // so does its scan
  prefetcher_.stop();                // so does a batch of rows
  if (group_commit_) group_commit_->stop();
  flusher_->stop();
  for (const auto& database : setup_.lifetime->databases()) database->stop_background();
  setup_.lifetime->read_threads().stop();  // views go on without
}

void Core::retire() {
  overlays_->end(Overlays::End::rolled_back);
  if (closed_.exchange(true)) return;
  setup_.lifetime->remove_at_end();
  static_cast<void>(let_go());
}

/// Afterwards the state still has version, roots and hashes, but keeps nothing alive: only views
/// keep the databases.
Status Core::let_go() {
  {
    const std::lock_guard lock(ending_);
    published_.update([](state::State& state) {
      state.lifetime.reset();
      for (state::DbState& own : state.databases) {
        own.active.reset();
        own.frozen.clear();
        own.snapshot.reset();
      }
    });
  }
  held_.clear();
  pending_.begin(*published_.load());
  const std::shared_ptr<state::OpenGeneration> last = std::move(setup_.lifetime);
  return last.use_count() == 1 ? last->end() : Status{};
}

Status Core::close() {
  if (is_forked()) return check_readable();
  overlays_->end(Overlays::End::closed);
  if (closed_.exchange(true)) return {};
  static_cast<void>(recent_.end());
  if (scrubber_) scrubber_->stop();
  absent_key_filter_.stop();
  prefetcher_.stop();
  pending_.begin(*published_.load());
  Status done = setup_.fault->first();
  if (done && log_) {
    if (snapshot_due_) done = make_room();
    if (done) done = flush_old();
    if (done) done = log_->sync();
  }
  stop_background();  // waits for a running flush
  if (done) done = setup_.fault->first();
  if (done && log_ && scrubber_) scrubber_->save_at_close();
  if (done && log_) {
    const changelog::Tip tip = log_->tip();
    const auto current = published_.load();
    setup_.lifetime->leave_clean(
        {.version = current->version,
         .digest = current->chain,
         .segment = tip.segment,
         .bytes = tip.end_offset,
         .roots = current->roots,
         .store = setup_.manifest.store,
         .unflushed = current->version - submitted_versions_[Database::metadata]});
  }
  // CLEAN does not depend on this.
  Status saved = close_names();
  if (done) done = std::move(saved);
  Status ended = let_go();
  return done ? ended : done;
}

}  // namespace flatkv::commit
