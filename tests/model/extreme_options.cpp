// SPDX-License-Identifier: Apache-2.0
#include "extreme_options.hpp"

#include <functional>
#include <memory>
#include <new>

namespace flatkv::test {
namespace {

/// One that never has a thread to spare.
class NoThreads : public Executor {
 public:
  std::uint32_t threads() const noexcept override { return 1000; }
  void run(std::function<void()>) override { throw std::bad_alloc(); }
};

}  // namespace

Options extreme_options(Random& random) {
  Options options;
  options.create_if_missing = true;
  options.durability = any_of(random, {Durability::sync, Durability::process, Durability::group});
  options.group_blocks = any_of(random, {1U, 2U, kMost32});
  options.flush.write_buffer_bytes = any_of<std::uint64_t>(random, {0, 1, 4 << 10, kMost, kMost});
  options.flush.max_lag_blocks = any_of<std::uint64_t>(random, {0, 1, 3, kMost, kMost, kMost});
  options.flush.max_lag_bytes = any_of<std::uint64_t>(random, {0, 1, kMost, kMost, kMost});
  options.flush.level0_limit = any_of(random, {0U, 1U, kMost32});
  options.flush.pending_compaction_limit_bytes = any_of<std::uint64_t>(random, {0, 1, kMost});
  options.cache.row_cache_bytes =
      any_of<std::uint64_t>(random, {0, 1, 16 << 10, CacheOptions::kAutomatic});
  options.cache.key_filter_bytes = any_of<std::uint64_t>(random, {0, 1, 800 << 10, kMost});
  options.cache.block_cache_bytes = any_of<std::uint64_t>(random, {0, 1, 8 << 20, 1ULL << 47});
  options.reads.in_flight = any_of(random, {1U, 64U, 1024U});
  options.reads.prefetch_rows = any_of<std::uint64_t>(random, {0, 1, kMost});
  options.snapshot.interval = any_of<std::uint64_t>(random, {0, 0, 1, 7, kMost});
  options.snapshot.keep = any_of(random, {0U, 1U, kMost32});
  options.scrub.mode = any_of(random, {Scrub::off, Scrub::by_hand, Scrub::in_background});
  options.scrub.rows_per_second = any_of<std::uint64_t>(random, {1, kMost});
  options.scrub.pause_seconds = any_of(random, {0U, kMost32});
  options.segment_bytes = any_of<std::uint64_t>(random, {1, 4 << 10, kMost});
  options.log_keep_bytes = any_of<std::uint64_t>(random, {0, 1, kMost});
  options.max_view_bytes = any_of<std::uint64_t>(random, {0, 1, kMost});
  options.recent_versions = any_of(random, {0U, 1U, 5U, kMost32});
  options.overlay_memory_bytes = any_of<std::uint64_t>(random, {0, 1, 64 << 10, kMost, kMost});
  options.rollback_depth = any_of(random, {0U, 1U, 3U, 65'536U});
  options.threads = any_of(random, {0U, 1U, 2U, 1000U});
  if (one_in(random, 4)) options.executor = std::make_shared<NoThreads>();
  return options;
}

Options refused_options(Random& random) {
  Options options = extreme_options(random);
  switch (below(random, 14)) {
    case 0:
      options.group_blocks = 0;
      break;
    case 1:
      options.segment_bytes = 0;
      break;
    case 2:
      options.cache.row_cache_bytes = kMost - 1;
      break;
    case 3:
      options.cache.block_cache_bytes = (1ULL << 47) + 1;
      break;
    case 4:
      options.rollback_depth = any_of(random, {65'537U, kMost32});
      break;
    case 5:
      options.reads.in_flight = any_of(random, {0U, 1025U, kMost32});
      break;
    case 6:
      options.threads = any_of(random, {1025U, kMost32});
      break;
    case 7:
      options.scrub.rows_per_second = 0;
      break;
    case 8:
      options.scrub.mode = static_cast<Scrub>(3);
      break;
    case 9:
      options.durability = static_cast<Durability>(255);
      break;
    case 10:
      options.create.account_rows = static_cast<AccountRows>(2);
      break;
    default:
      options.create.initial_version = any_of<std::int64_t>(random, {0, -1, kLast, -kLast - 1});
      break;
  }
  return options;
}

}  // namespace flatkv::test
