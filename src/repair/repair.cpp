// SPDX-License-Identifier: Apache-2.0
#include "repair/repair.hpp"

#include <algorithm>

#include "base/fork.hpp"
#include "base/guard.hpp"
#include "blake3/kernel.hpp"
#include "layout/cleanup.hpp"
#include "layout/lock.hpp"
#include "state/check_options.hpp"
#include "transfer/file_io.hpp"

namespace flatkv {
namespace repair {

Result<std::vector<RepairReport>> repair_store(const state::Environment& environment,
                                               const std::string& store,
                                               const std::vector<Database>& databases,
                                               const RepairOptions& options) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(blake3::environment_kernel());
  FLATKV_TRY(state::check_options(options));
  if (databases.empty()) return fail(ErrorCode::invalid_argument, "no database to repair");
  const bool data =
      std::ranges::any_of(databases, [](Database which) { return which != Database::metadata; });
  if (!data && options.stream != nullptr) {
    return fail(
        ErrorCode::invalid_argument,
        "a stream holds nothing for the metadata database, which is rebuilt from the others");
  }
  fs::FileSystem& files = *environment.files;
  FLATKV_ASSIGN(const std::string path, layout::resolve_store_path(files, store));
  FLATKV_ASSIGN(auto taken, layout::StoreLock::take(files, path));
  auto lock = std::make_shared<layout::StoreLock>(std::move(taken));
  Repair running(environment, path, databases, options, lock);
  FLATKV_ASSIGN(const bool needed, running.plan());
  if (!needed) {
    // A repair that died after its swap may have left a CURRENT that is not on disk yet.
    FLATKV_TRY(files.sync_directory(path));
    return running.reports();
  }
  FLATKV_TRY(running.build());
  FLATKV_TRY(running.publish());
  // The repair is done; the old generation only takes space.
  if (Status removed = layout::remove_generation(files, path, running.old_generation()); !removed) {
    Logger(options.log)
        .warning("the old generation could not be removed; the next open removes it: " +
                 removed.error().to_string());
  }
  return running.reports();
}

}  // namespace repair

namespace {

Result<std::vector<RepairReport>> repair_from_file(const std::string& store,
                                                   const std::vector<Database>& databases,
                                                   RepairOptions options) {
  if (options.stream != nullptr) {
    return fail(ErrorCode::invalid_argument, "a stream and a file with a stream are given");
  }
  FLATKV_ASSIGN(const auto source, transfer::open_source(fs::posix(), options.stream_file));
  options.stream = source.get();
  auto repaired = repair::repair_store({}, store, databases, options);
  if (repaired || !repaired.error().path.empty()) return repaired;
  Error error = std::move(repaired).error();
  error.path = options.stream_file;
  return std::unexpected(std::move(error));
}

}  // namespace

Result<std::vector<RepairReport>> repair_databases(const std::string& store,
                                                   std::span<const Database> databases,
                                                   const RepairOptions& options) {
  return guarded([&] {
    const std::vector<Database> wanted(databases.begin(), databases.end());
    return options.stream_file.empty() ? repair::repair_store({}, store, wanted, options)
                                       : repair_from_file(store, wanted, options);
  });
}

}  // namespace flatkv
