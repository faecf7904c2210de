// SPDX-License-Identifier: Apache-2.0
#include "figures.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <string_view>

namespace flatkv::python {
namespace {

nb::str name_of(Database database) {
  const std::string_view name = to_string(database);
  return nb::str(name.data(), name.size());
}

nb::dict flushed_of(const StoreMetrics& metrics) {
  nb::dict flushed;
  for (const Database database : kAllDatabases)
    flushed[name_of(database)] = metrics.flushed[database];
  return flushed;
}

void bind_parts(nb::module_& module) {
  nb::class_<FlushMetrics> flush(module, "FlushMetrics", "Flushes of one database.");
  flush.def_ro("tables", &FlushMetrics::tables);
  flush.def_ro("bytes", &FlushMetrics::bytes);
  flush.def_ro("nanoseconds", &FlushMetrics::nanoseconds);

  nb::class_<PrefetchMetrics> prefetch(module, "PrefetchMetrics",
                                       "Rows given to `prefetch`, and what became of them.");
  prefetch.def_ro("asked", &PrefetchMetrics::asked,
                  "Those that still wait are in no other figure.");
  prefetch.def_ro("loaded", &PrefetchMetrics::loaded, "Read from the tables into the row cache.");
  prefetch.def_ro("hit", &PrefetchMetrics::hit,
                  "In memory or asked for already, or known to be absent.");
  prefetch.def_ro("dropped", &PrefetchMetrics::dropped,
                  "Too many, needed before they were read, or unreadable.");

  nb::class_<CommitTimings> timings(module, "CommitTimings",
                                    "Where the time of one commit went, in nanoseconds.");
  timings.def_ro("route", &CommitTimings::route, "Validating and encoding the writes.");
  timings.def_ro("read", &CommitTimings::read, "Reading old values.");
  timings.def_ro("hash", &CommitTimings::hash, "Hashing what was left to hash after `apply`.");
  timings.def_ro("log", &CommitTimings::log, "Writing the log record and making it durable.");
  timings.def_ro("buffer", &CommitTimings::buffer, "Copying the rows into the write buffer.");
  timings.def_ro("publish", &CommitTimings::publish, "Publishing the new state.");
  timings.def_ro("wait", &CommitTimings::wait, "Waiting for flushes to free buffer space.");
}

}  // namespace

void bind_metrics(nb::module_& module) {
  bind_parts(module);
  nb::class_<StoreMetrics> type(module, "Metrics", R"(Counters since the open or the last rollback.

Memory is what is in use now. Sizes are in bytes.)");
  const auto figure = [&](const char* name, std::uint64_t StoreMetrics::* member,
                          const char* about = "") { type.def_ro(name, member, about); };
  type.def_ro(
      "undo_floor", &StoreMetrics::undo_floor,
      "The lowest version that `rollback` can go back to at once; the current one if none is.");
  type.def_prop_ro("flushed", &flushed_of, nb::sig("def flushed(self) -> dict[str, FlushMetrics]"),
                   "By database.");
  type.def_ro("prefetch", &StoreMetrics::prefetch);
  figure("flushes", &StoreMetrics::flushes);
  figure("flush_nanoseconds", &StoreMetrics::flush_nanoseconds);
  figure("flushed_bytes", &StoreMetrics::flushed_bytes);
  figure("log_bytes", &StoreMetrics::log_bytes);
  figure("compaction_bytes", &StoreMetrics::compaction_bytes);
  figure("buffer_memory", &StoreMetrics::buffer_memory);
  figure("view_memory", &StoreMetrics::view_memory, "Write buffers that only views keep alive.");
  figure("recent_memory", &StoreMetrics::recent_memory,
         "Write buffers that only recent versions keep alive.");
  figure("recent_versions", &StoreMetrics::recent_versions,
         "How many versions `view(version)` can give now.");
  figure("superseded_bytes", &StoreMetrics::superseded_bytes,
         "Rows flushed since the oldest database that a view or a recent version reads.");
  figure("overlay_memory", &StoreMetrics::overlay_memory);
  figure("cache_memory", &StoreMetrics::cache_memory);
  figure("cache_hits", &StoreMetrics::cache_hits);
  figure("cache_misses", &StoreMetrics::cache_misses);
  figure("table_reads", &StoreMetrics::table_reads,
         "Rows looked up in the tables: neither buffers nor row cache nor filter knew them.");
  figure("read_threads", &StoreMetrics::read_threads);
  figure("key_filter_memory", &StoreMetrics::key_filter_memory);
  figure("key_filter_answers", &StoreMetrics::key_filter_answers,
         "Keys proved absent without a table read.");
  figure("ignored_change_sets", &StoreMetrics::ignored_change_sets, "Of modules other than `evm`.");
}

void bind_figures(nb::class_<Store>& type) {
  type.def("metrics", [](Store& self) { return self.known().metrics(); });
  type.def("last_timings", [](Store& self) { return self.known().last_timings(); });
}

}  // namespace flatkv::python
