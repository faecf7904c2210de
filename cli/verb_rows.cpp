// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "clone.hpp"
#include "hex.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct RowsOptions {
  ReadFrom from;
  std::string database;
  std::string prefix;
  std::string start;
  std::string end;
  std::uint64_t limit = 0;
  bool limited = false;
};

struct Walk {
  const ReadView& view;
  Context& context;
  Progress& progress;
  std::uint64_t total;
  std::uint64_t limit;
  std::uint64_t done = 0;
};

Outcome<void> walk(Walk& walk, Database database, const RowRange& range) {
  FLATKV_ASSIGN(RowIterator row, walk.view.iterate(database, range));
  std::string line;
  for (row.seek_to_first(); row.valid() && walk.done < walk.limit; row.next()) {
    line = "{\"db\":\"";
    line += to_string(database);
    line += "\",\"key\":\"";
    append_hex(line, row.key());
    line += "\",\"value\":\"";
    append_hex(line, row.value());
    line += "\"}\n";
    FLATKV_TRY(walk.context.out.write(line));
    if (++walk.done % 1024 != 0) continue;
    walk.progress.update("", walk.done, walk.done, walk.total);
    if (walk.context.interrupts.requested()) {
      return std::unexpected(
          interrupted(walk.context.interrupts, fmt::format("after {} rows", walk.done)));
    }
  }
  FLATKV_TRY(row.status());  // a scan that stops at damage looks like one that ended
  return {};
}

Outcome<ExitCode> run(const RowsOptions& options, Context& context) {
  RowRange range;
  FLATKV_ASSIGN(range.prefix, hex_argument("--prefix", options.prefix));
  FLATKV_ASSIGN(range.start, hex_argument("--start", options.start));
  FLATKV_ASSIGN(range.end, hex_argument("--end", options.end));
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(options.from, context));
  const ReadView view = store.view();
  context.console.note(fmt::format("version {}", view.version()));
  std::vector<Database> databases = {Database::account, Database::code, Database::storage,
                                     Database::legacy};
  if (!options.database.empty()) databases = {database_named(options.database)};
  std::uint64_t total = 0;
  for (const Database database : databases) total += view.stats(database).rows;
  Progress progress(context.console, "rows");
  Walk state{.view = view,
             .context = context,
             .progress = progress,
             .total = total,
             .limit = options.limited ? options.limit : ~std::uint64_t{0}};
  for (const Database database : databases) FLATKV_TRY(walk(state, database, range));
  return ExitCode::done;
}

}  // namespace

void add_rows(Registry& verbs) {
  verbs.add<RowsOptions>(
      "rows", "Prints rows in order, one JSON object a line: internal keys and stored values",
      "flatkv rows ./state --db storage --prefix c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
      [](CLI::App& verb, RowsOptions& options) {
        read_arguments(verb, options.from);
        auto* database = database_option(
            verb, options.database,
            "Only this database: account, code, storage or legacy (default: all, in that order)");
        verb.add_option("--prefix", options.prefix, "Only keys with this prefix")
            ->type_name("HEX")
            ->needs(database);
        verb.add_option("--start", options.start, "First key")->type_name("HEX")->needs(database);
        verb.add_option("--end", options.end, "Key to stop before")
            ->type_name("HEX")
            ->needs(database);
        verb.add_option_function<std::uint64_t>(
                "--limit",
                [&options](const std::uint64_t& limit) {
                  options.limit = limit;
                  options.limited = true;
                },
                "At most this many rows (default: all)")
            ->type_name("N")
            ->check(whole_number());
      },
      run);
}

}  // namespace flatkv::cli
