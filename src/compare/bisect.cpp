// SPDX-License-Identifier: Apache-2.0
// Finds the first version at which the roots lines of two logs differ.
#include "flatkv/tools/bisect.hpp"

#include <algorithm>

#include "base/guard.hpp"
#include "flatkv/tools/inspect.hpp"
#include "fs/files.hpp"
#include "layout/manifest.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv {
namespace {

/// One of the two logs, read in order.
class Log {
 public:
  static Result<Log> open(const std::string& store) {
    fs::FileSystem& files = fs::posix();
    FLATKV_ASSIGN(const auto manifest,
                  recovery::look_at_store(files, store, [&](const recovery::LiveGeneration& place) {
                    return layout::read_manifest(files, place.generation);
                  }));
    // Read before the log, because a writer may append meanwhile.
    auto tip = roots_at(store, std::nullopt);
    FLATKV_ASSIGN(const auto reader, LogReader::open(store, std::nullopt, false));
    return Log(store, {manifest.account_rows, manifest.initial_version, reader.range()},
               std::move(tip));
  }

  const Divergence::Side& side() const noexcept { return side_; }
  std::int64_t base() const noexcept { return side_.log.base; }
  std::int64_t end() const noexcept { return side_.log.last; }

  /// Whether the log starts at the empty state.
  bool base_is_empty() const noexcept { return base() == side_.initial_version - 1; }

  /// The roots line of the version just before the first record; nullopt if no snapshot keeps it.
  Result<std::optional<Roots>> base_roots() const {
    if (base_is_empty()) {
      const Digest nothing = LtHash().checksum();
      return Roots{nothing, nothing, nothing, nothing, nothing};
    }
    auto found = roots_at(store_, base());
    if (found) return found->roots;
    if (found.error().code == ErrorCode::version_mismatch) return std::optional<Roots>{};
    return std::unexpected(std::move(found).error());
  }

  Status start(std::int64_t from) {
    if (from > end()) return {};
    FLATKV_ASSIGN(reader_, LogReader::open(store_, from, false));
    return {};
  }

  Result<LogRecord> next(std::int64_t version) {
    FLATKV_ASSIGN(const auto block, reader_->next());
    if (!block || block->record.version != version) {
      return fail(ErrorCode::corruption, "the log ends before its last record")
          .path(store_)
          .version(version);
    }
    return block->record;
  }

  /// After all records were read: an error if the log ends by damage, or below its store's version.
  Status at_end() {
    if (reader_) FLATKV_TRY(reader_->next());
    if (!tip_) return std::unexpected(tip_.error());
    if (tip_->version <= end()) return {};
    return fail(ErrorCode::log_behind, "the store is at version " + std::to_string(tip_->version) +
                                           ", but its log, lost or damaged above, holds " +
                                           range_of() +
                                           ", so where it diverges from the other is unknown")
        .path(store_)
        .version(end() + 1);
  }

  std::string range_of() const {
    if (end() == base()) return "none above " + std::to_string(base());
    return std::to_string(base() + 1) + " to " + std::to_string(end());
  }

 private:
  Log(std::string store, Divergence::Side side, Result<RootsAt> tip)
      : store_(std::move(store)), side_(side), tip_(std::move(tip)) {}

  std::string store_;
  Divergence::Side side_;
  Result<RootsAt> tip_;  ///< the store's version and roots
  std::optional<LogReader> reader_;
};

class Search {
 public:
  Search(Log& a, Log& b, const BisectOptions& options) : a_(a), b_(b), options_(options) {
    found_.sides = {a.side(), b.side()};
  }

  Result<Divergence> run() {
    const std::int64_t base = std::max(a_.base(), b_.base());
    const std::int64_t last = std::min(a_.end(), b_.end());
    FLATKV_ASSIGN(const bool base_known, compare_base(base, last));
    if (found_.parted) return found_;
    if (base >= last && (!base_known || only_one_has_blocks())) {
      FLATKV_TRY(look_at_ends(last));
      return fail(ErrorCode::version_mismatch, "the two logs have no version in common: one has " +
                                                   a_.range_of() + ", the other " + b_.range_of());
    }
    if (!base_known) found_.first = base + 1;
    found_.last = std::max(last, base);
    FLATKV_TRY(a_.start(base + 1));
    FLATKV_TRY(b_.start(base + 1));
    FLATKV_TRY(compare_records(base + 1, last, base_known));
    return found_;
  }

 private:
  /// Compares the roots lines at `base`, just before the first common record. False if unknown.
  Result<bool> compare_base(std::int64_t base, std::int64_t last) {
    FLATKV_ASSIGN(const auto a, line_at(a_, base));
    FLATKV_ASSIGN(const auto b, line_at(b_, base));
    if (base > last || !a || !b) return false;
    found_.first = found_.last = base;
    found_.roots = {*a, *b};
    found_.parted = found_.older = *a != *b;
    return true;
  }

  static Result<std::optional<Roots>> line_at(Log& log, std::int64_t version) {
    if (version == log.base()) return log.base_roots();
    if (version > log.end()) return std::optional<Roots>{};
    FLATKV_TRY(log.start(version));
    FLATKV_ASSIGN(const LogRecord record, log.next(version));
    return record.roots;
  }

  Status compare_records(std::int64_t first, std::int64_t last, bool base_known) {
    // Not one beyond `last`, which may be the last version there can be.
    for (std::int64_t left = last - first; left >= 0; --left) {
      const std::int64_t version = last - left;
      if (options_.stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "the comparison of the logs was stopped");
      }
      FLATKV_ASSIGN(const LogRecord a, a_.next(version));
      FLATKV_ASSIGN(const LogRecord b, b_.next(version));
      if (options_.progress) {
        options_.progress("reading logs", static_cast<std::uint64_t>(version - first + 1),
                          static_cast<std::uint64_t>(last - first + 1));
      }
      found_.roots = {a.roots, b.roots};
      found_.same_block =
          a.payload_digest == b.payload_digest && a.payload_bytes == b.payload_bytes;
      if (a.roots == b.roots) continue;
      found_.last = version;
      found_.parted = true;
      found_.older = version == first && !base_known;
      return {};
    }
    return look_at_ends(last);
  }

  /// One side has blocks and the other none: both began empty, so the base proves nothing.
  bool only_one_has_blocks() const {
    return a_.base_is_empty() && b_.base_is_empty() && a_.end() != b_.end();
  }

  /// If a log ended the comparison, it must end at its store's version.
  Status look_at_ends(std::int64_t last) {
    if (a_.end() <= last) FLATKV_TRY(a_.at_end());
    if (b_.end() <= last) FLATKV_TRY(b_.at_end());
    return {};
  }

  Log& a_;
  Log& b_;
  const BisectOptions& options_;
  Divergence found_;
};

}  // namespace

std::vector<Database> Divergence::databases() const {
  std::vector<Database> differ;
  for (const Database database : kDataDatabases) {
    if (roots[0].of(database) != roots[1].of(database)) {
      differ.push_back(database);
    }
  }
  return differ;
}

Result<Divergence> find_divergence(const std::string& a, const std::string& b,
                                   const BisectOptions& options) {
  return guarded([&]() -> Result<Divergence> {
    for (int look = 1;; ++look) {
      FLATKV_ASSIGN(Log log_a, Log::open(a));
      FLATKV_ASSIGN(Log log_b, Log::open(b));
      auto found = Search(log_a, log_b, options).run();
      // A writer may have pruned or rolled back since the log was first opened.
      const bool again = !found && (found.error().code == ErrorCode::log_gap ||
                                    found.error().code == ErrorCode::log_behind ||
                                    found.error().code == ErrorCode::version_mismatch);
      if (!again || look == recovery::kLooks) return found;
    }
  });
}

}  // namespace flatkv
