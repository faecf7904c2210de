#include "base/error.hpp"
#include "flatkv/inspect.hpp"
#include "roots_file.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct RootOptions {
  std::string store;
  std::optional<std::int64_t> at;
};

/// The answer is the log's; where nobody writes, the databases may know of more, and then the log
/// has lost its end.
void warn_of_more(const std::string& store, std::int64_t version, Context& context) {
  const auto info = inspect(store);
  if (!info || info->locked) return;
  if (!info->problems.empty()) {
    context.console.warning("the store does not open: " + info->problems.front().to_string());
  } else if (info->version && *info->version != version) {
    context.console.warning("the changelog ends at version " + std::to_string(version) +
                            ", but the databases are at " + std::to_string(*info->version) +
                            "; see `flatkv info`");
  }
}

Outcome<ExitCode> run(const RootOptions& options, Context& context) {
  FLATKV_ASSIGN(const RootsAt found, roots_at(options.store, options.at));
  if (!options.at) warn_of_more(options.store, found.version, context);
  FLATKV_TRY(context.out.write(roots_line(found.version, found.roots)));
  return ExitCode::done;
}

}  // namespace

void add_root(Registry& verbs) {
  verbs.add<RootOptions>(
      "root", "Prints the roots line of the committed, or of an older, version",
      "flatkv root ./state --at 16",
      [](CLI::App& verb, RootOptions& options) {
        store_argument(verb, options.store);
        version_option(verb, "--at", options.at,
                       "An older version that log or snapshots keep (default: the last)");
      },
      run);
}

}  // namespace flatkv::cli
