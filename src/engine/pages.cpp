#include "engine/pages.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace flatkv::engine {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kCacheLine = 64;

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
  // Only a hint: without huge pages everything works, slower.
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

}  // namespace flatkv::engine
