// SPDX-License-Identifier: Apache-2.0
#include "base/guard.hpp"
#include "base/read_ahead.hpp"
#include "codec/strict.hpp"
#include "flatkv/store.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/sei_log.hpp"
#include "transfer/prefetch_ahead.hpp"
#include "transfer/sei_log.hpp"

namespace flatkv {
namespace {

using transfer::ReferenceEntry;
using transfer::ReferenceLog;

/// The entries of a log, read and decoded some way ahead.
using Entries = ReadAhead<Result<std::optional<ReferenceEntry>>>;
/// Bytes of entries that wait. Rows that are prefetched for them should still be in a small row
/// cache when they are needed.
constexpr std::uint64_t kMostAhead = std::uint64_t{2} << 20;

Status cancelled(const SeiLogOptions& options) {
  if (!options.stop.stop_requested()) return {};
  return fail(ErrorCode::cancelled, "cancelled");
}

Status check_strict(const ReferenceEntry& entry, const std::string& directory,
                    const SeiLogOptions& options) {
  if (!options.strict) return {};
  Status checked = codec::check_strict(entry.change_sets, options.strict_exceptions, entry.version);
  if (!checked) checked.error().path = directory;
  return checked;
}

/// A held block must be the one in the store's log, if the log still has it.
Status compare_held(const CommitStore& store, const ReferenceEntry& entry) {
  FLATKV_ASSIGN(const auto record, store.log_record(entry.version));
  if (!record) return {};
  FLATKV_ASSIGN(const Digest digest, block_digest(entry.version, entry.change_sets));
  if (record->payload_digest == digest) return {};
  return fail(ErrorCode::version_mismatch,
              "the store holds another block of this version: the log is of another chain")
      .version(entry.version);
}

}  // namespace

Result<SeiLogReport> check_sei_log(const std::string& directory, const SeiLogOptions& options) {
  return guarded([&]() -> Result<SeiLogReport> {
    SeiLogReport report;
    FLATKV_ASSIGN(ReferenceLog log, ReferenceLog::open(fs::posix(), directory));
    while (true) {
      FLATKV_TRY(cancelled(options));
      FLATKV_ASSIGN(const auto entry, log.next());
      if (!entry) break;
      if (entry->has_balances && !options.balances) {
        return fail(ErrorCode::unsupported,
                    "the log holds 21-byte keys with 0x21: they are balances here but were not "
                    "where "
                    "it was written, so its roots would differ (--balances accepts them)")
            .path(directory)
            .version(entry->version);
      }
      FLATKV_TRY(check_strict(*entry, directory, options));
      report.last = entry->version;
      report.skipped_sets += entry->skipped_sets;
      report.skipped_pairs += entry->skipped_pairs;
    }
    report.torn = log.torn();
    return report;
  });
}

Result<SeiLogReport> import_sei_log(const std::string& directory, const SeiLogReport& checked,
                                    CommitStore& store, const SeiLogOptions& options) {
  return guarded([&]() -> Result<SeiLogReport> {
    SeiLogReport report = checked;
    if (store.initial_version() != 1) {
      return fail(ErrorCode::version_mismatch, "the log begins at version 1, the store at " +
                                                   std::to_string(store.initial_version()))
          .path(directory);
    }
    FLATKV_ASSIGN(ReferenceLog log, ReferenceLog::open(fs::posix(), directory));
    const std::int64_t held = store.version();
    transfer::PrefetchAhead prefetch(store);
    const auto read = [&]() -> Result<std::optional<ReferenceEntry>> {
      FLATKV_ASSIGN(auto next, log.next());
      if (next && next->version > held) prefetch.block(next->change_sets);
      return next;
    };
    Entries entries("flatkv-entries",
                    {.next = [&] { return guarded(read); },
                     .weight = [](const ReferenceEntry& entry) { return entry.bytes.size(); },
                     .most = kMostAhead});
    while (true) {
      FLATKV_TRY(cancelled(options));
      FLATKV_ASSIGN(const auto entry, entries.next());
      if (!entry || entry->version > report.last) break;
      if (options.progress) {
        options.progress("blocks", static_cast<std::uint64_t>(entry->version),
                         static_cast<std::uint64_t>(report.last));
      };
      if (entry->version <= store.version()) {
        FLATKV_TRY(compare_held(store, *entry));
        ++report.held;
        continue;
      }
      FLATKV_TRY(check_strict(*entry, directory, options));  // the log may have changed meanwhile
      FLATKV_TRY(store.apply(entry->change_sets));
      FLATKV_TRY(store.commit(entry->version));
      ++report.committed;
    }
    return report;
  });
}

Result<SeiLogReport> import_sei_log(const std::string& directory, CommitStore& store,
                                    const SeiLogOptions& options) {
  return guarded([&]() -> Result<SeiLogReport> {
    FLATKV_ASSIGN(const SeiLogReport checked, check_sei_log(directory, options));
    return import_sei_log(directory, checked, store, options);
  });
}

}  // namespace flatkv
