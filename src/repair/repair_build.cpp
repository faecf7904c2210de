// SPDX-License-Identifier: Apache-2.0
// Builds the next generation of a repair beside the live one, proves it and swaps it in.
#include <algorithm>

#include "base/failpoint.hpp"
#include "changelog/reader.hpp"
#include "fs/files.hpp"
#include "layout/snapshot_manifest.hpp"
#include "recovery/open_store.hpp"
#include "recovery/replay.hpp"
#include "repair/repair.hpp"
#include "transfer/stream_pass.hpp"

namespace flatkv::repair {

Status Repair::build() {
  FLATKV_FAILPOINT("repair.begin");
  FLATKV_TRY(lock_->check(store_));  // the scans before may have taken long
  FLATKV_TRY(place_databases());
  FLATKV_FAILPOINT("repair.database_placed");
  FLATKV_TRY(carry_others());
  FLATKV_FAILPOINT("repair.others_carried");
  FLATKV_TRY(replay());
  FLATKV_TRY(carry_log_and_snapshots());
  FLATKV_FAILPOINT("repair.snapshots_carried");
  FLATKV_TRY(prove());
  FLATKV_FAILPOINT("repair.proven");
  return {};
}

Status Repair::begin() {
  if (place_.choice.current_missing) {
    // Otherwise a crash between rename and swap leaves two complete generations and no CURRENT.
    FLATKV_TRY(layout::swap_current(files_, store_, place_.choice.name));
  }
  FLATKV_ASSIGN(builder_,
                recovery::GenerationBuilder::begin(environment_, store_, place_.survey,
                                                   layout::Purpose::repair, found_.manifest));
  FLATKV_FAILPOINT("repair.begun");
  return {};
}

Status Repair::place_databases() {
  FLATKV_TRY(mends_data() && options_.stream != nullptr ? read_stream() : begin());
  for (const Target& one : targets_) {
    if (one.mended() && one.which() == Database::metadata) {
      FLATKV_TRY(builder_->create_database(one.which()));  // replay fills it
    } else if (one.source) {
      FLATKV_TRY(builder_->carry_database(
          one.which(), layout::database_path(snapshots_[*one.source].path, one.which())));
    }
  }
  return {};
}

/// Reads the stream to its end: only then its rows are proven to match its roots line.
Status Repair::read_stream() {
  TransferOptions transfer;
  transfer.stop = options_.stop;
  if (options_.progress) {
    transfer.progress = [this](std::string_view, std::uint64_t rows, std::uint64_t total) {
      options_.progress("stream", rows, total);
    };
  }
  std::map<Database, transfer::RowTables> tables;
  const auto started = [&](const transfer::StreamHeader& header) -> Status {
    FLATKV_TRY(check_stream(header));
    FLATKV_TRY(begin());
    for (const Database which : kDataDatabases) {
      if (!mends(which)) continue;
      tables.try_emplace(which, builder_->database_options(which),
                         layout::flush_path(builder_->path()));
    }
    return {};
  };
  const auto use = [&](std::span<const ImportRow> rows) -> Status {
    for (const ImportRow& row : rows) {
      const auto own = tables.find(row.database);
      if (own != tables.end()) FLATKV_TRY(own->second.put(row.key, row.value));
    }
    return {};
  };
  FLATKV_ASSIGN(const auto header,
                transfer::pass_stream(*options_.stream, {}, transfer, started, use));
  for (auto& [which, rows] : tables) {
    FLATKV_ASSIGN(const auto files, rows.finish());
    const auto fill = [&](rocks::TableWriter& table) {
      return state::put_local_meta(table, header.summary.version, header.hashes[which],
                                   header.summary.stats[which]);
    };
    FLATKV_TRY(builder_->create_database(which, fill, files));
  }
  return {};
}

/// Before any of its rows: it must be a state of this chain from which the log leads on.
Status Repair::check_stream(const transfer::StreamHeader& header) {
  const StreamSummary& summary = header.summary;
  if (summary.account_rows != found_.manifest.account_rows) {
    return refuse(ErrorCode::foreign_store,
                  "the stream is of a state with another mode of account rows");
  }
  if (summary.version > log_->tip.version) {
    return refuse(ErrorCode::version_mismatch,
                  "the stream is of a later version than the store, which is at " +
                      std::to_string(log_->tip.version))
        .version(summary.version);
  }
  FLATKV_TRY(consider_walk(summary.version));
  FLATKV_ASSIGN(const auto known, expected(summary.version));
  // Without a roots line to compare with, replay proves it: the next record's checksum is that of
  // these rows plus one block.
  if (!known && summary.version == log_->tip.version) {
    return refuse(ErrorCode::version_mismatch,
                  "the roots of the stream's version are unknown here, so it cannot be proven; "
                  "use one of an earlier version")
        .version(summary.version);
  }
  if (known && *known != summary.roots) {
    std::string message = "the stream is of another state: it has the root " +
                          to_hex(summary.roots.root) + ", the store had the root " +
                          to_hex(known->root);
    for (const Database which : kDataDatabases) {
      if (!mends(which)) continue;
      message += "; for " + std::string(to_string(which)) + " it has the checksum " +
                 to_hex(summary.roots.of(which)) + ", the store had " + to_hex(known->of(which));
    }
    return refuse(ErrorCode::foreign_store, message).version(summary.version);
  }
  for (Target& one : targets_) {
    if (!one.mended() || one.which() == Database::metadata) continue;
    one.report.source = RepairSource::stream;
    one.report.source_version = summary.version;
  }
  return {};
}

Status Repair::carry_others() {
  for (const Database which : kAllDatabases) {
    if (mends(which)) continue;
    if (which == Database::metadata && !live_.metadata) {  // as an open would
      FLATKV_TRY(builder_->create_database(which));
      continue;
    }
    FLATKV_TRY(builder_->carry_database(which, layout::database_path(working(), which)));
  }
  return {};
}

/// Examines the five databases as assembled. A fault in one that was carried over is in the live
/// copy.
Result<recovery::CopyAnalysis> Repair::examine_built() const {
  const recovery::KnownRoots known(files_, known_by_);
  auto copy = recovery::analyze_copy(environment_, layout::working_path(builder_->path()), known,
                                     working());
  if (copy && !copy->unusable) return copy;
  return std::unexpected(
      another_is_damaged(copy ? *std::move(copy->unusable) : std::move(copy).error()));
}

/// Replays all five to the log's end. Does not write to a database that is already there.
Status Repair::replay() {
  const std::string to = layout::working_path(builder_->path());
  {
    FLATKV_ASSIGN(const auto copy, examine_built());
    if (mends(Database::metadata)) FLATKV_TRY(check_local_metas(copy));
    FLATKV_TRY(consider_walk(copy.lowest()));
    Options options;
    options.cache.block_cache_bytes = options_.block_cache_bytes;
    options.flush.write_buffer_bytes = options_.write_buffer_bytes;
    options.threads = options_.threads;
    options.cache.row_cache_bytes = 0;
    options.log = options_.log;
    FLATKV_ASSIGN(
        const auto core,
        recovery::start_core(environment_, recovery::replay_options(std::move(options)), store_,
                             builder_->path(), found_.manifest, copy, lock_, false));
    FLATKV_TRY(replay_blocks(*core));
    FLATKV_FAILPOINT("repair.replayed");
    FLATKV_TRY(core->flush(true));
    FLATKV_FAILPOINT("repair.flushed");
    FLATKV_TRY(core->close());
  }
  for (const Database which : kAllDatabases) {
    FLATKV_TRY(files_.sync_directory(layout::database_path(to, which)));
  }
  return {};
}

Status Repair::replay_blocks(commit::Core& core) {
  const std::int64_t last = log_->tip.version;
  const std::int64_t first = core.state()->version;
  if (first == last) return {};
  FLATKV_ASSIGN(auto reader, changelog::Reader::open(files_, changelog(), *log_,
                                                     found_.manifest.store, first + 1, true));
  const recovery::ReplayOptions replay{.stop = options_.stop,
                                       .progress = [this](std::uint64_t done, std::uint64_t total) {
                                         if (options_.progress)
                                           options_.progress("replay", done, total);
                                       }};
  const auto done = recovery::replay_records(core, reader, changelog(), last, replay);
  if (done) return {};
  Error error = done.error();
  if (error.code == ErrorCode::corruption && error.database && error.version &&
      mends(*error.database)) {
    // The record's hash was computed when the rows were already damaged.
    error.message +=
        "; the blocks from there on were committed on the damaged rows: `flatkv rollback " +
        store_ + " " + std::to_string(*error.version - 1) + "`";
  }
  return std::unexpected(another_is_damaged(std::move(error)));
}

/// The metadata database's hashes come from these LocalMetas, so something else must confirm each.
Status Repair::check_local_metas(const recovery::CopyAnalysis& copy) const {
  const recovery::KnownRoots known(files_, known_by_);
  for (const Database which : kDataDatabases) {
    const recovery::DatabaseAnalysis& own = copy.data[which];
    FLATKV_ASSIGN(const auto roots, known.at(own.version));
    if (roots && roots->of(which) == own.hash.checksum()) continue;
    return fail(ErrorCode::corruption,
                "nothing confirms the database's LocalMeta: neither changelog nor snapshot "
                "has its version")
        .path(layout::database_path(working(), which))
        .database(which)
        .version(own.version);
  }
  return {};
}

Status Repair::carry_log_and_snapshots() {
  FLATKV_TRY(builder_->carry_log(place_.generation, *log_, log_->tip.version));
  FLATKV_FAILPOINT("repair.log_carried");
  for (const Judged& one : judged_) {
    if (one.all_verify()) FLATKV_TRY(builder_->carry_snapshot(snapshots_[one.snapshot]));
  }
  return {};
}

/// Proves what is on disk by a full scan, not what was in memory; then the snapshot.
Status Repair::prove() {
  const std::int64_t version = log_->tip.version;
  FLATKV_ASSIGN(const auto copy, examine_built());
  const auto wrong = [&](std::string message) {
    return fail(ErrorCode::corruption, std::move(message)).path(builder_->path()).version(version);
  };
  if (!copy.level_at(version) || !copy.metadata || copy.metadata->version != version) {
    return wrong("the databases did not reach the version");
  }
  commit::SnapshotRequest request;
  request.manifest = found_.manifest;
  request.chain = log_->tip.digest;
  request.state.version = version;
  for (const Database which : kDataDatabases) {
    request.state.hashes[which] = copy.data[which].hash;
    request.state.stats[which] = copy.data[which].stats;
  }
  FLATKV_ASSIGN(const auto wanted, expected(version));
  if (!wanted) return wrong("the roots of the version are unknown");
  const Roots roots = layout::roots_of(request.state.hashes);
  if (roots != *wanted) {
    return wrong("the databases have the root " + to_hex(roots.root) +
                 ", changelog, snapshot or metadata database has " + to_hex(wanted->root));
  }
  for (Target& one : targets_) {
    if (!one.mended()) continue;
    const std::uint64_t rows =
        one.which() == Database::metadata ? 0 : request.state.stats[one.which()].rows;
    FLATKV_TRY(prove_as_rebuilt(one, *wanted, rows));
    one.report.version = version;
  }
  FLATKV_TRY(builder_->leave_clean(version, roots));
  if (std::ranges::find(kept_snapshots_, version) != kept_snapshots_.end()) return {};
  kept_snapshots_.push_back(version);
  return builder_->add_snapshot(request);
}

Status Repair::prove_as_rebuilt(Target& target, const Roots& wanted, std::uint64_t rows) const {
  const std::string what = std::string(to_string(target.which())) + " as rebuilt";
  FLATKV_ASSIGN(const Verdict verdict,
                judge_database(
                    environment_, layout::working_path(builder_->path()), target.which(),
                    found_.manifest.store,
                    [&](std::int64_t) -> Result<std::optional<Roots>> { return wanted; },
                    scan_options(what, rows)));
  if (verdict.damage) return std::unexpected(*verdict.damage);
  target.report.checksum = verdict.checksum;
  return {};
}

Status Repair::publish() {
  FLATKV_TRY(builder_->publish());
  FLATKV_FAILPOINT("repair.published");
  return {};
}

}  // namespace flatkv::repair
