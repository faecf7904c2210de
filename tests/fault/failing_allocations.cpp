// SPDX-License-Identifier: Apache-2.0
#include "failing_allocations.hpp"

#include <execinfo.h>
#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>

namespace {

thread_local std::uint64_t callers = 0;  // allocations of this thread until one fails; 0: none
                                         // fails
thread_local bool armed_here = false;
std::atomic<std::uint64_t> others = 0;
std::atomic<std::uint64_t> passed_over = 0;
std::atomic<bool> failed = false;

bool in_another_thread() {
  if (armed_here) return false;
  std::array<char, 16> name{};
  return ::pthread_getname_np(::pthread_self(), name.data(), name.size()) == 0 &&
         !std::string_view(name.data()).starts_with("rocksdb");
}

/// Where RocksDB's code lies.
struct Range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

Range find_rocksdb() {
  Range range;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        if (std::string_view(info->dlpi_name).find("librocksdb") == std::string_view::npos)
          return 0;
        auto& found = *static_cast<Range*>(into);
        for (std::size_t i = 0; i < info->dlpi_phnum; ++i) {
          const auto& part = info->dlpi_phdr[i];
          if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
          found.begin = info->dlpi_addr + part.p_vaddr;
          found.end = found.begin + part.p_memsz;
        }
        return 1;
      },
      &range);
  return range;
}

/// RocksDB does not survive a failed allocation: it aborts, or waits for a lock that its own
/// unwound frame held. That is not what is tested here.
bool inside_rocksdb() {
  static const Range kRange = find_rocksdb();
  static thread_local bool looking = false;  // the first look allocates
  if (looking) return true;
  looking = true;
  std::array<void*, 64> frames{};
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  looking = false;
  return std::any_of(frames.begin(), frames.begin() + count, [](void* frame) {
    const auto at = reinterpret_cast<std::uintptr_t>(frame);
    return at >= kRange.begin && at < kRange.end;
  });
}

bool passes_over() {
  if (!inside_rocksdb()) return false;
  ++passed_over;
  return true;
}

/// The last of the count that is not inside RocksDB.
bool is_the_one() {
  if (callers != 0) {
    if (callers > 1) {
      --callers;
      return false;
    }
    if (passes_over()) return false;
    callers = 0;
    return true;
  }
  if (others.load(std::memory_order_relaxed) == 0 || !in_another_thread()) return false;
  std::uint64_t left = others.load();
  while (left > 1 && !others.compare_exchange_weak(left, left - 1)) {
  }
  if (left != 1 || passes_over()) return false;
  return others.compare_exchange_strong(left, 0);
}

/// Whether the next allocation of this thread would count.
bool is_watched() {
  return (callers != 0 || (others.load(std::memory_order_relaxed) != 0 && in_another_thread())) &&
         !inside_rocksdb();
}

void* take(std::size_t bytes, std::size_t alignment) {
  if (is_the_one()) {
    failed = true;
    throw std::bad_alloc();
  }
  void* memory = alignment == 0 ? std::malloc(bytes == 0 ? 1 : bytes)
                                : std::aligned_alloc(
                                      alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

namespace flatkv::test {

void fail_allocation(Whose whose, std::uint64_t nth) {
  static_cast<void>(inside_rocksdb());  // what it needs is there
  failed = false;
  passed_over = 0;
  armed_here = true;
  callers = whose == Whose::callers ? nth : 0;
  others = whose == Whose::others ? nth : 0;
}

bool allocation_failed() {
  callers = 0;
  others = 0;
  return failed;
}

std::uint64_t allocations_passed_over() { return passed_over; }

}  // namespace flatkv::test

extern "C" int __cxa_thread_atexit_impl(void (*destroy)(void*), void* object, void* library);
/// The first use of a thread_local that has a destructor. glibc takes memory for it, and ends the
/// process where there is none.
extern "C" int __cxa_thread_atexit(void (*destroy)(void*), void* object, void* library) {
  if (is_watched()) {
    static_cast<void>(std::fputs("a thread_local with a destructor\n", stderr));
    std::abort();
  }
  return __cxa_thread_atexit_impl(destroy, object, library);
}

void* operator new(std::size_t bytes) { return take(bytes, 0); }
void* operator new[](std::size_t bytes) { return take(bytes, 0); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return take(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return take(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
