// SPDX-License-Identifier: Apache-2.0
#include "memory/key_sort.hpp"

#include <tbb/parallel_for.h>
#include <tbb/parallel_sort.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/machine.hpp"

namespace flatkv::memory {
namespace {

using Iterator = std::vector<SortItem>::iterator;

constexpr std::ptrdiff_t kParallelFrom = 8192;
constexpr std::ptrdiff_t kDirectBelow = 24;

ByteView key_of(const SortItem& item) { return {item.key, item.key_bytes}; }

bool less_prefix(const SortItem& a, const SortItem& b) { return a.prefix < b.prefix; }
bool less_key(const SortItem& a, const SortItem& b) {
  return compare_bytes(key_of(a), key_of(b)) < 0;
}

template <class Less>
void sort_range(Iterator first, Iterator last, Less less) {
  if (last - first >= kParallelFrom) {
    tbb::parallel_sort(first, last, less);
  } else {
    std::sort(first, last, less);
  }
}

std::size_t common(ByteView a, ByteView b, std::size_t from, std::size_t limit) {
  while (from < limit && a[from] == b[from]) ++from;
  return from;
}

/// Sorts items whose keys agree in their first `depth` bytes and whose prefixes hold the bytes that
/// follow. Keys of one account share 20 bytes or more, so the part that a whole run shares is
/// skipped at once and the next eight bytes become the prefixes.
void sort_run(Iterator first, Iterator last, std::size_t depth) {
  if (last - first < kDirectBelow) {
    std::sort(first, last, less_key);
    return;
  }
  std::size_t shared = first->key_bytes;
  for (Iterator item = first + 1; item != last; ++item) {
    shared = common(key_of(*first), key_of(*item), depth,
                    std::min<std::size_t>(shared, item->key_bytes));
  }
  bool ends = false;
  for (Iterator item = first; item != last; ++item) {
    ends |= item->key_bytes <= shared;  // padding zeros would look like zeros of a key
    item->prefix = key_prefix(key_of(*item), shared);
  }
  if (ends) {
    sort_range(first, last, less_key);
    return;
  }
  sort_range(first, last, less_prefix);
  while (first != last) {
    Iterator behind = std::find_if(
        first + 1, last, [&](const SortItem& item) { return item.prefix != first->prefix; });
    // Equal prefixes mean eight more equal bytes only if none of them is padding; the run is
    // compared from where that is certain.
    if (behind - first > 1) sort_run(first, behind, shared);
    first = behind;
  }
}

void sort_isolated(std::vector<SortItem>& items) {
  // Isolated: while this thread waits for its parts it must not pick up other work of oneTBB,
  // which could ask for the very order that is being built here.
  tbb::this_task_arena::isolate([&] {
    sort_range(items.begin(), items.end(), less_prefix);
    // Find all runs before sorting any: sorting a run overwrites its prefixes.
    std::vector<std::pair<Iterator, Iterator>> runs;
    for (auto first = items.begin(); first != items.end();) {
      const auto behind = std::find_if(first + 1, items.end(), [&](const SortItem& item) {
        return item.prefix != first->prefix;
      });
      if (behind - first > 1) runs.emplace_back(first, behind);
      first = behind;
    }
    if (items.size() < static_cast<std::size_t>(kParallelFrom)) {
      for (const auto& [first, behind] : runs) sort_run(first, behind, 0);
    } else {
      tbb::parallel_for(std::size_t{0}, runs.size(),
                        [&](std::size_t i) { sort_run(runs[i].first, runs[i].second, 0); });
    }
  });
}

}  // namespace

std::uint64_t key_prefix(ByteView key, std::size_t depth) noexcept {
  if (depth >= key.size()) return 0;
  const std::size_t left = key.size() - depth;
  if (left >= 8) return load_be<std::uint64_t>(key.data() + depth);
  std::uint8_t padded[8] = {};
  std::memcpy(padded, key.data() + depth, left);
  return load_be<std::uint64_t>(padded);
}

void sort_items(std::vector<SortItem>& items) {
  if (items.size() < static_cast<std::size_t>(kParallelFrom)) return sort_isolated(items);
  // An arena of its own: that of the calling thread has as many places as the machine has cores,
  // however few of them this process may use.
  static auto& arena = *new tbb::task_arena(static_cast<int>(machine().cores));
  arena.execute([&] { sort_isolated(items); });
}

}  // namespace flatkv::memory
