// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "clone.hpp"
#include "flatkv/tools/bisect.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "roots_file.hpp"
#include "row_differences.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct BisectArguments {
  std::string a;
  std::string b;
  std::string scratch;
  std::uint64_t limit = 100;
};

std::string name_of(AccountRows rows) { return rows == AccountRows::keep ? "keep" : "prune_empty"; }

nlohmann::ordered_json to_json(const std::string& path, const Divergence::Side& side) {
  return {{"store", path},
          {"account_rows", name_of(side.account_rows)},
          {"initial_version", side.initial_version},
          {"log", {{"base", side.log.base}, {"last", side.log.last}}}};
}

nlohmann::ordered_json to_json(const BisectArguments& arguments, const Divergence& found) {
  nlohmann::ordered_json json = {{"a", to_json(arguments.a, found.sides[0])},
                                 {"b", to_json(arguments.b, found.sides[1])},
                                 {"compared", {{"first", found.first}, {"last", found.last}}},
                                 {"parted", found.parted}};
  if (!found.parted) return json;
  json["older"] = found.older;
  json["version"] = found.last;
  json["roots_a"] = cli::to_json(found.roots[0]);
  json["roots_b"] = cli::to_json(found.roots[1]);
  json["databases"] = nlohmann::ordered_json::array();
  for (const Database database : found.databases()) {
    json["databases"].push_back(to_string(database));
  }
  if (found.same_block) {
    json["same_block"] = *found.same_block;
  } else {
    json["same_block"] = nullptr;
  }
  return json;
}

std::string log_text(const Divergence::Side& side) {
  if (side.log.last == side.log.base) return fmt::format("no block above {}", side.log.base);
  return fmt::format("blocks {} to {}", side.log.base + 1, side.log.last);
}

std::string for_people(const BisectArguments& arguments, const Divergence& found) {
  std::string text = fmt::format("A  {}: {}\nB  {}: {}\n", arguments.a, log_text(found.sides[0]),
                                 arguments.b, log_text(found.sides[1]));
  if (!found.parted) {
    return text +
           fmt::format("the roots of versions {} to {} are the same\n", found.first, found.last);
  }
  text += found.older ? fmt::format(
                            "they differ at version {} already, the oldest that both keep: they "
                            "diverge there or earlier\n",
                            found.last)
                      : fmt::format("they diverge at version {}\n", found.last);
  text += "differ: " + differing(found.roots[0], found.roots[1]) + "\n";
  if (found.same_block) {
    text += *found.same_block
                ? "both have the same writes in that block: the states or the programs differ\n"
                : "the two blocks have different writes\n";
  }
  return text;
}

void warn(const Divergence& found, Context& context) {
  const auto& [a, b] = found.sides;
  if (a.account_rows != b.account_rows) {
    context.console.warning(
        fmt::format("account_rows differs ({} and {}): roots diverge where an account is empty",
                    name_of(a.account_rows), name_of(b.account_rows)));
  }
  if (a.initial_version != b.initial_version) {
    context.console.warning(fmt::format("the initial versions differ: {} and {}", a.initial_version,
                                        b.initial_version));
  }
  if (!found.parted && a.log.last != b.log.last) {
    context.console.note(fmt::format("{} goes on to version {}",
                                     a.log.last > b.log.last ? "A" : "B",
                                     std::max(a.log.last, b.log.last)));
  }
}

Outcome<void> show_keys(const BisectArguments& arguments, const Divergence& found,
                        const BisectOptions& options, DifferencesOut& out, Context& context) {
  const auto open = [&](const std::string& path) {
    return open_clone({path, found.last, arguments.scratch}, context);
  };
  FLATKV_ASSIGN(const ReadOnlyStore a, open(arguments.a));
  FLATKV_ASSIGN(const ReadOnlyStore b, open(arguments.b));
  return out.show([&](const auto& visit) {
    return diverging_rows(a, arguments.a, b, arguments.b, found.databases(), visit, options);
  });
}

Outcome<ExitCode> run(const BisectArguments& arguments, Context& context) {
  Progress progress(context.console, "bisect");
  BisectOptions options;
  options.stop = context.interrupts.token();
  options.progress = [&progress](std::string_view step, std::uint64_t blocks, std::uint64_t total) {
    progress.update(step, blocks, blocks, total);
  };
  FLATKV_ASSIGN(const Divergence found, find_divergence(arguments.a, arguments.b, options));
  context.console.end_progress();
  warn(found, context);
  DifferencesOut out(context, arguments.limit);
  if (context.json) {
    FLATKV_TRY(out.begin(to_json(arguments, found)));
  } else {
    FLATKV_TRY(context.out.write(for_people(arguments, found)));
  }
  if (!found.parted) {
    if (context.json) FLATKV_TRY(context.out.write("}\n"));
    return ExitCode::done;
  }
  FLATKV_TRY(out.begin_keys());
  auto shown = show_keys(arguments, found, options, out, context);
  if (shown) {
    FLATKV_TRY(out.end_keys());
    FLATKV_TRY(out.end(false));
    return ExitCode::no;
  }
  FLATKV_TRY(context.out.flush());
  // The diverging block is known; the keys that differ in it are not.
  Trouble& trouble = shown.error();
  trouble.at("the keys at that version cannot be told", found.last);
  return std::unexpected(out.end(std::move(trouble)));
}

}  // namespace

void add_bisect(Registry& verbs) {
  verbs.add<BisectArguments>(
      "bisect",
      "Finds the first block at which two stores diverge, by the roots in their logs, and there "
      "the databases and keys that differ, with both values. Exit 0: they do not diverge where "
      "both have blocks; 1: they do; 3: they have no block in common, or a log is damaged or lost "
      "its end before they diverge",
      "flatkv bisect ./state ./copy",
      [](CLI::App& verb, BisectArguments& arguments) {
        verb.add_option("A", arguments.a, "Directory of a store")->required()->check(not_empty());
        verb.add_option("B", arguments.b, "Directory of another")->required()->check(not_empty());
        verb.add_option("--scratch", arguments.scratch,
                        "Directory for the private copies, where hard links into the stores are "
                        "not possible")
            ->type_name("DIR")
            ->check(not_empty());
        verb.add_option("--limit", arguments.limit, "Print at most so many keys; all are counted")
            ->type_name("N")
            ->check(whole_number())
            ->capture_default_str();
      },
      run);
}

}  // namespace flatkv::cli
