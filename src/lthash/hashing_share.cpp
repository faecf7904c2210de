// SPDX-License-Identifier: Apache-2.0
#include "lthash/hashing_share.hpp"

#include <algorithm>
#include <new>

#include "base/fork.hpp"
#include "base/machine.hpp"

namespace flatkv::lthash {
namespace {

std::shared_ptr<Executor> or_shared(const std::shared_ptr<Executor>& executor) {
  if (executor) return executor;
  auto shared = shared_executor();
  if (!shared) throw std::bad_alloc();
  return *std::move(shared);
}

std::size_t most_threads(const std::shared_ptr<Executor>& executor, std::size_t wanted) {
  // On a single core a sum does not use the shared executor.
  const std::size_t all = executor ? std::size_t{executor->threads()} + 1 : machine().cores;
  return wanted == 0 ? all : std::min(wanted, all);
}

}  // namespace

HashingShare::HashingShare(const std::shared_ptr<Executor>& executor, std::size_t threads)
    : executor_(or_shared(executor)), threads_(most_threads(executor, threads)) {}

const std::shared_ptr<HashingShare>& HashingShare::of_process() {
  static const auto& share = *new std::shared_ptr<HashingShare>(std::make_shared<HashingShare>());
  return share;
}

std::size_t HashingShare::threads() const {
  if (is_forked()) return 1;
  const std::size_t taken = cores_taken_.load(std::memory_order_relaxed);
  return taken < threads_ ? threads_ - taken : 1;
}

}  // namespace flatkv::lthash
