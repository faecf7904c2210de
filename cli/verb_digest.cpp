// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hpp"
#include "digests.hpp"
#include "hex.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct DigestArguments {
  ReadFrom from;
  ScanPace pace;
  std::string database;
  std::string prefix;
  std::string start;
  std::string end;
  std::uint64_t leaf_rows = 0;
  std::string out;
};

std::string for_people(const StateDigest& digest, std::size_t bytes, double seconds) {
  std::string text = fmt::format("version {}: {} of {}\n", digest.version, human_bytes(bytes),
                                 digest.is_whole() ? "digest" : "digest of a part");
  for (const auto& part : digest.parts) {
    text += fmt::format("  {:<9} {:>12} rows in {} ranges, leaves of at most {} rows\n",
                        to_string(part.database), part.found.rows, part.nodes, part.leaf_rows);
    text += fmt::format("    {}{}\n", to_hex(part.checksum),
                        !digest.is_whole()    ? ""
                        : digest.proven(part) ? "  as the store says"
                                              : "  is NOT what the store says");
  }
  text += fmt::format("  root      {}  in {:.1f} s\n", to_hex(digest.roots.root), seconds);
  return text;
}

Outcome<DigestOptions> options_of(const DigestArguments& arguments) {
  DigestOptions options;
  FLATKV_ASSIGN(options.range.prefix, hex_argument("--prefix", arguments.prefix));
  FLATKV_ASSIGN(options.range.start, hex_argument("--start", arguments.start));
  FLATKV_ASSIGN(options.range.end, hex_argument("--end", arguments.end));
  if (!arguments.database.empty()) options.database = database_named(arguments.database);
  options.leaf_rows = arguments.leaf_rows;
  options.rows_per_second = arguments.pace.rows_per_second;
  return options;
}

/// The digest goes to the file, or to standard output if that is not a terminal. Only a digest in a
/// file leaves standard output to the report.
Outcome<void> write(const DigestArguments& arguments, const StateDigest& digest, double seconds,
                    Context& context) {
  FLATKV_ASSIGN(const Bytes bytes, digest.encode());
  const bool to_standard = arguments.out == "-" ||
                           (arguments.out.empty() && !context.json && ::isatty(STDOUT_FILENO) == 0);
  context.output_is_data = to_standard;
  if (to_standard) return context.out.write(as_chars(bytes));
  if (!arguments.out.empty()) {
    FLATKV_ASSIGN(const auto file, Output::open(arguments.out));
    FLATKV_TRY(file->write(as_chars(bytes)));
    FLATKV_TRY(file->close());
  }
  if (context.json) return context.out.write(to_json(digest).dump() + "\n");
  FLATKV_TRY(context.out.write(for_people(digest, bytes.size(), seconds)));
  if (arguments.out.empty()) {
    context.console.note("not written to the terminal: `--out FILE` keeps the digest");
  }
  return {};
}

Outcome<ExitCode> run(const DigestArguments& arguments, Context& context) {
  FLATKV_ASSIGN(const DigestOptions options, options_of(arguments));
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(arguments.from, context));
  const Progress time(context.console, "digest");
  FLATKV_ASSIGN(const StateDigest digest, digest_of(store, options, "digest", context));
  FLATKV_TRY(write(arguments, digest, time.seconds(), context));
  const std::string wrong = unproven(digest);
  if (wrong.empty()) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  Trouble no(ExitCode::no,
             fmt::format("version {}: the rows are not what the store says of them: {}",
                         digest.version, wrong),
             "the digest is of the rows as they are; `flatkv diff` against a healthy copy, or its "
             "digest, finds those that are wrong");
  no.answered = true;
  return std::unexpected(std::move(no));
}

}  // namespace

void add_digest(Registry& verbs) {
  verbs.add<DigestArguments>(
      "digest",
      "Writes a hash for each range of keys, some hundred kilobytes for any state, that `diff` "
      "compares with another node's: equal rows give equal digests, on any machine. Without --out "
      "it goes to standard output",
      "flatkv digest ./state --out a.digest.zst\n  flatkv diff a.digest.zst "
      "b.digest.zst\n  flatkv digest ./state --db storage --start c02a --end c02b --out "
      "deeper.digest",
      [](CLI::App& verb, DigestArguments& arguments) {
        read_arguments(verb, arguments.from);
        auto* database =
            database_option(verb, arguments.database,
                            "Only this database: account, code, storage or legacy (default: all)");
        for (auto& [name, into, what] :
             {std::tuple{"--prefix", &arguments.prefix, "Only internal keys that begin so"},
              std::tuple{"--start", &arguments.start, "First key"},
              std::tuple{"--end", &arguments.end, "Key to stop before"}}) {
          verb.add_option(name, *into, what)->type_name("HEX")->needs(database);
        }
        verb.add_option("--leaf-rows", arguments.leaf_rows,
                        "Split ranges that have more rows than this; 0 chooses by the state, for "
                        "some 100 KiB a database")
            ->type_name("N")
            ->check(whole_number())
            ->capture_default_str();
        verb.add_option("--out", arguments.out,
                        "File to write: `-` is standard output, `.zst` compresses")
            ->type_name("FILE")
            ->check(not_empty());
        pace_option(verb, arguments.pace);
      },
      run);
}

}  // namespace flatkv::cli
