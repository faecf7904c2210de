// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "commit/core.hpp"
#include "flatkv/tools/repair.hpp"
#include "layout/lock.hpp"
#include "recovery/generation_builder.hpp"
#include "recovery/live_generation.hpp"
#include "repair/database_check.hpp"
#include "transfer/row_tables.hpp"
#include "transfer/stream_format.hpp"

namespace flatkv::repair {

/// flatkv::repair in a given environment.
Result<std::vector<RepairReport>> repair_store(const state::Environment& environment,
                                               const std::string& store,
                                               const std::vector<Database>& databases,
                                               const RepairOptions& options);

/// One repair, of one database or several: first looks at the store (repair_plan.cpp), then builds
/// the next generation (repair_build.cpp). The caller holds the lock, and nothing may change the
/// live generation meanwhile.
class Repair {
 public:
  Repair(const state::Environment& environment, const std::string& store,
         const std::vector<Database>& databases, const RepairOptions& options,
         std::shared_ptr<layout::StoreLock> lock);

  /// Phase 1 of opening and the full scans. Finds every reason to refuse except damage in the other
  /// databases and in a stream's rows. False: all databases asked for verify; there is nothing to
  /// do.
  Result<bool> plan();
  /// Builds the generation under a -tmp name and proves it. After an error only that directory is
  /// left, and it is removed.
  Status build();
  /// Swaps CURRENT: the commit point. After an error either generation may be live.
  Status publish();

  const std::string& old_generation() const noexcept { return place_.choice.name; }
  /// One for each database that was asked for, in that order.
  std::vector<RepairReport> reports() const;

 private:
  /// A database that was asked for, and its result.
  struct Target {
    RepairReport report;
    std::optional<std::size_t> source;  ///< index into snapshots_
    Database which() const { return report.database; }
    bool mended() const { return report.repaired(); }  ///< it is damaged and will be rebuilt
  };
  bool asked_for(Database which) const;
  bool mends(Database which) const;
  bool mends_data() const;

  // repair_plan.cpp
  Status examine();
  Status read_live();
  Result<state::DataMeta> read_meta(Database which) const;
  std::string command_with(const std::vector<Database>& more) const;
  Error another_is_damaged(Error error) const;
  Status find_log();
  Status consider_walk(std::int64_t from);
  Status check_durable() const;
  Result<std::optional<Roots>> expected(std::int64_t version) const;
  Status judge_live(Target& target);
  Status judge_snapshots();
  Result<Verdict> judge_in(const layout::SnapshotEntry& snapshot, Database which) const;
  Status choose_snapshot(Target& target) const;
  Status no_source(const Target& target) const;

  // repair_build.cpp
  Status begin();
  Status place_databases();
  Status read_stream();
  Status check_stream(const transfer::StreamHeader& header);
  Status carry_others();
  Status carry_log_and_snapshots();
  Result<recovery::CopyAnalysis> examine_built() const;
  Status replay();
  Status replay_blocks(commit::Core& core);
  Status prove();
  Status prove_as_rebuilt(Target& target, const Roots& wanted, std::uint64_t rows) const;
  Status check_local_metas(const recovery::CopyAnalysis& copy) const;

  scan::ScanOptions scan_options(std::string what, std::uint64_t rows) const;
  std::string working() const { return layout::working_path(place_.generation); }
  std::string changelog() const { return layout::changelog_path(place_.generation); }
  Failure refuse(ErrorCode code, std::string message) const;

  const state::Environment& environment_;
  fs::FileSystem& files_;
  const std::string& store_;
  const RepairOptions& options_;
  Logger logger_;
  std::shared_ptr<layout::StoreLock> lock_;

  recovery::RecoveryAnalysis found_;  ///< as far as phase 1 got
  std::optional<Error> refusal_;
  recovery::LiveGeneration place_;
  struct Live {
    PerDataDatabase<std::optional<state::DataMeta>> data;  ///< nullopt if unreadable
    std::optional<state::GlobalMeta> metadata;
  };
  Live live_;
  std::vector<Error> missing_;  ///< of unreadable data databases that were not asked for
  std::vector<recovery::Reach> reach_;
  /// The walk that begins lowest of those that reach the log's end.
  std::optional<changelog::LogWalk> log_;
  recovery::RecoveryAnalysis known_by_;  ///< what KnownRoots searches
  struct Judged {
    std::size_t snapshot = 0;   ///< index into snapshots_
    bool log_leads_on = false;  ///< from it to the log's end
    struct Finding {
      bool verifies = false;
      std::string why;      ///< the reason if it does not verify
      bool shared = false;  ///< it shares a table with the live database
    };
    std::map<Database, Finding> of;  ///< only databases to rebuild
    bool all_verify() const;
  };
  std::vector<layout::SnapshotEntry> snapshots_;
  std::vector<Judged> judged_;
  std::optional<recovery::GenerationBuilder> builder_;
  std::vector<Target> targets_;
  std::vector<std::int64_t> kept_snapshots_;
  std::vector<std::int64_t> dropped_snapshots_;
};

}  // namespace flatkv::repair
