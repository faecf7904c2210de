// SPDX-License-Identifier: Apache-2.0
#include "memory/page_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace flatkv::memory {
namespace {

constexpr std::size_t kPage = std::size_t{2} << 20;

bool all_zeros(const Pages& pages) {
  return std::all_of(pages.get(), pages.get() + kPage, [](std::uint8_t byte) { return byte == 0; });
}

TEST(PagePool, GivesWhatItWasGiven) {
  PagePool pool(4 * kPage);
  Pages pages = pool.take(kPage, true);
  EXPECT_TRUE(all_zeros(pages));
  const std::uint8_t* at = pages.get();
  pages[7] = 1;
  pool.give(std::move(pages), false);
  EXPECT_EQ(pool.kept(), kPage);
  Pages zeros = pool.take(kPage, true);
  EXPECT_NE(zeros.get(), at) << "those are not zeros";
  EXPECT_TRUE(all_zeros(zeros));
  Pages other = pool.take(2 * kPage, false);
  EXPECT_NE(other.get(), at) << "another size";
  EXPECT_EQ(pool.take(kPage, false).get(), at);
  EXPECT_EQ(pool.kept(), 0U);
}

TEST(PagePool, FillsWithZerosWhatIsTakenForSuch) {
  PagePool pool(kPage);
  Pages pages = pool.take(kPage, true);
  const std::uint8_t* at = pages.get();
  std::fill_n(pages.get(), kPage, std::uint8_t{0xff});
  pool.give(std::move(pages), true);
  pages = pool.take(kPage, true);
  EXPECT_EQ(pages.get(), at);
  EXPECT_TRUE(all_zeros(pages));
}

TEST(PagePool, KeepsNoMoreThanItMayAndTheLatest) {
  PagePool pool(2 * kPage);
  pool.give(pool.take(3 * kPage, false), false);
  EXPECT_EQ(pool.kept(), 0U);
  Pages first = pool.take(kPage, false);
  Pages second = pool.take(kPage, false);
  Pages third = pool.take(kPage, false);
  const std::uint8_t* oldest = first.get();
  for (Pages* pages : {&first, &second, &third}) pool.give(std::move(*pages), false);
  EXPECT_EQ(pool.kept(), 2 * kPage);
  first = pool.take(kPage, false);
  second = pool.take(kPage, false);
  EXPECT_EQ(pool.kept(), 0U);
  EXPECT_TRUE(first.get() != oldest && second.get() != oldest);
}

TEST(PagePool, SmallOnesAreTheHeaps) {
  PagePool pool(kPage);
  Pages small = pool.take(100, true);
  EXPECT_EQ(small.get_deleter().mapped, 0U);
  pool.give(std::move(small), true);
  EXPECT_EQ(pool.kept(), 0U);
}

TEST(Pages, PopulatingChangesNothing) {
  Pages pages = allocate_pages(3 * kPage);
  pages[kPage + 5] = 9;
  populate(pages.get() + 1, 2 * kPage);
  EXPECT_EQ(pages[kPage + 5], 9);
  EXPECT_EQ(pages[2 * kPage], 0);
}

}  // namespace
}  // namespace flatkv::memory
