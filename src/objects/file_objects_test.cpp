// SPDX-License-Identifier: Apache-2.0
#include "objects/file_objects.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "fs/test_directory.hpp"
#include "fs/test_support.hpp"

namespace flatkv::objects {
namespace {

TEST(FileObjects, ALife) {
  const fs::TestDirectory directory;
  const auto objects = Objects::open({Scheme::file, {}, directory / "made/here"}).value();
  EXPECT_TRUE(objects->list("").value().empty());
  const Bytes content = {1, 2, 3};
  ASSERT_TRUE(objects->put("b/one", content));
  ASSERT_TRUE(objects->put("a", content));
  ASSERT_TRUE(objects->put("b/two", Bytes{}));
  ASSERT_TRUE(objects->put("b/one", content));  // again
  std::ofstream(directory / "made/here/b/cut-tmp") << "of a put that was interrupted";
  EXPECT_EQ(objects->list("").value(),
            (std::vector<ObjectInfo>{{"a", 3}, {"b/one", 3}, {"b/two", 0}}));
  EXPECT_EQ(objects->list("b/o").value(), (std::vector<ObjectInfo>{{"b/one", 3}}));
  EXPECT_EQ(objects->get("b/one", 3).value(), content);
  EXPECT_EQ(objects->get("b/one", 2).error().code, ErrorCode::corruption);
  EXPECT_EQ(objects->get("b/one", 4).error().code, ErrorCode::corruption);
  EXPECT_EQ(objects->get("none", 1).error().code, ErrorCode::not_found);
  EXPECT_EQ(objects->read("b/one", 2).error().code, ErrorCode::corruption);
  EXPECT_EQ(objects->size("b").error().code, ErrorCode::corruption);
  EXPECT_EQ(objects->bytes_received(), 6U);
  ASSERT_TRUE(objects->remove("b/one"));
  ASSERT_TRUE(objects->remove("b/one"));
  ASSERT_TRUE(objects->remove("b/two"));
  EXPECT_EQ(objects->list("").value(), (std::vector<ObjectInfo>{{"a", 3}}));
  EXPECT_FALSE(std::filesystem::exists(directory / "made/here/b")) << "with what was interrupted";
}

TEST(FileObjects, WhatIsInTheWayIsAnErrorAndLeavesNothing) {
  const fs::TestDirectory directory;
  const auto objects = Objects::open({Scheme::file, {}, directory / "here"}).value();
  ASSERT_TRUE(objects->put("a/b", Bytes{1}));
  const auto put = objects->put("a", Bytes{2});  // a directory has that name
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, ErrorCode::io) << put.error().to_string();
  EXPECT_EQ(objects->list("").value(), (std::vector<ObjectInfo>{{"a/b", 1}}));
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory / "here")) {
    EXPECT_EQ(entry.path().filename(), "a");
    ++entries;
  }
  EXPECT_EQ(entries, 1U) << "what was not finished is removed";
  // A place that is no directory does not pass for an empty one.
  const auto file = Objects::open({Scheme::file, {}, directory / "here/a/b"}).value();
  const auto listed = file->list("");
  ASSERT_FALSE(listed);
  EXPECT_NE(listed.error().code, ErrorCode::not_found);
  EXPECT_NE(listed.error().path.find("here/a/b"), std::string::npos);
}

// An export that died left directories whose entries nobody had synced; those of the next one, too,
// have to outlast a power cut.
TEST(FileObjects, DirectoriesThatWereThereAreSyncedOnce) {
  const fs::TestDirectory directory;
  std::filesystem::create_directories(directory / "here/a/b");
  std::vector<std::string> synced;
  fs::Interposed files([&](std::string_view operation, const std::string& path) -> Status {
    if (operation == "sync_directory") synced.push_back(path);
    return {};
  });
  FileObjects objects(files, directory / "here");
  ASSERT_TRUE(objects.put("a/b/one", Bytes{1}));
  EXPECT_EQ(synced, (std::vector<std::string>{directory.path(), directory / "here",
                                              directory / "here/a", directory / "here/a/b"}));
  synced.clear();
  ASSERT_TRUE(objects.put("a/b/two", Bytes{2}));
  EXPECT_EQ(synced, std::vector<std::string>{directory / "here/a/b"});
  synced.clear();
  std::filesystem::remove_all(directory / "here/a");  // as the removal of the last object does
  ASSERT_TRUE(objects.put("a/b/two", Bytes{2}));
  EXPECT_EQ(synced, (std::vector<std::string>{directory / "here", directory / "here/a",
                                              directory / "here/a/b"}));
}

TEST(FileObjects, ManyPutTheSameAtOnce) {
  const fs::TestDirectory directory;
  const Location location{Scheme::file, {}, directory / "here"};
  const Bytes content(std::size_t{1} << 20, 7);
  ASSERT_TRUE(Objects::open(location).value()->put("part", content));
  std::atomic<int> refused = 0;
  std::vector<std::jthread> exports;
  for (int i = 0; i < 4; ++i) {
    exports.emplace_back([&] {
      const auto objects = Objects::open(location).value();
      for (int put = 0; put < 20; ++put) {
        if (!objects->put("part", content)) ++refused;
        // Whatever the others do, it is there and whole.
        if (objects->get("part", content.size()) != content) ++refused;
      }
    });
  }
  exports.clear();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory / "here"), {}), 1);
}

}  // namespace
}  // namespace flatkv::objects
