// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "base/internals.hpp"
#include "base/stopwatch.hpp"
#include "store/commit_store.hpp"
#include "workloads/subject.hpp"

namespace flatkv::bench {

std::uint64_t PhaseTimes::total() const { return std::accumulate(begin(), end(), 0ULL); }

Result<std::unique_ptr<StoreSubject>> StoreSubject::open(const std::string& path, Options options,
                                                         fs::FileSystem& files) {
  options.create_if_missing = true;
  FLATKV_ASSIGN(CommitStore store, store::open_commit_store({.files = &files}, path, options));
  return std::unique_ptr<StoreSubject>(new StoreSubject(std::move(store)));
}

Result<PhaseTimes> StoreSubject::run(const Block& block) {
  PhaseTimes times{};
  const Stopwatch watch;
  FLATKV_TRY(store_.get_many(block.reads));
  times.of(Phase::lookup) = watch.nanoseconds();
  const NamedChangeSet set{kEvmModule, block.writes};
  FLATKV_TRY(store_.apply({&set, 1}));
  FLATKV_TRY(store_.commit(store_.version() + 1));
  const std::uint64_t whole = watch.nanoseconds();
  const CommitTimings own = store_.last_timings();
  times.of(Phase::route) = own.route;
  times.of(Phase::read) = own.read;
  times.of(Phase::hash) = own.hash;
  times.of(Phase::log) = own.log;
  times.of(Phase::buffer) = own.buffer;
  times.of(Phase::publish) = own.publish;
  times.of(Phase::wait) = own.wait;
  const std::uint64_t known = times.total();
  times.of(Phase::other) = whole > known ? whole - known : 0;
  return times;
}

Status StoreSubject::prefetch(const Block& block) {
  std::vector<ByteView> keys = block.reads;
  for (const KVPair& pair : block.writes) keys.push_back(pair.key);
  return store_.prefetch(keys);
}

Background StoreSubject::background() const {
  const commit::Core& core = Internals::impl(const_cast<CommitStore&>(store_)).core();
  Background now;
  now.flushing = core.flushing();
  now.compacting = std::ranges::any_of(
      core.setup().lifetime->databases(),
      [](const auto& database) { return database->pressure().running_compactions != 0; });
  return now;
}

}  // namespace flatkv::bench
