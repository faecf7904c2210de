// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <optional>

#include "base/error.hpp"
#include "clone.hpp"
#include "next_version.hpp"
#include "read_ahead.hpp"
#include "roots_file.hpp"
#include "strict.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct WhatIfArguments {
  ReadFrom from;
  std::string file;
  std::string format = "jsonl";
  StrictArguments strict;
  bool on = false;
};

std::string place(const ChangeInput& input, const ChangeLine& line) {
  return fmt::format("{}, version {}", input.place(line.number), line.version);
}

Outcome<void> apply_line(Overlay& block, const ChangeInput& input, const ChangeLine& line,
                         Output& out) {
  if (const Status applied = block.apply(line.sets); !applied) {
    Trouble why(applied.error());
    if (applied.error().code == ErrorCode::invalid_argument) why.exit = ExitCode::refused;
    return std::unexpected(std::move(why.at(place(input, line), line.version)));
  }
  FLATKV_ASSIGN(const Roots working, block.working_roots());
  FLATKV_TRY(out.write(roots_line(line.version, working)));
  return out.flush();
}

Outcome<ExitCode> run(const WhatIfArguments& arguments, Context& context) {
  FLATKV_ASSIGN(const auto input, open_changes(arguments.file, arguments.format, arguments.strict,
                                               context.interrupts));
  FLATKV_ASSIGN(ReadOnlyStore store, open_clone(arguments.from, context, arguments.strict));
  context.console.note(fmt::format("on top of version {}; nothing is committed", store.version()));
  std::optional<Overlay> block;
  std::uint64_t held = 0;
  while (true) {
    if (context.interrupts.requested()) {
      return std::unexpected(interrupted(context.interrupts, "between two lines"));
    }
    FLATKV_ASSIGN(const auto line, input->next());
    if (!line) break;
    if (line->version <= store.version()) {
      ++held;
      continue;
    }
    if (!block || line->version != block->version()) {
      if (block && !arguments.on) break;
      const std::int64_t last = block ? block->version() : store.version();
      if (line->version != version_after(last)) {
        return trouble(ExitCode::refused,
                       fmt::format("{}: the next version is {}", place(*input, *line),
                                   next_version_text(last)));
      }
      FLATKV_ASSIGN(Overlay next, block ? block->child() : store.overlay());
      block = std::move(next);
    }
    FLATKV_TRY(apply_line(*block, *input, *line, context.out));
  }
  if (!block && held > 0) {
    return trouble(ExitCode::refused,
                   fmt::format("the file has no line of version {}, the next of the store",
                               next_version_text(store.version())));
  }
  return ExitCode::done;
}

}  // namespace

void add_what_if(Registry& verbs) {
  verbs.add<WhatIfArguments>(
      "what-if",
      "Applies the lines of the next version to a private copy, prints a roots line after each, "
      "and commits nothing. Lines of other versions are skipped; with --on, each version builds on "
      "the one before",
      "flatkv what-if ./state proposal.jsonl",
      [](CLI::App& verb, WhatIfArguments& arguments) {
        read_arguments(verb, arguments.from, false);
        verb.add_option("FILE", arguments.file,
                        "Change sets (see `flatkv help apply`); - is standard input")
            ->required();
        verb.add_flag("--on", arguments.on,
                      "Go on with the lines of the versions that follow, each on top of the last");
        format_option(verb, arguments.format);
        strict_options(verb, arguments.strict);
      },
      run);
}

}  // namespace flatkv::cli
