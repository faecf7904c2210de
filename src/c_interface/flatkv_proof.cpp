// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "c_interface/handle.hpp"
#include "flatkv/verify.hpp"

namespace flatkv::c_interface {
namespace {

flatkv_scrub_status scrub_status_of(const ScrubStatus& found) noexcept {
  flatkv_scrub_status status{};
  status.round = found.progress.round;
  status.database = static_cast<std::uint32_t>(found.progress.database);
  status.rows = found.progress.rows;
  status.findings = found.findings.size();
  status.failed_saves = found.failed_saves;
  return status;
}

flatkv_metrics metrics_of(const StoreMetrics& from, const CommitTimings& last) noexcept {
  flatkv_metrics metrics{.size = 0,
                         .undo_floor = from.undo_floor,
                         .flushes = from.flushes,
                         .flush_nanoseconds = from.flush_nanoseconds,
                         .flushed_bytes = from.flushed_bytes,
                         .log_bytes = from.log_bytes,
                         .compaction_bytes = from.compaction_bytes,
                         .buffer_memory = from.buffer_memory,
                         .view_memory = from.view_memory,
                         .recent_memory = from.recent_memory,
                         .recent_versions = from.recent_versions,
                         .superseded_bytes = from.superseded_bytes,
                         .overlay_memory = from.overlay_memory,
                         .cache_memory = from.cache_memory,
                         .cache_hits = from.cache_hits,
                         .cache_misses = from.cache_misses,
                         .key_filter_memory = from.key_filter_memory,
                         .key_filter_answers = from.key_filter_answers,
                         .ignored_change_sets = from.ignored_change_sets,
                         .commit_route = last.route,
                         .commit_read = last.read,
                         .commit_hash = last.hash,
                         .commit_log = last.log,
                         .commit_buffer = last.buffer,
                         .commit_publish = last.publish,
                         .commit_wait = last.wait,
                         .table_reads = from.table_reads,
                         .read_threads = from.read_threads,
                         .prefetch_asked = from.prefetch.asked,
                         .prefetch_loaded = from.prefetch.loaded,
                         .prefetch_hit = from.prefetch.hit,
                         .prefetch_dropped = from.prefetch.dropped,
                         .flushed = {}};
  for (const Database database : kAllDatabases) {
    const FlushMetrics& of = from.flushed[database];
    metrics.flushed[static_cast<std::size_t>(database)] = {
        .tables = of.tables, .bytes = of.bytes, .nanoseconds = of.nanoseconds};
  }
  return metrics;
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_verify(const flatkv_state* state, const flatkv_options* options,
                            flatkv_report** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    const VerifyOptions wanted = verify_options(settings);
    if (const auto* store = held<StoreHandle>(state)) {
      return hand_out<ReportHandle>(store->verify(wanted), out);
    }
    if (const auto* reader = held<ReaderHandle>(state)) {
      return hand_out<ReportHandle>(reader->verify(wanted), out);
    }
    const auto* view = held<ViewHandle>(state);
    if (view == nullptr) return no_handle("store, reader or view");
    return hand_out<ReportHandle>(verify(*view, wanted), out);
  });
}

uint32_t flatkv_report_good(const flatkv_report* report) {
  const VerifyReport* found = held<ReportHandle>(report);
  return found != nullptr && found->good() ? 1 : 0;
}

size_t flatkv_report_count(const flatkv_report* report) {
  const VerifyReport* found = held<ReportHandle>(report);
  return found == nullptr ? 0 : found->databases.size();
}

flatkv_error* flatkv_report_verdict(const flatkv_report* report, size_t index,
                                    flatkv_verdict* out) {
  return with<ReportHandle>(report, "report", [&](const VerifyReport& found) -> Status {
    if (index >= found.databases.size()) return refuse("the report has no such verdict");
    const DatabaseVerdict& given = found.databases[index];
    flatkv_verdict verdict{};
    verdict.database = static_cast<std::uint32_t>(given.database);
    verdict.good = given.good() ? 1 : 0;
    verdict.readable = given.error ? 0 : 1;
    std::ranges::copy(given.expected, verdict.expected);
    std::ranges::copy(given.found, verdict.found);
    verdict.expected_rows = given.expected_stats.rows;
    verdict.found_rows = given.found_stats.rows;
    return put_sized(verdict, out);
  });
}

flatkv_error* flatkv_scrub(flatkv_store* store, uint64_t rows, flatkv_scrub_status* out) {
  return with<StoreHandle>(store, "store", [&](CommitStore& found) -> Status {
    if (out != nullptr) FLATKV_TRY(check_sized(out));
    FLATKV_ASSIGN(const ScrubStatus status, found.scrub(rows));
    return out == nullptr ? Status{} : put_sized(scrub_status_of(status), out);
  });
}

flatkv_error* flatkv_scrub_status_get(const flatkv_store* store, flatkv_scrub_status* out) {
  return with<StoreHandle>(store, "store", [&](const CommitStore& found) -> Status {
    FLATKV_ASSIGN(const std::optional<ScrubStatus> status, found.scrub_status());
    if (!status) return fail(ErrorCode::unsupported, "the scrub is off");
    return put_sized(scrub_status_of(*status), out);
  });
}

flatkv_error* flatkv_metrics_get(const flatkv_store* store, flatkv_metrics* out) {
  return with<StoreHandle>(store, "store", [&](const CommitStore& found) -> Status {
    return put_sized(metrics_of(found.metrics(), found.last_timings()), out);
  });
}
