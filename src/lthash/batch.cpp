// SPDX-License-Identifier: Apache-2.0
#include "lthash/batch.hpp"

#include <pthread.h>

#include <memory>
#include <new>

#include "base/bytes.hpp"
#include "blake3/kernel.hpp"
#include "lthash/collector.hpp"

namespace flatkv::lthash {
namespace {

thread_local Collector* mine = nullptr;

/// Deletes a thread's collector at its end.
class OfThreads {
 public:
  OfThreads() {
    if (::pthread_key_create(&key_, destroy) != 0) throw std::bad_alloc();
  }
  ~OfThreads() { ::pthread_key_delete(key_); }
  OfThreads(const OfThreads&) = delete;
  OfThreads& operator=(const OfThreads&) = delete;

  void keep(std::unique_ptr<Collector> collector) {
    if (::pthread_setspecific(key_, collector.get()) != 0) throw std::bad_alloc();
    mine = collector.release();
  }

 private:
  static void destroy(void* collector) {
    mine = nullptr;
    delete static_cast<Collector*>(collector);
  }

  pthread_key_t key_{};
};

/// One per thread, so that its slots stay in the cache. A thread_local with a destructor would take
/// memory to be registered, and without it glibc ends the process.
Collector& collector() {
  if (mine == nullptr) {
    static OfThreads threads;
    threads.keep(std::make_unique_for_overwrite<Collector>());
  }
  return *mine;
}

}  // namespace

LtHash element(ByteView key, ByteView value) {
  LtHash result;
  Collector& sum = collector();
  sum.begin(blake3::backend());
  sum.add(key, value, false);
  sum.finish(result);
  return result;
}

void accumulate(std::span<const RowChange> rows, LtHash& accumulator) {
  if (rows.empty()) return;
  Collector& sum = collector();
  sum.begin(blake3::backend());
  for (const auto& row : rows) {
    if (equal(row.old_value, row.new_value)) continue;
    sum.add(row.key, row.old_value, true);
    sum.add(row.key, row.new_value, false);
  }
  sum.finish(accumulator);
}

}  // namespace flatkv::lthash
