// SPDX-License-Identifier: Apache-2.0
// The part of TwoStores that looks at files, logs and streams.
#include <algorithm>
#include <chrono>

#include "base/error.hpp"
#include "extreme_options.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/random_walk.hpp"
#include "two_stores.hpp"

namespace flatkv::test {
namespace {

struct Sink : ByteSink {
  explicit Sink(Bytes& into) : bytes(into) {}
  Status write(ByteView more) override {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return {};
  }
  Bytes& bytes;
};
struct Source : ByteSource {
  explicit Source(ByteView all) : left(all) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    const std::size_t size = std::min(into.size(), left.size());
    std::copy_n(left.begin(), size, into.begin());
    left = left.subspan(size);
    return size;
  }
  ByteView left;
};

}  // namespace

void TwoStores::flush() {
  for (Side& side : sides_) ASSERT_OK(side.store->flush());
}

void TwoStores::snapshot() {
  for (Side& side : sides_) {
    ASSERT_OK(side.store->snapshot());
    const auto kept = list_snapshots(side.path);
    ASSERT_OK(kept);
    ASSERT_LE(kept->size(), std::uint64_t{side.options.snapshot.keep} + 1);
    ASSERT_EQ(kept->back().version, model_.version());
    for (const SnapshotInfo& one : *kept) {
      ASSERT_FALSE(one.problem) << one.problem->to_string();
      ASSERT_TRUE(same_roots(*one.roots, states_.at(one.version).roots()));
    }
  }
}

void TwoStores::verify() {
  VerifyOptions options;
  options.threads = any_of(random_, {0U, 1U, 1000U});
  options.rows_per_second = any_of<std::uint64_t>(random_, {0, kMost});
  for (const Side& side : sides_) {
    const Result<VerifyReport> report = side.store->verify(options);
    ASSERT_OK(report);
    ASSERT_TRUE(report->good());
    ASSERT_EQ(report->version, model_.version());
  }
}

void TwoStores::scrub() {
  const auto rows = any_of<std::uint64_t>(random_, {1, 1000, kMost});
  for (Side& side : sides_) {
    const auto done = side.store->scrub(rows);
    if (side.options.scrub.mode == Scrub::off) {
      ASSERT_TRUE(fails(done, ErrorCode::unsupported));
    } else {
      ASSERT_OK(done);
      ASSERT_TRUE(done->findings.empty());
    }
  }
}

void TwoStores::reaches(const Side& side, std::int64_t version, bool& found) {
  const auto info = inspect_store(side.path);
  ASSERT_OK(info);
  ASSERT_TRUE(info->problems.empty()) << info->problems.front().to_string();
  found = std::ranges::any_of(info->reachable, [&](const VersionRange& range) {
    return range.first <= version && version <= range.last;
  });
}

void TwoStores::expect_out_of_reach(const Side& side, const Status& done, bool reached) {
  ASSERT_TRUE(fails(done, ErrorCode::version_mismatch));
  if (side.options.snapshot.interval == 0 || side.options.snapshot.interval == kMost) {
    ASSERT_FALSE(reached);
  }
  ++done_counts()["out of reach"];
}

void TwoStores::try_roll_back(Side& side, std::int64_t target, bool closed, bool& done) {
  bool reached = false;
  reaches(side, target, reached);
  const bool undoable = !closed && target >= side.store->metrics().undo_floor;
  Status went;
  if (closed) {
    close(side);
    if (!good()) return;
    RollbackOptions options;
    options.write_buffer_bytes = any_of<std::uint64_t>(random_, {0, 1, kMost});
    options.block_cache_bytes = any_of<std::uint64_t>(random_, {0, 1, 1ULL << 47});
    options.threads = any_of(random_, {0U, 1U, 1000U});
    went = flatkv::rollback(side.path, target, options);
  } else {
    went = side.store->rollback(target);
  }
  done = went.has_value();
  if (!done) {
    ASSERT_FALSE(undoable) << went.error().to_string();
    expect_out_of_reach(side, went, reached);
  }
  if (closed && good()) open(side);
  if (done && good()) {
    side.since = target;
    ++done_counts()[closed ? "rollback by path" : undoable ? "undo" : "rollback"];
  }
}

void TwoStores::roll_back() {
  discard();
  const std::int64_t target = some_version();
  const bool tip = target == model_.version();
  const bool closed = one_in(random_, 3);
  Side& first = sides_[below(random_, 2)];
  Side& second = sides_[1 - index(first)];
  bool done = false;
  try_roll_back(first, target, closed, done);
  if (!done || !good()) return;
  try_roll_back(second, target, closed, done);
  if (!good()) return;
  if (!done) import_from(first, second);
  if (!good()) return;
  model_.go_back(State(states_.at(target)));
  states_.erase(states_.upper_bound(target), states_.end());
  payloads_.erase(payloads_.upper_bound(target), payloads_.end());
  for (const Side& side : sides_) {
    if (!has_views(side)) {
      ASSERT_TRUE(store_is(*side.store, model_.committed()));
    }
  }
  if (!tip) branches_are_stale();
}

void TwoStores::import_from(const Side& from, Side& into) {
  Bytes bytes;
  {
    std::optional<ReadView> view;
    take(from, from.store->view(), view);
    if (!view) {
      pins_.clear();
      take(from, from.store->view(), view);
    }
    if (!good()) return;
    export_bytes(*view, bytes);
  }
  if (good()) close(into);
  if (!good()) return;
  ImportOptions options;
  options.force = true;
  Source source(bytes);
  ASSERT_OK(import_stream(source, into.path, options));
  into.imported = true;
  open(into);
  ++done_counts()["import over a store"];
}

void TwoStores::read_only() {
  const Side& side = sides_[below(random_, 2)];
  ReadOnlyOptions options;
  options.at = some_version();
  options.write_buffer_bytes = any_of<std::uint64_t>(random_, {0, 1, kMost});
  options.block_cache_bytes = any_of<std::uint64_t>(random_, {0, 1, 1ULL << 47});
  options.threads = any_of(random_, {0U, 1U, 1000U});
  bool reached = false;
  reaches(side, *options.at, reached);
  const auto clone = ReadOnlyStore::open(side.path, options);
  if (!clone) return expect_out_of_reach(side, std::unexpected(clone.error()), reached);
  ++done_counts()["read-only"];
  const State& state = states_.at(*options.at);
  ASSERT_TRUE(view_is(clone->view(), state));
  random_walk(random_, clone->view(), state);
}

void TwoStores::is_block(const LogRecord& record) {
  ASSERT_TRUE(states_.contains(record.version)) << record.version;
  ASSERT_TRUE(same_roots(record.roots, states_.at(record.version).roots()));
  const auto [known, first] = payloads_.emplace(record.version, record.payload_digest);
  ASSERT_EQ(known->second, record.payload_digest);
  if (!first) ++done_counts()["blocks compared"];
}

void TwoStores::is_gap(const Side& side, std::int64_t version) {
  const auto log = LogReader::open(side.path, std::nullopt, false);
  ASSERT_OK(log);
  ASSERT_GE(log->range().base, version);
  ++done_counts()["gaps"];
}

void TwoStores::read_log() {
  const Side& side = sides_[below(random_, 2)];
  auto reader = LogReader::open(side.path, std::nullopt, true);
  ASSERT_OK(reader);
  std::int64_t last = reader->range().base;
  while (true) {
    const auto block = reader->next();
    if (fails(block, ErrorCode::log_gap)) return is_gap(side, last + 1);  // pruned meanwhile
    ASSERT_OK(block);
    if (!*block) break;
    ASSERT_EQ((*block)->record.version, ++last);
    is_block((*block)->record);
    if (!good()) return;
  }
  ASSERT_EQ(last, model_.version());
}

void TwoStores::changes() {
  const std::int64_t from = some_version();
  const std::int64_t to =
      from + static_cast<std::int64_t>(
                 below(random_, static_cast<std::uint64_t>(model_.version() - from) + 1));
  if (from < create_.initial_version) return;
  for (const Side& side : sides_) {
    auto reader = side.store->changes(from, to);
    if (fails(reader, ErrorCode::log_gap)) {
      is_gap(side, from);
      continue;
    }
    ASSERT_OK(reader);
    for (std::int64_t version = from;; ++version) {
      const auto block = reader->next();
      if (fails(block, ErrorCode::log_gap)) {  // pruned meanwhile
        is_gap(side, version);
        break;
      }
      ASSERT_OK(block);
      if (!*block) {
        ASSERT_EQ(version, to + 1);
        break;
      }
      ASSERT_EQ((*block)->record.version, version);
      is_block((*block)->record);
      const auto digest = block_digest(version, (*block)->change_sets());
      ASSERT_OK(digest);
      ASSERT_EQ(*digest, (*block)->record.payload_digest);
      if (version == to) {
        const auto end = reader->next();
        ASSERT_OK(end);
        ASSERT_FALSE(*end);
        break;
      }
    }
  }
}

void TwoStores::follow(Side& side) {
  Follower& follower = side.follower;
  SubscribeOptions options;
  follower.deliver = options.deliver = any_of(random_, {Deliver::durable, Deliver::committed});
  follower.at =
      options.deliver == Deliver::committed ? side.store->version() : side.store->durable_version();
  options.after = follower.at;
  auto made = side.store->subscribe(options);
  ASSERT_OK(made);
  follower.subscription.emplace(std::move(*made));
}

void TwoStores::follow_all() {
  for (Side& side : sides_) drain(side);
}

void TwoStores::drain(Side& side) {
  Follower& follower = side.follower;
  while (good()) {
    const auto event = follower.subscription->next(std::chrono::milliseconds(-1));
    if (fails(event, ErrorCode::log_gap)) {
      is_gap(side, follower.at + 1);
      return follow(side);
    }
    ASSERT_OK(event);
    if (!*event) break;
    const ChangeEvent& told = **event;
    if (told.block) {
      ASSERT_EQ(told.at.version, follower.at + 1);
      ASSERT_EQ(told.block->record.version, told.at.version);
      is_block(told.block->record);
    } else {
      ASSERT_LE(told.at.version, follower.at);
      ++done_counts()["undos told"];
    }
    follower.at = told.at.version;
  }
  ASSERT_LE(follower.at, model_.version());
  if (follower.deliver == Deliver::committed) {
    ASSERT_EQ(follower.at, model_.version());
  }
}

void TwoStores::wait() {
  for (Side& side : sides_) {
    ASSERT_OK(side.store->wait_durable(model_.version()));
    ASSERT_EQ(side.store->durable_version(), model_.version());
    drain(side);
    ASSERT_EQ(side.follower.at, model_.version());
  }
}

void TwoStores::export_bytes(const ReadView& view, Bytes& into) {
  Sink sink(into);
  ASSERT_OK(export_state(view, sink));
  TrustedRoots trusted;
  trusted.roots = view.roots();
  Source source(into);
  const auto summary = check_stream(source, trusted);
  ASSERT_OK(summary);
  ASSERT_EQ(summary->version, view.version());
}

void TwoStores::export_both() {
  std::array<std::optional<ReadView>, 2> views;
  for (const Side& side : sides_) take(side, side.store->view(), views[index(side)]);
  if (!good() || !views[0] || !views[1]) return;
  std::array<Bytes, 2> streams;
  std::array<Bytes, 2> digests;
  for (std::size_t i = 0; i < views.size(); ++i) {
    export_bytes(*views[i], streams[i]);
    if (!good()) return;
    DigestOptions options;
    options.threads = any_of(random_, {0U, 1U, 1000U});
    const auto digest = digest_state(*views[i], options);
    ASSERT_OK(digest);
    digests[i] = digest->encode().value();
  }
  ASSERT_EQ(streams[0], streams[1]);
  ASSERT_EQ(digests[0], digests[1]);
  ASSERT_OK(diff_rows(*views[0], *views[1], {}, [](const RowDifference& row) -> Status {
    return fail(ErrorCode::corruption, "row " + to_hex(row.key) + " differs");
  }));
  ++done_counts()["streams compared"];
}

}  // namespace flatkv::test
