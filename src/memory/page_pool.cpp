// SPDX-License-Identifier: Apache-2.0
#include "memory/page_pool.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace flatkv::memory {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kMostKept = std::size_t{64} << 30;  // bounds the list of entries

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

Pages map(std::size_t bytes) {
  const std::size_t wanted = round_up(bytes, kHugePage);
  const std::size_t whole = wanted + kHugePage;
  void* got = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::uint8_t*>(got);
  const std::size_t past = reinterpret_cast<std::uintptr_t>(begin) % kHugePage;
  const std::size_t before = past == 0 ? 0 : kHugePage - past;
  if (before != 0) ::munmap(begin, before);
  if (before != kHugePage) ::munmap(begin + before + wanted, kHugePage - before);
  // Only a hint: without huge pages everything is slower but works.
  static_cast<void>(::madvise(begin + before, wanted, MADV_HUGEPAGE));
  return Pages(begin + before, PageDeleter{wanted});
}

}  // namespace

void PageDeleter::operator()(std::uint8_t* pages) const noexcept {
  if (mapped == 0) {
    std::free(pages);
  } else {
    ::munmap(pages, mapped);
  }
}

Pages allocate_pages(std::size_t bytes) {
  if (bytes >= kHugePage) return map(bytes);
  const std::size_t rounded = round_up(bytes == 0 ? 1 : bytes, kCacheLine);
  void* memory = std::aligned_alloc(kCacheLine, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, rounded);
  return Pages(static_cast<std::uint8_t*>(memory), PageDeleter{});
}

void populate(std::uint8_t* from, std::size_t bytes) noexcept {
#ifdef MADV_POPULATE_WRITE
  const auto address = reinterpret_cast<std::uintptr_t>(from);
  const std::uintptr_t begin = (address + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t end = (address + bytes + kHugePage - 1) / kHugePage * kHugePage;
  if (begin < end) {
    static_cast<void>(::madvise(from + (begin - address), end - begin, MADV_POPULATE_WRITE));
  }
#else
  static_cast<void>(from);
  static_cast<void>(bytes);
#endif
}

PagePool::PagePool(std::size_t most_bytes) : most_bytes_(std::min(most_bytes, kMostKept)) {
  entries_.reserve(most_bytes_ / kHugePage + 1);
}

Pages PagePool::take(std::size_t bytes, bool zeros) {
  const std::size_t wanted = round_up(bytes, kHugePage);
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) {
      return entry.pages.get_deleter().mapped == wanted && entry.zeros >= zeros;
    });
    if (bytes >= kHugePage && found != entries_.end()) {
      Pages pages = std::move(found->pages);
      entries_.erase(found);
      kept_ -= wanted;
      return pages;
    }
  }
  return allocate_pages(bytes);
}

void PagePool::give(Pages pages, bool zeros) noexcept {
  const std::size_t mapped = pages.get_deleter().mapped;
  if (mapped == 0 || mapped > most_bytes_) return;
  if (zeros) std::memset(pages.get(), 0, mapped);
  const std::lock_guard lock(mutex_);
  entries_.push_back({std::move(pages), zeros});  // capacity was reserved
  kept_ += mapped;
  // Drop the oldest first: their sizes may no longer be asked for.
  auto gone = entries_.begin();
  for (; kept_ > most_bytes_; ++gone) kept_ -= gone->pages.get_deleter().mapped;
  entries_.erase(entries_.begin(), gone);
}

std::size_t PagePool::kept() const noexcept {
  const std::lock_guard lock(mutex_);
  return kept_;
}

}  // namespace flatkv::memory
