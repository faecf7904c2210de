// SPDX-License-Identifier: Apache-2.0
#include "lthash/summation.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <exception>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace flatkv::lthash {
namespace {

// Costs are counted in bytes of input; drawing the output of an element costs as much as this many.
constexpr std::size_t kElementCost = 1024;
// Some thirty microseconds of hashing. That bounds how long one thread waits for another at the
// end, and makes the handover and the addition of 2 KB negligible.
constexpr std::size_t kPartCost = 64 * kElementCost;
constexpr std::size_t kMostRows = 64;
// How many parts (3.1 KB each) are kept for the next sum.
constexpr std::size_t kMostSpare = 1024;

std::size_t cost_of(const RowChange& row) {
  std::size_t cost = 0;
  for (const auto value : {row.old_value, row.new_value}) {
    if (!value.empty()) cost += kElementCost + row.key.size() + value.size();
  }
  return cost;
}

/// Rows of one sum.
struct Part {
  LtHash* sum = nullptr;
  std::size_t cost = 0;
  std::size_t count = 0;
  std::array<RowChange, kMostRows> rows;
};

}  // namespace

struct Summation::Impl {
  std::shared_ptr<HashingShare> share;
  // The calling thread's alone: parts that are being filled, one for each sum.
  std::vector<std::unique_ptr<Part>> open;

  std::mutex mutex;  // guards everything below
  std::condition_variable done;
  std::vector<std::unique_ptr<Part>> ready;  // taken newest first: its rows are still in cache
  std::vector<std::unique_ptr<Part>> spare;
  std::size_t made = 0;     // parts in all; both lists have the capacity for them
  std::size_t running = 0;  // parts that are being hashed
  std::size_t helpers = 0;  // tasks on the executor that have not ended
  std::exception_ptr failure;

  std::unique_ptr<Part> new_part(LtHash& sum) {
    std::unique_ptr<Part> part;
    {
      const std::lock_guard lock(mutex);
      if (!spare.empty()) {
        part = std::move(spare.back());
        spare.pop_back();
      } else {
        for (auto* list : {&ready, &spare}) {
          if (list->capacity() <= made) list->reserve(2 * made + 8);
        }
        part = std::make_unique_for_overwrite<Part>();
        ++made;
      }
    }
    part->sum = &sum;
    part->cost = part->count = 0;
    return part;
  }

  /// Hashes the newest ready part, with the lock released.
  void run_one(std::unique_lock<std::mutex>& lock) {
    std::unique_ptr<Part> part = std::move(ready.back());
    ready.pop_back();
    ++running;
    lock.unlock();
    LtHash sum;
    std::exception_ptr thrown;
    try {
      accumulate(std::span(part->rows).first(part->count), sum);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    *part->sum += sum;
    if (thrown) failure = thrown;
    spare.push_back(std::move(part));
    if (--running == 0) done.notify_all();
  }

  /// Frees spare parts beyond kMostSpare; only while all parts are spare.
  void trim() {
    if (spare.size() <= kMostSpare) return;
    spare.resize(kMostSpare);
    made = kMostSpare;
    std::array<std::vector<std::unique_ptr<Part>>, 2> smaller;
    try {
      for (auto& list : smaller) list.reserve(made);
    } catch (const std::bad_alloc&) {
      return;  // The larger lists do as well.
    }
    std::ranges::move(spare, std::back_inserter(smaller[1]));
    ready.swap(smaller[0]);
    spare.swap(smaller[1]);
  }

  /// Lets the executor have a part. The list has the capacity for it.
  void offer(std::unique_ptr<Part> part, const std::shared_ptr<Impl>& self) {
    bool call = false;
    {
      const std::size_t most_helpers = share->threads() - 1;
      const std::lock_guard lock(mutex);
      ready.push_back(std::move(part));
      call = helpers < most_helpers;
      if (call) ++helpers;
    }
    if (!call) return;
    try {
      share->run([impl = self] { impl->help(); });
    } catch (...) {  // no memory for a task: `wait` hashes the part itself
      const std::lock_guard lock(mutex);
      --helpers;
    }
  }

  void help() {
    std::unique_lock lock(mutex);
    while (!ready.empty()) run_one(lock);
    --helpers;
  }
};

Summation::Summation(std::shared_ptr<HashingShare> share) : impl_(std::make_shared<Impl>()) {
  impl_->share = std::move(share);
}

Summation::~Summation() { drain(); }

void Summation::add(LtHash& sum, const RowChange& row) {
  if (equal(row.old_value, row.new_value)) return;
  auto& open = impl_->open;
  auto found = std::ranges::find_if(open, [&](const auto& part) { return part->sum == &sum; });
  if (found == open.end()) {
    open.reserve(open.size() + 1);
    open.push_back(impl_->new_part(sum));
    found = open.end() - 1;
  }
  Part& part = **found;
  part.rows[part.count++] = row;
  part.cost += cost_of(row);
  if (part.count < kMostRows && part.cost < kPartCost) return;

  std::unique_ptr<Part> full = std::move(*found);
  open.erase(found);
  impl_->offer(std::move(full), impl_);
}

void Summation::hand_over() {
  for (auto& part : impl_->open) impl_->offer(std::move(part), impl_);
  impl_->open.clear();
}

void Summation::wait() {
  std::unique_lock lock(impl_->mutex);
  for (auto& part : impl_->open) impl_->ready.push_back(std::move(part));
  impl_->open.clear();
  while (!impl_->ready.empty()) impl_->run_one(lock);
  impl_->done.wait(lock, [&] { return impl_->running == 0; });
  impl_->trim();
  if (impl_->failure) std::rethrow_exception(std::exchange(impl_->failure, nullptr));
}

void Summation::drain() noexcept {
  std::unique_lock lock(impl_->mutex);
  for (auto* parts : {&impl_->open, &impl_->ready}) {
    for (auto& part : *parts) impl_->spare.push_back(std::move(part));
    parts->clear();
  }
  impl_->done.wait(lock, [&] { return impl_->running == 0; });
  impl_->trim();
  impl_->failure = nullptr;
}

}  // namespace flatkv::lthash
