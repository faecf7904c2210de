// SPDX-License-Identifier: Apache-2.0
#include "recovery/create.hpp"

#include "base/fork.hpp"
#include "base/random.hpp"
#include "fs/files.hpp"
#include "layout/lock.hpp"
#include "layout/snapshot_manifest.hpp"
#include "recovery/generation_builder.hpp"
#include "state/check_options.hpp"
#include "state/metadata.hpp"

namespace flatkv::recovery {

Result<layout::StoreId> new_store_id() {
  layout::StoreId id{};
  FLATKV_TRY(fill_random(id));
  return id;
}

Status create_generation(const state::Environment& environment, const std::string& store,
                         const CreateOptions& options) {
  layout::Manifest manifest;
  FLATKV_ASSIGN(manifest.store, new_store_id());
  manifest.account_rows = options.account_rows;
  manifest.initial_version = options.initial_version;

  commit::SnapshotRequest empty;
  empty.manifest = manifest;
  empty.state.version = options.initial_version - 1;
  empty.chain = changelog::base_digest(manifest.store, empty.state.version,
                                       layout::roots_of(empty.state.hashes));

  FLATKV_ASSIGN(const auto survey, layout::survey_store(*environment.files, store));
  FLATKV_ASSIGN(auto builder, GenerationBuilder::begin(environment, store, survey,
                                                       layout::Purpose::init, manifest));
  FLATKV_TRY(builder.new_log({empty.state.version, empty.chain}));
  for (const Database which : kDataDatabases) {
    FLATKV_TRY(builder.create_database(which, [&](rocks::TableWriter& table) {
      return state::put_local_meta(table, empty.state.version, LtHash{}, {});
    }));
  }
  FLATKV_TRY(builder.create_database(Database::metadata, [&](rocks::TableWriter& table) {
    return state::put_global_meta(table, manifest.store, empty.state.version, empty.state.hashes);
  }));
  FLATKV_TRY(builder.add_snapshot(empty));
  FLATKV_TRY(builder.leave_clean(empty.state.version, layout::roots_of(empty.state.hashes)));
  FLATKV_TRY(builder.publish());
  return {};
}

Status create_store(const state::Environment& environment, const std::string& path,
                    const CreateOptions& options) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(state::check_options(options));
  FLATKV_ASSIGN(const std::string store, layout::resolve_store_path(*environment.files, path));
  FLATKV_TRY(fs::ensure_directory(*environment.files, store));
  FLATKV_ASSIGN(const auto lock, layout::StoreLock::take(*environment.files, store));
  FLATKV_ASSIGN(const auto survey, layout::survey_store(*environment.files, store));
  const auto choice = layout::choose_generation(store, survey);
  if (choice) {
    return fail(ErrorCode::invalid_argument, "there is a store already").path(store);
  }
  if (choice.error().code != ErrorCode::not_found) return std::unexpected(choice.error());
  return create_generation(environment, store, options);
}

}  // namespace flatkv::recovery
