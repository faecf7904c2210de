// SPDX-License-Identifier: Apache-2.0
#include "upkeep.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "values.hpp"
#include "waiting.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

nb::list names_of(std::span<const Database> databases) {
  nb::list names;
  for (const Database database : databases) names.append(nb::cast(to_string(database)));
  return names;
}

template <class T>
nb::list list_of(const std::vector<T>& items) {
  nb::list list;
  for (const T& item : items) list.append(nb::cast(item));
  return list;
}

nb::object error_or_none(const std::optional<Error>& error) {
  return error ? exception_of(*error) : nb::object(nb::none());
}

std::string_view name_of(RepairSource source) {
  switch (source) {
    case RepairSource::snapshot:
      return "snapshot";
    case RepairSource::stream:
      return "stream";
    case RepairSource::local_meta:
      return "local_meta";
    case RepairSource::none:
      break;
  }
  return "none";
}

std::vector<RepairReport> repair(nb::handle path, nb::handle databases, nb::handle stream_file,
                                 std::uint32_t threads, const nb::object& progress) {
  const std::string store = path_of(path);
  std::vector<Database> wanted;
  for (const nb::handle name : nb::iter(databases)) {
    std::string word;
    if (!nb::try_cast(name, word)) refuse_type("databases: names");
    wanted.push_back(database_of(word));
  }
  RepairOptions options;
  options.threads = threads;
  if (!stream_file.is_none()) options.stream_file = path_of(stream_file);
  return wait_for(
      [&](const Hooks& hooks) {
        options.stop = hooks.stop;
        options.progress = hooks.progress;
        return repair_databases(store, wanted, options);
      },
      progress);
}

void rollback_path(nb::handle path, std::int64_t version, std::uint32_t threads,
                   const nb::object& progress) {
  const std::string store = path_of(path);
  RollbackOptions options;
  options.threads = threads;
  wait_for(
      [&](const Hooks& hooks) {
        options.stop = hooks.stop;
        options.progress = hooks.progress;
        return rollback(store, version, options);
      },
      progress);
}

nb::list remedies(nb::handle path) {
  const std::string store = path_of(path);
  return list_of(unwrap(unlocked([&] { return inspect_store(store); })).remedies);
}

void bind_reports(nb::module_& module) {
  nb::class_<OpenReport> report(module, "OpenReport",
                                "What the open, or the last rollback, found and did.");
  report.def_ro("clean", &OpenReport::clean, "Nothing was scanned, rewritten or replayed.");
  report.def_ro("replayed_blocks", &OpenReport::replayed_blocks);
  report.def_prop_ro(
      "backfilled", [](const OpenReport& self) { return names_of(self.backfilled); },
      nb::sig("def backfilled(self) -> list[str]"), "Whose hashes a full scan rebuilt.");
  report.def_ro("truncated_log", &OpenReport::truncated_log,
                "Where a torn tail was cut; None if none was.");
  report.def_ro("lost_log_tail", &OpenReport::lost_log_tail,
                "The databases were ahead of the log, so a new one was started.");
  report.def_ro("rebuilt_working_copy", &OpenReport::rebuilt_working_copy,
                "From a snapshot and the log.");
  report.def_ro("rebuilt_metadata", &OpenReport::rebuilt_metadata);

  nb::class_<RepairReport> repaired(module, "Repaired", "What `repair` did with a database.");
  repaired.def_prop_ro("database",
                       [](const RepairReport& self) { return to_string(self.database); });
  repaired.def_prop_ro(
      "damage", [](const RepairReport& self) { return error_or_none(self.damage); },
      nb::sig("def damage(self) -> Exception | None"),
      "What was wrong: a flatkv.Error. None if the database verified; nothing was changed then.");
  repaired.def_prop_ro(
      "source", [](const RepairReport& self) { return name_of(self.source); },
      nb::sig("def source(self) -> typing.Literal['none', 'snapshot', 'stream', 'local_meta']"),
      "What it was rebuilt from, before the log was replayed.");
  repaired.def_ro("source_version", &RepairReport::source_version);
  repaired.def_ro("version", &RepairReport::version,
                  "Of the store now; if it verified, of its last flush.");
  repaired.def_prop_ro(
      "checksum", [](const RepairReport& self) { return to_bytes(self.checksum); },
      "Of the database at that version, by a full scan.");
  repaired.def_prop_ro(
      "refusal", [](const RepairReport& self) { return error_or_none(self.refusal); },
      nb::sig("def refusal(self) -> Exception | None"),
      "If nothing was repaired: why the store does not open all the same.");
}

void bind_scrub(nb::module_& module) {
  nb::class_<ScrubFinding> finding(module, "ScrubFinding", "A database that failed verification.");
  finding.def_ro("round", &ScrubFinding::round);
  finding.def_ro("version", &ScrubFinding::version);
  finding.def_ro("verdict", &ScrubFinding::verdict);

  nb::class_<ScrubStatus> status(module, "ScrubStatus", "How far a scrub is: see `Store.scrub`.");
  status.def_prop_ro(
      "round", [](const ScrubStatus& self) { return self.progress.round; },
      "Under way; those before are complete.");
  status.def_prop_ro(
      "database", [](const ScrubStatus& self) { return to_string(self.progress.database); },
      "Being read.");
  status.def_prop_ro(
      "rows", [](const ScrubStatus& self) { return self.progress.rows; }, "Of it that are done.");
  status.def_ro("fraction", &ScrubStatus::fraction, "Of the round, by rows; 0 to 1.");
  status.def_prop_ro(
      "findings", [](const ScrubStatus& self) { return list_of(self.findings); },
      nb::sig("def findings(self) -> list[ScrubFinding]"),
      "Since the open, oldest first; the newest 100.");
  status.def_ro("failed_saves", &ScrubStatus::failed_saves,
                "How often the progress could not be saved.");
}

}  // namespace

void bind_upkeep(nb::module_& module) {
  bind_reports(module);
  bind_scrub(module);
  module.def(
      "repair",
      [](nb::handle path, nb::handle databases, nb::handle stream_file, std::uint32_t threads,
         const nb::object& progress) {
        return list_of(repair(path, databases, stream_file, threads, progress));
      },
      "path"_a, "databases"_a, nb::kw_only(), "stream_file"_a = nb::none(), "threads"_a = 0,
      "progress"_a = nb::none(),
      nb::sig("def repair(path: str | os.PathLike[str], databases: collections.abc.Iterable[str], "
              "*, stream_file: str | os.PathLike[str] | None = None, threads: int = 0, progress: "
              "collections.abc.Callable[[str, int, int], object] | None = None) -> "
              "list[Repaired]"),
      "Rebuilds those of `databases` that are damaged, in a store that nobody has open, whether it "
      "opens or not: from a snapshot, or from an exported state in `stream_file`, and the log. All "
      "is proven before it is swapped in. Name all that are damaged in one call. Stops at Ctrl-C.");
  module.def(
      "rollback", &rollback_path, "path"_a, "version"_a, nb::kw_only(), "threads"_a = 0,
      "progress"_a = nb::none(),
      nb::sig("def rollback(path: str | os.PathLike[str], version: int, *, threads: int = 0, "
              "progress: collections.abc.Callable[[str, int, int], object] | None = None) -> None"),
      "`Store.rollback` of a store that nobody has open, also of one that does not open. Stops at "
      "Ctrl-C.");
  module.def("remedies", &remedies, "path"_a,
             nb::sig("def remedies(path: str | os.PathLike[str]) -> list[str]"),
             "What could help with a store that does not open: commands, the likeliest first.");
}

void bind_upkeep(nb::class_<Store>& type) {
  type.def(
      "open_report",
      [](Store& self) {
        return self.writer().with([](const CommitStore& store) { return store.open_report(); });
      },
      "What the open, or the last rollback, found and did.");
  type.def(
      "scrub",
      [](Store& self, std::uint64_t rows) {
        return unwrap(unlocked([&] { return self.any_thread().scrub(rows); }));
      },
      "rows"_a,
      "Verifies at most so many rows more, from 1 on, beside the writer. Damage is a finding in "
      "what is returned. `unsupported` if the scrub is off.");
  type.def(
      "scrub_status",
      [](Store& self) {
        return unwrap(unlocked([&] { return self.any_thread().scrub_status(); }));
      },
      nb::sig("def scrub_status(self) -> ScrubStatus | None"),
      "How far the scrub is; None if it is off.");
}

}  // namespace flatkv::python
