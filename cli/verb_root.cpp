// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "flatkv/tools/inspect.hpp"
#include "lost_log.hpp"
#include "roots_file.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct RootOptions {
  std::string store;
  std::optional<std::int64_t> at;
};

Outcome<ExitCode> run(const RootOptions& options, Context& context) {
  FLATKV_ASSIGN(const RootsAt found, roots_at(options.store, options.at));
  warn_of_lost_log(options.store, context);
  FLATKV_TRY(context.out.write(roots_line(found.version, found.roots)));
  return ExitCode::done;
}

}  // namespace

void add_root(Registry& verbs) {
  verbs.add<RootOptions>(
      "root", "Prints the roots line of the committed version, or of an older one",
      "flatkv root ./state --at 16",
      [](CLI::App& verb, RootOptions& options) {
        store_argument(verb, options.store);
        version_option(verb, "--at", options.at,
                       "An older version that log or snapshots keep (default: the last)");
      },
      run);
}

}  // namespace flatkv::cli
