// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>

#include "applier.hpp"
#include "base/error.hpp"
#include "cache_option.hpp"
#include "info_json.hpp"
#include "strict.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct ApplyArguments {
  std::string store;
  std::string file;
  std::string format = "jsonl";
  bool create = false;
  std::string roots;
  std::string expect;
  std::string durability = "sync";
  std::optional<std::uint32_t> group_blocks;
  StrictArguments strict;
  std::optional<std::int64_t> until;
  std::uint64_t write_buffer = Options{}.flush.write_buffer_bytes;
  std::uint64_t cache = CacheOptions::kAutomatic;
};

bool same_file(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty() || a == "-" || b == "-") return false;
  std::error_code error;
  return std::filesystem::equivalent(a, b, error) && !error;
}

Outcome<void> check(const ApplyArguments& arguments) {
  if (same_file(arguments.roots, arguments.file) || same_file(arguments.roots, arguments.expect)) {
    return trouble(ExitCode::usage, "--roots would overwrite " + arguments.roots + ", an input",
                   "choose another file");
  }
  if (arguments.file == "-" && arguments.expect == "-") {
    return trouble(ExitCode::usage, "FILE and --expect cannot both be standard input");
  }
  if (arguments.group_blocks && arguments.durability != "group") {
    return trouble(ExitCode::usage, "--group-blocks is for --durability group");
  }
  return {};
}

Outcome<CommitStore> open_store(const ApplyArguments& arguments, ChangeInput& input,
                                const Context& context) {
  Options options;
  options.durability = durability_named(arguments.durability);
  if (arguments.group_blocks) options.group_blocks = *arguments.group_blocks;
  options.strict = arguments.strict.strict;
  options.strict_exceptions = arguments.strict.exceptions();
  options.flush.write_buffer_bytes = arguments.write_buffer;
  options.cache.row_cache_bytes = arguments.cache;
  options.log = context.log();
  auto store = CommitStore::open(arguments.store, options);
  if (store || store.error().code != ErrorCode::not_found || !arguments.create) return store;
  // Do not create a store if the file cannot be its beginning.
  FLATKV_ASSIGN(const ChangeLine* first, input.peek());
  if (first != nullptr && first->version > 1) {
    return trouble(ExitCode::refused,
                   fmt::format("{}, version {}: there is no store at {}, and a new one begins at "
                               "version 1",
                               input.place(first->number), first->version, arguments.store),
                   "`flatkv init STORE --initial-version N` makes one that begins later");
  }
  options.create_if_missing = true;
  return CommitStore::open(arguments.store, options);
}

struct Ended {
  std::int64_t version = 0;
  Roots roots;
  std::uint64_t ignored = 0;
  double seconds = 0;
};

Outcome<void> summary(const Ended& ended, const Applier::Tally& tally, bool roots_on_output,
                      Context& context) {
  if (context.json && !roots_on_output) {
    nlohmann::ordered_json answer = {
        {"version", ended.version}, {"committed", tally.committed},
        {"held", tally.held},       {"skipped", tally.skipped},
        {"writes", tally.writes},   {"ignored_change_sets", ended.ignored},
        {"seconds", ended.seconds}};
    answer["roots"] = to_json(ended.roots);
    return context.out.write(to_text(answer) + "\n");
  }
  std::string text = fmt::format("version {}, root {}\n", ended.version, to_hex(ended.roots.root));
  const double seconds = std::max(ended.seconds, 1e-9);
  text += fmt::format("committed {} blocks, {} writes in {:.2f} s ({}/s)", tally.committed,
                      tally.writes, ended.seconds,
                      human_count(static_cast<double>(tally.writes) / seconds));
  if (tally.held > 0) text += fmt::format("; {} blocks were there and are the same", tally.held);
  if (ended.ignored > 0) {
    text += fmt::format("; ignored {} change sets of other modules", ended.ignored);
  }
  if (roots_on_output) {
    context.console.note(text);
    return {};
  }
  return context.out.write(text + "\n");
}

Outcome<ExitCode> run(const ApplyArguments& arguments, Context& context) {
  FLATKV_TRY(check(arguments));
  context.output_is_data = arguments.roots == "-";
  FLATKV_ASSIGN(const auto input, open_changes(arguments.file, arguments.format, arguments.strict,
                                               context.interrupts));
  std::unique_ptr<RootsFile> expect;
  if (!arguments.expect.empty()) {
    FLATKV_ASSIGN(expect, RootsFile::open(arguments.expect, &context.interrupts));
  }
  FLATKV_ASSIGN(CommitStore store, open_store(arguments, *input, context));
  std::unique_ptr<Output> roots;
  if (!arguments.roots.empty()) {
    FLATKV_ASSIGN(roots, Output::open(arguments.roots));
  }

  Applier applier(store, *input, context,
                  {.expect = expect.get(), .roots = roots.get(), .until = arguments.until});
  const Progress clock(context.console, "apply");
  Outcome<void> applied = applier.run();
  if (!applied) store.discard();
  const Ended ended{.version = store.version(),
                    .roots = store.committed_roots(),
                    .ignored = store.metrics().ignored_change_sets,
                    .seconds = clock.seconds()};
  const Status closed = store.close();
  Outcome<void> written = roots ? roots->close() : Outcome<void>{};
  context.console.end_progress();
  FLATKV_TRY(applied);  // report the first error
  FLATKV_TRY(closed);
  FLATKV_TRY(written);
  if (arguments.until && ended.version < *arguments.until) {
    context.console.warning(fmt::format("the file ends before version {}: the store is at {}",
                                        *arguments.until, ended.version));
  }
  FLATKV_TRY(summary(ended, applier.tally(), arguments.roots == "-", context));
  return ExitCode::done;
}

}  // namespace

void add_apply(Registry& verbs) {
  verbs.add<ApplyArguments>(
      "apply",
      "Commits the blocks of FILE, going on where the store stands. Blocks that the store has are "
      "compared with its log, so that no other chain's file continues a store; those its log lacks "
      "are skipped, with a warning.\n"
      "\n"
      "FILE holds one JSON object a line, an `apply` call of a block; lines of one version belong "
      "to one block, and versions have no gaps. Keys and values are hex:\n"
      "  {\"version\":1,\"changesets\":[{\"name\":\"evm\",\"pairs\":[\n"
      "    {\"key\":\"0a…\",\"value\":\"0000000000000001\"},{\"key\":\"03…\",\"delete\":true}]}]}\n"
      "or, with --format pb, records of a varint length and a ChangelogEntry. docs/formats.md has "
      "both in full. Files that zstd or gzip compressed are read as they are",
      "flatkv apply ./state examples/mainnet-15000001-30.jsonl.zst --create --roots roots.jsonl\n"
      "  producer | flatkv apply ./state - --format pb --expect trusted.roots.jsonl",
      [](CLI::App& verb, ApplyArguments& arguments) {
        store_argument(verb, arguments.store);
        verb.add_option("FILE", arguments.file, "Change sets; - is standard input")->required();
        format_option(verb, arguments.format);
        verb.add_flag("--create", arguments.create, "Create the store if there is none");
        verb.add_option("--roots", arguments.roots,
                        "Write a roots line for each block, after its commit")
            ->type_name("OUT")
            ->check(not_empty());
        verb.add_option("--expect", arguments.expect,
                        "Compare each block with this file of roots lines before committing it; "
                        "the first that differs or is missing: exit 1")
            ->type_name("ROOTS")
            ->check(not_empty());
        verb.add_option("--durability", arguments.durability,
                        "sync: every block on stable storage before the next; process: blocks "
                        "survive a crash of the process, a power cut may lose the last ones; "
                        "group: as process, but a power cut loses at most --group-blocks. All of "
                        "it is on stable storage when the command ends")
            ->check(CLI::IsMember({"sync", "process", "group"}))
            ->capture_default_str();
        verb.add_option_function<std::uint32_t>(
                "--group-blocks",
                [&arguments](const std::uint32_t& blocks) { arguments.group_blocks = blocks; },
                "With --durability group: most blocks that are not yet on stable storage (default: "
                "16)")
            ->type_name("N")
            ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
        strict_options(verb, arguments.strict);
        version_option(verb, "--until", arguments.until, "Stop after this version", 1);
        verb.add_option("--write-buffer", arguments.write_buffer,
                        "Bytes of committed rows in memory before they go into the databases")
            ->type_name("BYTES")
            ->check(whole_number(1))
            ->capture_default_str();
        cache_option(verb, arguments.cache);
      },
      run);
}

}  // namespace flatkv::cli
