// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "digests.hpp"
#include "hex.hpp"
#include "parts.hpp"
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
  SpreadArguments spread;
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

/// Writes a digest, and says whether the store's hashes prove it.
Outcome<ExitCode> answer(const StateDigest& digest, const std::string& out, double seconds,
                         Context& context) {
  FLATKV_ASSIGN(const Bytes bytes, digest.encode());
  FLATKV_TRY(
      write_data(bytes, out, to_json(digest), for_people(digest, bytes.size(), seconds), context));
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

Outcome<ExitCode> run(const DigestArguments& arguments, Context& context) {
  const std::string& out = arguments.spread.out;
  FLATKV_ASSIGN(const auto part, part_of(arguments.spread, arguments.from.store));
  FLATKV_ASSIGN(const DigestOptions options, options_of(arguments));
  const Progress time(context.console, "digest");
  if (!arguments.spread.merge.empty()) {
    FLATKV_ASSIGN(const auto parts, parts_from(arguments.spread, context));
    FLATKV_ASSIGN(const StateDigest digest, merge_digest(parts));
    return answer(digest, out, time.seconds(), context);
  }
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(arguments.from, context));
  if (part) {
    FLATKV_ASSIGN(const PartScan scan, digest_of(*part, store, options, context));
    return write_part(scan, out, time.seconds(), context);
  }
  FLATKV_ASSIGN(const StateDigest digest, digest_of(store, options, "digest", context));
  return answer(digest, out, time.seconds(), context);
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
      "deeper.digest\n  flatkv digest ./state --part 3/8 --out part-3\n  flatkv digest --merge "
      "part-1 part-2 part-3 part-4 part-5 part-6 part-7 part-8 --out a.digest",
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
        spread_options(verb, arguments.spread);
        verb.add_option("--out", arguments.spread.out,
                        "File to write: `-` is standard output, `.zst` compresses")
            ->type_name("FILE")
            ->check(not_empty());
        pace_option(verb, arguments.pace);
      },
      run);
}

}  // namespace flatkv::cli
