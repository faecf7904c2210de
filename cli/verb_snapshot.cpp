// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cache_option.hpp"
#include "info_json.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct SnapshotOptions {
  std::string store;
  std::uint64_t cache = CacheOptions::kAutomatic;
};

Outcome<ExitCode> run(const SnapshotOptions& options, Context& context) {
  Options opening;
  opening.cache.row_cache_bytes = options.cache;
  FLATKV_ASSIGN(CommitStore store, open_writable(options.store, opening, context));
  const std::int64_t version = store.version();
  FLATKV_TRY(store.snapshot());
  FLATKV_TRY(store.close());
  if (context.json) {
    const nlohmann::ordered_json answer = {{"version", version}};
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(fmt::format("snapshot of version {}\n", version)));
  }
  return ExitCode::done;
}

}  // namespace

void add_snapshot(Registry& verbs) {
  verbs.add<SnapshotOptions>(
      "snapshot", "Writes a snapshot of the committed version", "flatkv snapshot ./state",
      [](CLI::App& verb, SnapshotOptions& options) {
        store_argument(verb, options.store);
        cache_option(verb, options.cache);
      },
      run);
}

}  // namespace flatkv::cli
