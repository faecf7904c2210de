// SPDX-License-Identifier: Apache-2.0
#include "commit/overlays.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace flatkv::commit {
namespace {

TEST(Overlays, MemoryUpToTheLimitIsGranted) {
  const Overlays overlays("/store", 100);
  EXPECT_EQ(overlays.memory(), 0U);
  EXPECT_TRUE(overlays.check_room(0));
  EXPECT_TRUE(overlays.check_room(100));
  EXPECT_FALSE(overlays.check_room(101));
  EXPECT_FALSE(overlays.check_room(std::numeric_limits<std::uint64_t>::max()));
  *overlays.counter() += 40;
  EXPECT_EQ(overlays.memory(), 40U);
  EXPECT_TRUE(overlays.check_room(60));
  const Status refused = overlays.check_room(61);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_space);
  EXPECT_EQ(refused.error().path, "/store");
  EXPECT_EQ(refused.error().message,
            "overlays take 40 bytes, 61 more may be needed, the limit (overlay_memory_bytes) is "
            "100; stale ones count until they are destroyed");
  *overlays.counter() += 60;
  EXPECT_TRUE(overlays.check_room(0));
  EXPECT_FALSE(overlays.check_room(1));
  *overlays.counter() += 1;
  EXPECT_FALSE(overlays.check_room(0));
}

TEST(Overlays, AnotherGenerationGoesOnWithTheCount) {
  const Overlays last("/store", 100);
  *last.counter() += 30;
  Overlays next("/store", 100);
  next.count_with(last);
  EXPECT_EQ(next.memory(), 30U);
  *last.counter() -= 30;
  EXPECT_EQ(next.memory(), 0U);
}

TEST(Overlays, TheFirstEndIsTold) {
  using End = Overlays::End;
  for (const End first : {End::closed, End::rolled_back}) {
    Overlays overlays("/store", 100);
    EXPECT_TRUE(overlays.check_open());
    overlays.end(first);
    for (const End next : {End::rolled_back, End::closed}) {
      const Status ended = overlays.check_open();
      ASSERT_FALSE(ended);
      EXPECT_EQ(ended.error().path, "/store");
      const bool closed = first == End::closed;
      EXPECT_EQ(ended.error().code, closed ? ErrorCode::store_failed : ErrorCode::stale);
      EXPECT_EQ(ended.error().message,
                closed ? "the store is closed" : "the store was rolled back");
      overlays.end(next);
    }
  }
}

}  // namespace
}  // namespace flatkv::commit
