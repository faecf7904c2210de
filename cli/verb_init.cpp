// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "info_json.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct InitOptions {
  std::string store;
  std::string account_rows = "keep";
  std::int64_t initial_version = 1;
};

Outcome<ExitCode> run(const InitOptions& options, Context& context) {
  CreateOptions create;
  create.account_rows =
      options.account_rows == "keep" ? AccountRows::keep : AccountRows::prune_empty;
  create.initial_version = options.initial_version;
  if (const Status created = CommitStore::create(options.store, create); !created) {
    // The arguments are right: what it refuses is the directory as it is.
    Trouble trouble(created.error());
    if (created.error().code == ErrorCode::invalid_argument) {
      trouble.exit = ExitCode::refused;
      trouble.advice = "choose another directory, or use the store that is there";
    }
    return std::unexpected(std::move(trouble));
  }
  if (context.json) {
    const nlohmann::ordered_json answer = {{"store", options.store},
                                           {"account_rows", options.account_rows},
                                           {"initial_version", options.initial_version},
                                           {"version", options.initial_version - 1}};
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(
        fmt::format("created an empty store at {}: account rows {}, first version {}\n",
                    options.store, options.account_rows, options.initial_version)));
  }
  return ExitCode::done;
}

}  // namespace

void add_init(Registry& verbs) {
  verbs.add<InitOptions>(
      "init", "Creates an empty store", "flatkv init ./state --account-rows prune_empty",
      [](CLI::App& verb, InitOptions& options) {
        store_argument(verb, options.store);
        verb.add_option("--account-rows", options.account_rows,
                        "What happens to an account whose balance, nonce and code hash are zero; "
                        "affects the root and can never be changed")
            ->check(CLI::IsMember({"keep", "prune_empty"}))
            ->capture_default_str();
        verb.add_option("--initial-version", options.initial_version, "The first version committed")
            ->type_name("VERSION")
            ->check(whole_number(1, std::numeric_limits<std::int64_t>::max() - 1))
            ->capture_default_str();
      },
      run);
}

}  // namespace flatkv::cli
