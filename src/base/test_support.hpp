// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

// Replaces operator new of the test program that includes this, in one of its sources, by one that
// fails on demand. No failure may reach RocksDB, which does not survive it. ThreadSanitizer's own
// cannot be replaced: its runtime does not link with another.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define FLATKV_NEW_CANNOT_FAIL
#endif
#endif
/// Skips the test where `lacks_memory` makes nothing fail.
#ifdef FLATKV_NEW_CANNOT_FAIL
#define FLATKV_NEEDS_FAILING_NEW() GTEST_SKIP() << "operator new is ThreadSanitizer's"
#else
#define FLATKV_NEEDS_FAILING_NEW() static_cast<void>(0)
#endif

namespace flatkv::test {

/// How many more allocations of this thread succeed; negative: all.
inline thread_local std::int64_t allocations_left = -1;

/// Whether `step` throws std::bad_alloc if only its first `allocations` succeed.
template <class Step>
bool lacks_memory(std::int64_t allocations, Step&& step) {
  allocations_left = allocations;
  bool thrown = false;
  try {
    std::forward<Step>(step)();
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  allocations_left = -1;
  return thrown;
}

inline void* take(std::size_t bytes, std::size_t alignment) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

/// Not inlined, or GCC warns of memory that goes from `new` to `free`.
[[gnu::noinline]] inline void give_back(void* memory) noexcept { std::free(memory); }

}  // namespace flatkv::test

#ifndef FLATKV_NEW_CANNOT_FAIL
void* operator new(std::size_t bytes) {
  return flatkv::test::take(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new[](std::size_t bytes) {
  return flatkv::test::take(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return flatkv::test::take(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return flatkv::test::take(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { flatkv::test::give_back(memory); }
void operator delete[](void* memory) noexcept { flatkv::test::give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { flatkv::test::give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { flatkv::test::give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { flatkv::test::give_back(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { flatkv::test::give_back(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  flatkv::test::give_back(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  flatkv::test::give_back(memory);
}
#endif
