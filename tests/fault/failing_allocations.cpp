// SPDX-License-Identifier: Apache-2.0
#include "failing_allocations.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string_view>

namespace {

thread_local std::uint64_t callers = 0;  // allocations of this thread until one fails; 0: none
                                         // fails
std::atomic<std::uint64_t> ours = 0;
std::atomic<bool> failed = false;

bool in_thread_of_ours() {
  std::array<char, 16> name{};
  return ::pthread_getname_np(::pthread_self(), name.data(), name.size()) == 0 &&
         std::string_view(name.data()).starts_with("flatkv");
}

bool is_the_one() {
  if (callers != 0) return --callers == 0;
  if (ours.load(std::memory_order_relaxed) == 0 || !in_thread_of_ours()) return false;
  std::uint64_t left = ours.load();
  while (left != 0 && !ours.compare_exchange_weak(left, left - 1)) {
  }
  return left == 1;
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
  failed = false;
  callers = whose == Whose::callers ? nth : 0;
  ours = whose == Whose::ours ? nth : 0;
}

bool allocation_failed() {
  callers = 0;
  ours = 0;
  return failed;
}

}  // namespace flatkv::test

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
