// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "stored.hpp"
#include "trusted.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct CheckArguments {
  std::string file;
  std::string root;
  StoredArguments stored;
  std::optional<std::uint64_t> part;
};

Outcome<ExitCode> run(const CheckArguments& arguments, Context& context) {
  if (arguments.file.empty() == arguments.stored.from.empty()) {
    return trouble(ExitCode::usage, "give either FILE or --from LOCATION");
  }
  if (!arguments.stored.from.empty()) {
    return check_stored(arguments.stored, arguments.part, arguments.root, context);
  }
  FLATKV_ASSIGN(const TrustedRoots trusted, trusted_roots(arguments.root, context.console));
  FLATKV_ASSIGN(const auto input, StreamInput::open(arguments.file, context.interrupts));
  Progress progress(context.console, "check");
  TransferOptions options;
  options.stop = context.interrupts.token();
  options.progress = [&progress](std::string_view, std::uint64_t rows, std::uint64_t total) {
    progress.update("", rows, rows, total);
  };
  const auto checked = check_stream(*input, trusted, options);
  context.console.end_progress();
  if (!checked) {
    Trouble refused = input->explain(checked.error());
    // The question is whether the stream is right, so a bad stream is the answer no.
    const ErrorCode code = checked.error().code;
    if (code == ErrorCode::corruption || code == ErrorCode::version_mismatch) {
      refused.exit = ExitCode::no;
    }
    return std::unexpected(std::move(refused));
  }
  if (context.json) {
    nlohmann::ordered_json answer = {{"version", checked->version}, {"rows", checked->rows()}};
    answer["roots"] = to_json(checked->roots);
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(fmt::format("version {}: {} rows, root {}, in {:.1f} s\n",
                                             checked->version, checked->rows(),
                                             to_hex(checked->roots.root), progress.seconds())));
    if (arguments.root.empty()) {
      context.console.note("compare the root with one that you trust: --root");
    }
  }
  return ExitCode::done;
}

}  // namespace

void add_check(Registry& verbs) {
  verbs.add<CheckArguments>(
      "check", "Verifies an exported state without a store: every row is hashed again",
      "flatkv check state.flatkv.zst --root roots.json\n"
      "flatkv check --from s3://snapshots/mainnet --root roots.json",
      [](CLI::App& verb, CheckArguments& arguments) {
        verb.add_option("FILE", arguments.file, "The stream: `-` is standard input")
            ->check(not_empty());
        CLI::Option* const from = stored_arguments(verb, arguments.stored);
        verb.add_option("--part", arguments.part, "One part alone, numbered from 0")
            ->type_name("N")
            ->check(whole_number())
            ->needs(from);
        root_option(verb, arguments.root);
      },
      run);
}

}  // namespace flatkv::cli
