// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>

#include "base/error.hpp"
#include "digests.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "row_differences.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct DiffArguments {
  ReadFrom a;
  ReadFrom b;
  std::optional<std::int64_t> at;
  std::string scratch;
  std::uint64_t limit = 100;
  ScanPace pace;
};

/// A store or a digest.
struct Side {
  std::string name;
  std::optional<ReadOnlyStore> store;
  std::optional<StateDigest> digest;
};

Outcome<Side> open_side(const std::string& path, const DiffArguments& arguments, Context& context) {
  Side side{path == "-" ? "standard input" : path, std::nullopt, std::nullopt};
  std::error_code ignored;
  // A pipe will do for a digest too: `<(flatkv digest …)`.
  const bool is_file =
      std::filesystem::exists(path, ignored) && !std::filesystem::is_directory(path, ignored);
  if (path == "-" || is_file) {
    FLATKV_ASSIGN(side.digest, digest_from(path, context));
  } else {
    FLATKV_ASSIGN(side.store, open_clone({path, arguments.at, arguments.scratch}, context));
  }
  return side;
}

/// The digest of a store, with the range and resolution of `like`.
Outcome<StateDigest> digest_like(const Side& side, const StateDigest* like,
                                 const DiffArguments& arguments, Context& context) {
  DigestOptions options;
  options.rows_per_second = arguments.pace.rows_per_second;
  if (like == nullptr) return digest_of(*side.store, options, side.name, context);
  options.range = {{}, like->start, like->end};
  std::optional<StateDigest> all;
  for (const auto& part : like->parts) {
    options.database = part.database;
    options.leaf_rows = part.leaf_rows;
    FLATKV_ASSIGN(auto own, digest_of(*side.store, options, side.name, context));
    if (!all) {
      all = std::move(own);
    } else {
      all->parts.push_back(std::move(own.parts.front()));
    }
  }
  return *std::move(all);
}

void warn(const Side& side, Context& context) {
  const std::string wrong = unproven(*side.digest);
  if (wrong.empty()) return;
  context.console.warning(fmt::format(
      "{}: the rows are not what the store says of them: {}; compared is what is in the rows",
      side.name, wrong));
}

void warn(const Side& a, const Side& b, Context& context) {
  warn(a, context);
  warn(b, context);
  if (a.digest->version != b.digest->version) {
    context.console.warning(
        fmt::format("the versions differ: {} and {}", a.digest->version, b.digest->version));
  }
  if (a.digest->account_rows != b.digest->account_rows) {
    context.console.warning(
        "account_rows differs (keep and prune_empty): empty accounts are rows on one side only");
  }
}

nlohmann::ordered_json side_json(const Side& side) {
  nlohmann::ordered_json json = {{"name", side.name}, {"kind", side.store ? "store" : "digest"}};
  json.update(to_json(*side.digest));
  return json;
}

/// How to narrow it down when one side is only a digest.
void advise(const std::vector<RangeDifference>& ranges, Context& context) {
  for (const RangeDifference& range : ranges) {
    if (range.is_key) continue;
    context.console.note(fmt::format(
        "closer: on both nodes, at this version, `flatkv digest STORE {} --out FILE`; then `flatkv "
        "diff` of the two files",
        range_options(range.database, range.start, range.end)));
    return;
  }
}

Outcome<ExitCode> run(const DiffArguments& arguments, Context& context) {
  if (arguments.a.store == "-" && arguments.b.store == "-") {
    return trouble(ExitCode::usage, "only one of the two can be standard input");
  }
  FLATKV_ASSIGN(Side a, open_side(arguments.a.store, arguments, context));
  FLATKV_ASSIGN(Side b, open_side(arguments.b.store, arguments, context));
  if (arguments.at && !a.store && !b.store) {
    return trouble(ExitCode::usage, "--at is for stores: a digest is of one version");
  }
  const StateDigest* like = a.digest ? &*a.digest : b.digest ? &*b.digest : nullptr;
  if (!a.digest) {
    FLATKV_ASSIGN(a.digest, digest_like(a, like, arguments, context));
  }
  if (!b.digest) {
    FLATKV_ASSIGN(b.digest, digest_like(b, like, arguments, context));
  }
  context.console.end_progress();
  warn(a, b, context);
  FLATKV_ASSIGN(const auto ranges, differing_ranges(*a.digest, *b.digest));

  DifferencesOut out(context, arguments.limit);
  if (context.json) FLATKV_TRY(out.begin({{"a", side_json(a)}, {"b", side_json(b)}}));
  FLATKV_TRY(out.ranges(ranges));
  if (a.store && b.store) {
    const ReadView view_a = a.store->view();
    const ReadView view_b = b.store->view();
    FLATKV_TRY(out.begin_keys());
    for (const RangeDifference& range : ranges) {
      auto shown = out.show([&](const auto& visit) {
        return diff_rows(view_a, view_b, range, visit, context.interrupts.token());
      });
      if (!shown) return std::unexpected(out.end(std::move(shown).error()));
    }
    FLATKV_TRY(out.end_keys());
  }
  FLATKV_TRY(out.end(ranges.empty()));
  if (ranges.empty()) return ExitCode::done;
  if (!a.store || !b.store) advise(ranges, context);
  return ExitCode::no;
}

}  // namespace

void add_diff(Registry& verbs) {
  verbs.add<DiffArguments>(
      "diff",
      "Compares two states, each a store or a digest of one: the ranges that differ and, for two "
      "stores, each key with both values. What is in the rows is compared, whatever the stores say "
      "of themselves. Exit 0 equal, 1 differ",
      "flatkv diff ./state ./copy --at 15000020\n  flatkv diff ./state their.digest.zst",
      [](CLI::App& verb, DiffArguments& arguments) {
        for (auto& [name, into] :
             {std::pair{"A", &arguments.a.store}, std::pair{"B", &arguments.b.store}}) {
          verb.add_option(name, *into,
                          "A store, or a file that `flatkv digest` wrote (`-`: from "
                          "standard input)")
              ->required()
              ->check(not_empty());
        }
        version_option(verb, "--at", arguments.at, "A version of the stores (default: the newest)");
        verb.add_option("--scratch", arguments.scratch,
                        "Directory for the private copies, where hard links into the stores are "
                        "not possible")
            ->type_name("DIR")
            ->check(not_empty());
        verb.add_option("--limit", arguments.limit,
                        "Print at most this many ranges and keys; all are counted")
            ->type_name("N")
            ->check(whole_number())
            ->capture_default_str();
        pace_option(verb, arguments.pace);
      },
      run);
}

}  // namespace flatkv::cli
