// SPDX-License-Identifier: Apache-2.0
#include "transfer/row_import.hpp"

#include "base/failpoint.hpp"
#include "base/fork.hpp"
#include "changelog/record.hpp"
#include "fs/files.hpp"
#include "layout/cleanup.hpp"
#include "layout/lock.hpp"
#include "layout/snapshot_manifest.hpp"
#include "recovery/create.hpp"
#include "state/check_options.hpp"
#include "state/host.hpp"
#include "state/metadata.hpp"

namespace flatkv::transfer {
namespace {

/// A directory that holds other files and no store is probably a mistyped path.
Status refuse_others_directory(fs::FileSystem& files, const std::string& store) {
  FLATKV_ASSIGN(const auto survey, layout::survey_store(files, store));
  const auto choice = layout::choose_generation(store, survey);
  if (choice || choice.error().code != ErrorCode::not_found) return {};
  FLATKV_ASSIGN(const auto foreign, layout::foreign_entry(files, store));
  if (!foreign) return {};
  return fail(ErrorCode::invalid_argument,
              "the directory holds something else and no store: " + *foreign)
      .path(store);
}

}  // namespace

RowImport::RowImport(fs::FileSystem& files, std::string store, const layout::Manifest& manifest,
                     layout::StoreLock lock, recovery::GenerationBuilder builder, LogCallback log)
    : files_(files),
      store_(std::move(store)),
      manifest_(manifest),
      lock_(std::move(lock)),
      builder_(std::move(builder)),
      logger_(std::move(log)) {
  for (const Database which : kDataDatabases) {
    tables_[which].emplace(builder_.database_options(which), layout::flush_path(builder_.path()));
  }
}

RowImport::~RowImport() {
  // A forked child must not remove what its parent writes.
  for (auto& tables : tables_) state::leave_to_parent(*tables);
}

Result<std::unique_ptr<RowImport>> RowImport::begin(const state::Environment& environment,
                                                    const std::string& path,
                                                    const ImportOptions& options) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(state::check_options(options));
  fs::FileSystem& files = *environment.files;
  FLATKV_ASSIGN(const std::string store, layout::resolve_store_path(files, path));
  FLATKV_TRY(refuse_others_directory(files, store));
  FLATKV_TRY(fs::ensure_directory(files, store));
  FLATKV_ASSIGN(auto lock, layout::StoreLock::take(files, store));
  FLATKV_ASSIGN(const auto survey, layout::survey_store(files, store));
  const auto choice = layout::choose_generation(store, survey);
  const bool nothing_there = !choice && (choice.error().code == ErrorCode::not_found ||
                                         choice.error().code == ErrorCode::import_incomplete);
  if (!nothing_there && !options.force) {
    return fail(ErrorCode::invalid_argument,
                "there is a store already; --force replaces it with the imported state")
        .path(store);
  }
  layout::Manifest manifest;
  FLATKV_ASSIGN(manifest.store, recovery::new_store_id());
  manifest.account_rows = options.account_rows;
  FLATKV_ASSIGN(auto builder, recovery::GenerationBuilder::begin(
                                  environment, store, survey, layout::Purpose::import, manifest));
  return std::unique_ptr<RowImport>(
      new RowImport(files, store, manifest, std::move(lock), std::move(builder), options.log));
}

Status RowImport::write(std::span<const ImportRow> rows) {
  for (const ImportRow& row : rows) {
    FLATKV_TRY(tables_[row.database]->put(row.key, row.value));
  }
  return {};
}

Status RowImport::take_table(Database which, const std::string& table) {
  std::vector<std::string>& taken = taken_[which];
  const std::string name =
      std::string(to_string(which)) + "-part-" + std::to_string(taken.size()) + ".sst";
  const std::string link = fs::join(layout::flush_path(builder_.path()), name);
  FLATKV_TRY(fs::link_or_copy(files_, table, link));
  FLATKV_FAILPOINT("import.table_taken");
  taken.push_back(link);
  return {};
}

std::string RowImport::parts_directory() const {
  return fs::join(store_, layout::kImportDirectory);
}

Status RowImport::finish(std::int64_t version, const PerDataDatabase<LtHash>& hashes,
                         const PerDataDatabase<DatabaseStats>& stats) {
  commit::SnapshotRequest request;
  request.manifest = manifest_;
  request.state.version = version;
  request.state.hashes = hashes;
  request.state.stats = stats;
  request.chain = changelog::base_digest(manifest_.store, version, layout::roots_of(hashes));
  for (const Database which : kDataDatabases) {
    FLATKV_ASSIGN(auto tables, tables_[which]->finish());
    tables.insert(tables.end(), taken_[which].begin(), taken_[which].end());
    const auto fill = [&](rocks::TableWriter& table) {
      return state::put_local_meta(table, version, hashes[which], stats[which]);
    };
    FLATKV_TRY(builder_.create_database(which, fill, tables));
  }
  FLATKV_TRY(builder_.create_database(Database::metadata, [&](rocks::TableWriter& table) {
    return state::put_global_meta(table, manifest_.store, version, hashes);
  }));
  FLATKV_TRY(builder_.new_log({version, request.chain}));
  FLATKV_TRY(builder_.add_snapshot(request));
  FLATKV_TRY(builder_.leave_clean(version, layout::roots_of(hashes)));
  FLATKV_TRY(builder_.publish());
  // The old generation is no longer needed; the next writable open removes what stays of it.
  if (const auto survey = layout::survey_store(files_, store_); survey && survey->current) {
    for (const auto& left : layout::remove_leftovers(files_, store_, *survey, *survey->current)) {
      logger_.warning("could not be removed: " + left);
    }
  }
  return {};
}

}  // namespace flatkv::transfer
