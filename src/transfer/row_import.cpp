#include "transfer/row_import.hpp"

#include "changelog/record.hpp"
#include "fs/files.hpp"
#include "store/create.hpp"
#include "store/metadata.hpp"

namespace flatkv::transfer {
namespace {

/// Tables are closed at this size, so that compaction has files of its usual size to work with.
constexpr std::uint64_t kTableBytes = 64ULL << 20;
constexpr unsigned kLockWaitMs = 2000;

}  // namespace

RowImport::RowImport(fs::FileSystem& files, std::string store, const layout::Manifest& manifest,
                     layout::StoreLock lock, store::GenerationBuilder builder, LogCallback log)
    : files_(files),
      store_(std::move(store)),
      manifest_(manifest),
      lock_(std::move(lock)),
      builder_(std::move(builder)),
      logger_(std::move(log)) {}

RowImport::~RowImport() {
  for (Tables& own : tables_) own.current.reset();
  // What cannot be removed now is removed by the next import or writable open.
  if (!finished_) static_cast<void>(fs::remove_tree(files_, builder_.path()));
}

Result<std::unique_ptr<RowImport>> RowImport::begin(const store::Environment& environment,
                                                    const std::string& path,
                                                    const ImportOptions& options) {
  fs::FileSystem& files = *environment.files;
  FLATKV_ASSIGN(const std::string store, layout::resolve_store_path(files, path));
  FLATKV_TRY(fs::ensure_directory(files, store));
  FLATKV_ASSIGN(auto lock, layout::StoreLock::take(files, store, kLockWaitMs));
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
  FLATKV_ASSIGN(manifest.store, store::new_store_id());
  manifest.account_rows = options.account_rows;
  FLATKV_ASSIGN(auto builder, store::GenerationBuilder::begin(environment, store, survey,
                                                              layout::Purpose::import, manifest));
  return std::unique_ptr<RowImport>(
      new RowImport(files, store, manifest, std::move(lock), std::move(builder), options.log));
}

Status RowImport::write(std::span<const ImportRow> rows) {
  for (const ImportRow& row : rows) {
    Tables& own = tables_[static_cast<std::size_t>(row.database)];
    if (own.current && own.current->bytes() >= kTableBytes) FLATKV_TRY(close_table(own));
    if (!own.current) FLATKV_TRY(open_table(row.database, own));
    FLATKV_TRY(own.current->put(row.key, row.value));
  }
  return {};
}

Status RowImport::open_table(Database database, Tables& tables) {
  tables.current_path = fs::join(layout::flush_path(builder_.path()),
                                 std::string(to_string(database)) + "-rows-" +
                                     std::to_string(tables.finished.size()) + ".sst");
  FLATKV_ASSIGN(tables.current, engine::TableWriter::create(builder_.database_options(database),
                                                            tables.current_path));
  return {};
}

Status RowImport::close_table(Tables& tables) {
  if (!tables.current) return {};
  FLATKV_TRY(tables.current->finish());
  tables.current.reset();
  tables.finished.push_back(std::move(tables.current_path));
  return {};
}

Status RowImport::finish(std::int64_t version, const std::array<LtHash, 4>& hashes,
                         const std::array<DatabaseStats, 4>& stats) {
  store::SnapshotRequest request;
  request.manifest = manifest_;
  request.state.version = version;
  request.state.hashes = hashes;
  for (std::size_t i = 0; i < 4; ++i) {
    request.state.stats[i] = {version, stats[i].rows, stats[i].key_bytes, stats[i].value_bytes};
  }
  request.chain = changelog::base_digest(manifest_.store, version, layout::roots_of(hashes));
  for (const Database which : layout::kDataDatabases) {
    const auto i = static_cast<std::size_t>(which);
    FLATKV_TRY(close_table(tables_[i]));
    const auto fill = [&](engine::TableWriter& table) {
      return store::put_local_meta(table, version, hashes[i], request.state.stats[i]);
    };
    FLATKV_TRY(builder_.create_database(which, fill, tables_[i].finished));
  }
  FLATKV_TRY(builder_.create_database(Database::metadata, [&](engine::TableWriter& table) {
    return store::put_global_meta(table, version, hashes);
  }));
  FLATKV_TRY(builder_.new_log({version, request.chain}));
  FLATKV_TRY(builder_.add_snapshot(request));
  FLATKV_TRY(builder_.publish());
  finished_ = true;
  // The old generation is only in the way now; what stays is removed by the next writable open.
  if (const auto survey = layout::survey_store(files_, store_); survey && survey->current) {
    for (const auto& left : layout::remove_leftovers(files_, store_, *survey, *survey->current)) {
      logger_.warning("could not be removed: " + left);
    }
  }
  return {};
}

}  // namespace flatkv::transfer
