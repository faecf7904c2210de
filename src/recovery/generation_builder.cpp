// SPDX-License-Identifier: Apache-2.0
#include "recovery/generation_builder.hpp"

#include "base/failpoint.hpp"
#include "base/fork.hpp"
#include "base/guard.hpp"
#include "changelog/clean_marker.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/writer.hpp"
#include "fs/files.hpp"
#include "rocks/db.hpp"

namespace flatkv::recovery {

GenerationBuilder::Directory::~Directory() {
  if (published_ || is_forked()) return;
  // The next writable open removes what cannot be removed now.
  static_cast<void>(guarded([&] { return fs::remove_tree(files_, path_); }));
}

GenerationBuilder::GenerationBuilder(const state::Environment& environment, std::string store,
                                     std::string generation, std::string unfinished,
                                     layout::Manifest manifest)
    : environment_(environment),
      files_(environment.files),
      store_(std::move(store)),
      generation_(std::move(generation)),
      unfinished_(std::move(unfinished)),
      manifest_(manifest),
      directory_(std::make_unique<Directory>(*files_, fs::join(store_, unfinished_))) {}

Result<GenerationBuilder> GenerationBuilder::begin(const state::Environment& environment,
                                                   const std::string& store,
                                                   const layout::StoreSurvey& survey,
                                                   layout::Purpose purpose,
                                                   const layout::Manifest& manifest) {
  const std::string generation = layout::next_generation(survey);
  GenerationBuilder builder(environment, store, generation,
                            layout::unfinished_name(generation, purpose), manifest);
  fs::FileSystem& files = *environment.files;
  FLATKV_TRY(fs::remove_tree(files, builder.path()));
  FLATKV_TRY(fs::ensure_directory(files, builder.path()));
  FLATKV_FAILPOINT("generation.begun");
  FLATKV_TRY(
      fs::write_file(files, fs::join(builder.path(), "MANIFEST.json"), layout::encode(manifest)));
  FLATKV_TRY(files.make_directory(layout::working_path(builder.path())));
  FLATKV_TRY(files.make_directory(layout::flush_path(builder.path())));
  FLATKV_FAILPOINT("generation.manifest_written");
  return builder;
}

Status GenerationBuilder::carry_database(Database which, const std::string& from) {
  FLATKV_TRY(rocks::clone_closed(*files_, from,
                                 layout::database_path(layout::working_path(path()), which)));
  FLATKV_FAILPOINT("generation.database_carried");
  return {};
}

rocks::DbOptions GenerationBuilder::database_options(Database which) const {
  rocks::DbOptions options;
  options.path = layout::database_path(layout::working_path(path()), which);
  options.which = which;
  options.env = environment_.rocks;
  options.background_compaction = false;
  return options;
}

Status GenerationBuilder::create_database(Database which,
                                          const std::function<Status(rocks::TableWriter&)>& fill,
                                          const std::vector<std::string>& tables) {
  const rocks::DbOptions options = database_options(which);
  FLATKV_ASSIGN(const auto db, rocks::Db::open(options, rocks::Db::Mode::create));
  FLATKV_FAILPOINT("generation.database_created");
  if (fill) {
    const std::string name = std::string(to_string(which)) + ".sst";
    std::vector<std::string> all = {fs::join(layout::flush_path(path()), name)};
    FLATKV_ASSIGN(auto writer, rocks::TableWriter::create(options, all.front()));
    FLATKV_TRY(fill(writer));
    FLATKV_TRY(writer.finish());
    all.insert(all.end(), tables.begin(), tables.end());
    FLATKV_TRY(db->ingest(all));
    FLATKV_FAILPOINT("generation.database_filled");
  }
  return files_->sync_directory(options.path);
}

Status GenerationBuilder::carry_log(const std::string& generation, const changelog::LogWalk& survey,
                                    std::int64_t until) {
  FLATKV_TRY(changelog::clone_until(*files_, layout::changelog_path(generation),
                                    layout::changelog_path(path()), survey, manifest_.store,
                                    until));
  FLATKV_FAILPOINT("generation.log_carried");
  return {};
}

Status GenerationBuilder::new_log(const changelog::Base& base) {
  FLATKV_TRY(changelog::create_log(*files_, layout::changelog_path(path()), manifest_.store, base));
  FLATKV_FAILPOINT("generation.log_created");
  return {};
}

Status GenerationBuilder::carry_snapshot(const layout::SnapshotEntry& snapshot) {
  FLATKV_TRY(
      layout::clone_snapshot(*files_, snapshot.path, fs::join(path(), snapshot.name), manifest_));
  FLATKV_FAILPOINT("generation.snapshot_carried");
  return {};
}

Status GenerationBuilder::add_snapshot(const commit::SnapshotRequest& request) {
  const std::string to = layout::unfinished_snapshot_path(path(), request.state.version);
  FLATKV_TRY(files_->make_directory(to));
  for (const Database which : kAllDatabases) {
    FLATKV_TRY(rocks::clone_closed(*files_,
                                   layout::database_path(layout::working_path(path()), which),
                                   layout::database_path(to, which)));
  }
  FLATKV_TRY(layout::publish_snapshot(*files_, path(), commit::manifest_of(request)));
  FLATKV_FAILPOINT("generation.snapshot_added");
  return {};
}

Status GenerationBuilder::leave_clean(std::int64_t version, const Roots& roots) {
  changelog::SurveyOptions options;
  options.store = manifest_.store;
  options.from_version = version;
  options.check_last_payloads = false;  // all were checked when the log was carried over
  const std::string log = layout::changelog_path(path());
  FLATKV_ASSIGN(const auto found, changelog::walk_segments(*files_, log, options));
  if (!found || found->tip.version != version || found->damage) {
    return fail(ErrorCode::corruption, "the new log does not end at the version")
        .path(log)
        .version(version);
  }
  const changelog::Tip& tip = found->tip;
  return changelog::write_clean(*files_, path(),
                                {.version = version,
                                 .digest = tip.digest,
                                 .segment = tip.segment,
                                 .bytes = tip.end_offset,
                                 .roots = roots,
                                 .store = manifest_.store});
}

Result<std::string> GenerationBuilder::publish() {
  FLATKV_TRY(files_->sync_directory(layout::working_path(path())));
  FLATKV_TRY(files_->sync_directory(path()));
  FLATKV_FAILPOINT("generation.before_publish");
  FLATKV_TRY(layout::publish_generation(*files_, store_, unfinished_, generation_));
  directory_->published();
  return fs::join(store_, generation_);
}

}  // namespace flatkv::recovery
