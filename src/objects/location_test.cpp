// SPDX-License-Identifier: Apache-2.0
#include "objects/location.hpp"

#include <gtest/gtest.h>

namespace flatkv::objects {
namespace {

TEST(Location, WhatItSays) {
  const auto s3 = Location::parse("s3://state-snapshots/main net/v=1/").value();
  EXPECT_EQ(s3.scheme, Scheme::s3);
  EXPECT_EQ(s3.bucket, "state-snapshots");
  EXPECT_EQ(s3.path, "main net/v=1");
  EXPECT_EQ(s3.to_string(), "s3://state-snapshots/main net/v=1");
  EXPECT_EQ(s3.below("x").to_string(), "s3://state-snapshots/main net/v=1/x");
  EXPECT_EQ(s3.above().to_string(), "s3://state-snapshots/main net");
  EXPECT_EQ(s3.name(), "v=1");
  EXPECT_EQ(Location::parse("s3://bucket")->below("x").to_string(), "s3://bucket/x");
  EXPECT_EQ(Location::parse("s3://bucket/x")->above().to_string(), "s3://bucket");
  EXPECT_EQ(Location::parse("file:///a/b/")->path, "/a/b");
  EXPECT_EQ(Location::parse("file:a/b")->path, "a/b");
  EXPECT_EQ(Location::parse("file:/")->below("x").path, "/x");
  EXPECT_EQ(Location::parse("https://host:8443/a/b/")->path, "https://host:8443/a/b");
}

TEST(Location, WhatIsRefused) {
  for (const char* const text : {"",
                                 "state",
                                 "./state",
                                 "ftp://host/x",
                                 "s3://",
                                 "s3://ab",
                                 "s3://Bucket",
                                 "s3://b_cket/x",
                                 "s3://-bucket",
                                 "s3://bucket//x",
                                 "s3://bucket/a/../b",
                                 "s3://bucket/./a",
                                 "s3://bucket/a\nb",
                                 "file:",
                                 "file://host/x",
                                 "http://",
                                 "http:///x",
                                 "https://key:secret@host/x",
                                 "https://host/x?X-Amz-Signature=1",
                                 "https://host/x#y",
                                 "https://host/a b"}) {
    const auto parsed = Location::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_FALSE(parsed.error().to_string().contains("secret")) << "an error must not repeat it";
  }
  EXPECT_FALSE(Location::parse("s3://bucket/" + std::string(801, 'x')));
}

}  // namespace
}  // namespace flatkv::objects
