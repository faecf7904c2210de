// SPDX-License-Identifier: Apache-2.0
#include "fs/files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "base/failpoint.hpp"
#include "fs/absolute.hpp"
#include "fs/space.hpp"
#include "fs/test_directory.hpp"
#include "fs/test_support.hpp"

namespace flatkv::fs {
namespace {

TEST(Files, AbsolutePaths) {
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(absolute("/a/b/"), "/a/b/");
  EXPECT_EQ(absolute("a/../b/"), join(here, "a/../b/"));
  EXPECT_EQ(absolute(""), "");
}

std::string content(const std::string& path) {
  const auto bytes = read_file(posix(), path, 1 << 20);
  return bytes ? std::string(as_chars(*bytes)) : bytes.error().to_string();
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::invalid_argument : result.error().code;
}

std::vector<std::string> names(const std::string& directory) {
  std::vector<std::string> all;
  const auto entries = posix().list(directory);
  EXPECT_TRUE(entries.has_value());
  if (entries) {
    for (const DirEntry& entry : *entries) all.push_back(entry.name);
  }
  return all;
}

TEST(Files, AFullDiskSaysHowMuchIsNeeded) {
  TestDirectory directory;
  Interposed files([](std::string_view operation, const std::string& path) -> Status {
    if (operation != "rename") return {};
    return fail(ErrorCode::no_space, "rename: full").path(path);
  });
  const Status replaced = replace_file(files, directory / "a", Bytes(1234));
  ASSERT_EQ(code_of(replaced), ErrorCode::no_space);
  EXPECT_NE(replaced.error().message.find("1234 bytes are needed, "), std::string::npos)
      << replaced.error().message;
  EXPECT_TRUE(replaced.error().message.ends_with(" are free")) << replaced.error().message;

  const Status io = fail(ErrorCode::io, "broken").path(directory / "a");
  EXPECT_EQ(needing(1234, io).error().message, "broken");
  const Status nowhere = fail(ErrorCode::no_space, "full").path(directory / "absent/a");
  EXPECT_EQ(needing(1234, nowhere).error().message, "full; 1234 bytes are needed");
  EXPECT_TRUE(needing(1234, {}).has_value());
}

TEST(Files, JoinsAndSplitsPaths) {
  EXPECT_EQ(join("a", "b"), "a/b");
  EXPECT_EQ(join("a/", "b"), "a/b");
  EXPECT_EQ(join("/", "b"), "/b");
  EXPECT_EQ(join("", "b"), "b");
  EXPECT_EQ(parent("a/b"), "a");
  EXPECT_EQ(parent("/a/b/"), "/a");
  EXPECT_EQ(parent("a//b"), "a");
  EXPECT_EQ(parent("a"), ".");
  EXPECT_EQ(parent("a/"), ".");
  EXPECT_EQ(parent(""), ".");
  EXPECT_EQ(parent("/a"), "/");
  EXPECT_EQ(parent("//a"), "/");
  EXPECT_EQ(parent("/"), "/");
}

TEST(Files, AbsenceIsNotMixedUpWithAnythingElse) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", {}).has_value());
  std::filesystem::create_directory_symlink(directory.path(), directory / "link");
  EXPECT_TRUE(exists(posix(), directory / "file", FileType::file).value());
  EXPECT_TRUE(exists(posix(), directory.path(), FileType::directory).value());
  EXPECT_FALSE(exists(posix(), directory / "absent", FileType::file).value());
  EXPECT_EQ(code_of(exists(posix(), directory / "file", FileType::directory)),
            ErrorCode::corruption);
  EXPECT_EQ(code_of(exists(posix(), directory / "link", FileType::directory)),
            ErrorCode::corruption);
  EXPECT_EQ(code_of(exists(posix(), directory / "file/below", FileType::file)), ErrorCode::io);
  Interposed broken([](std::string_view, const std::string& path) -> Status {
    return fail(ErrorCode::permission, "refused").path(path);
  });
  EXPECT_EQ(code_of(exists(broken, directory / "file", FileType::file)), ErrorCode::permission);
}

TEST(Files, ReadsUpToItsLimit) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", as_bytes("12345")).has_value());
  ASSERT_TRUE(write_file(posix(), directory / "empty", {}).has_value());
  EXPECT_EQ(as_chars(read_file(posix(), directory / "file", 5).value()), "12345");
  EXPECT_TRUE(read_file(posix(), directory / "empty", 0)->empty());
  EXPECT_EQ(code_of(read_file(posix(), directory / "file", 4)), ErrorCode::corruption);
  EXPECT_EQ(code_of(read_file(posix(), directory / "absent", 4)), ErrorCode::not_found);
  // A sparse terabyte: refused by its size, before any memory is allocated.
  std::filesystem::resize_file(directory / "file", std::uintmax_t{1} << 40);
  EXPECT_EQ(code_of(read_file(posix(), directory / "file", 1 << 20)), ErrorCode::corruption);
}

TEST(Files, WriteFileDoesNotTouchAnExistingOne) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", as_bytes("old")).has_value());
  EXPECT_FALSE(write_file(posix(), directory / "file", as_bytes("new")).has_value());
  EXPECT_EQ(content(directory / "file"), "old");
}

// docs/hazards.md#rename-without-directory-sync
TEST(Files, ReplacingSyncsTheDirectoryAfterTheRename) {
  const TestDirectory directory;
  std::vector<std::string> operations;
  Interposed files([&](std::string_view operation, const std::string& path) -> Status {
    operations.push_back(std::string(operation) + " " + path.substr(directory.path().size()));
    return {};
  });
  ASSERT_TRUE(replace_file(files, directory / "CURRENT", as_bytes("1")).has_value());
  ASSERT_TRUE(replace_file(files, directory / "CURRENT", as_bytes("22")).has_value());
  EXPECT_EQ(content(directory / "CURRENT"), "22");
  EXPECT_EQ(names(directory.path()), std::vector<std::string>{"CURRENT"});
  const std::vector<std::string> once = {"unlink /CURRENT-tmp", "create /CURRENT-tmp",
                                         "rename /CURRENT-tmp", "sync_directory "};
  ASSERT_EQ(operations.size(), 8U);
  EXPECT_TRUE(std::equal(once.begin(), once.end(), operations.begin()));
}

TEST(Files, ReplacingGetsRidOfWhatACrashLeft) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "CURRENT", as_bytes("old")).has_value());
  ASSERT_TRUE(write_file(posix(), directory / "CURRENT-tmp", as_bytes("half")).has_value());
  ASSERT_TRUE(replace_file(posix(), directory / "CURRENT", as_bytes("new")).has_value());
  EXPECT_EQ(content(directory / "CURRENT"), "new");
  EXPECT_EQ(names(directory.path()).size(), 1U);
}

TEST(Files, CopiesAPrefix) {
  const TestDirectory directory;
  std::string text;
  for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i) + ' ';
  ASSERT_TRUE(write_file(posix(), directory / "from", as_bytes(text)).has_value());
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, std::size_t{1} << 20,
                                   (std::size_t{1} << 20) + 1, text.size()}) {
    const std::string to = directory / std::to_string(length);
    ASSERT_TRUE(copy_file(posix(), directory / "from", to, length).has_value());
    EXPECT_EQ(as_chars(read_file(posix(), to, text.size()).value()), text.substr(0, length));
  }
  EXPECT_EQ(code_of(copy_file(posix(), directory / "from", directory / "long", text.size() + 1)),
            ErrorCode::corruption);
  EXPECT_EQ(code_of(posix().stat(directory / "long")), ErrorCode::not_found);
  EXPECT_FALSE(copy_file(posix(), directory / "from", directory / "5", 6).has_value());
  EXPECT_EQ(content(directory / "5"), text.substr(0, 5)) << "an existing target was touched";
}

TEST(Files, LinksOrCopies) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "from", as_bytes("table")).has_value());
  ASSERT_TRUE(link_or_copy(posix(), directory / "from", directory / "linked").has_value());
  EXPECT_EQ(posix().stat(directory / "linked")->inode, posix().stat(directory / "from")->inode);

  ErrorCode how = ErrorCode::unsupported;
  Interposed files([&](std::string_view operation, const std::string& path) -> Status {
    if (operation == "link") return fail(how, "no links here").path(path);
    return {};
  });
  ASSERT_TRUE(link_or_copy(files, directory / "from", directory / "copied").has_value());
  EXPECT_NE(posix().stat(directory / "copied")->inode, posix().stat(directory / "from")->inode);
  EXPECT_EQ(content(directory / "copied"), "table");
  how = ErrorCode::no_space;  // not a reason to copy
  EXPECT_EQ(code_of(link_or_copy(files, directory / "from", directory / "x")), ErrorCode::no_space);

  std::filesystem::create_symlink(directory / "from", directory / "symlink");
  EXPECT_EQ(code_of(link_or_copy(posix(), directory / "symlink", directory / "y")),
            ErrorCode::corruption);
  EXPECT_EQ(code_of(link_or_copy(posix(), directory / "absent", directory / "y")),
            ErrorCode::not_found);
}

TEST(Files, RemoveTreeStaysInsideTheTree) {
  const TestDirectory directory;
  const std::string kept = directory / "kept";
  const std::string tree = directory / "tree";
  for (const std::string& path : {kept, tree, tree + "/a", tree + "/a/b", tree + "/a/empty"}) {
    ASSERT_TRUE(posix().make_directory(path).has_value());
  }
  ASSERT_TRUE(write_file(posix(), kept + "/file", as_bytes("kept")).has_value());
  ASSERT_TRUE(write_file(posix(), tree + "/a/b/file", {}).has_value());
  std::filesystem::create_directory_symlink(kept, tree + "/a/to-directory");
  std::filesystem::create_symlink(kept + "/file", tree + "/to-file");
  ASSERT_EQ(::mkfifo((tree + "/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(remove_tree(posix(), tree).has_value());
  EXPECT_EQ(code_of(posix().stat(tree)), ErrorCode::not_found);
  EXPECT_EQ(content(kept + "/file"), "kept");

  std::filesystem::create_directory_symlink(kept, directory / "link");
  ASSERT_TRUE(remove_tree(posix(), directory / "link").has_value());
  EXPECT_EQ(names(directory.path()), std::vector<std::string>{"kept"});
  EXPECT_EQ(content(kept + "/file"), "kept");
  EXPECT_TRUE(remove_tree(posix(), kept + "/file").has_value());
  EXPECT_TRUE(remove_tree(posix(), directory / "absent").has_value());
}

TEST(Files, RemoveTreeReportsWhatItCannotRemove) {
  const TestDirectory directory;
  ASSERT_TRUE(posix().make_directory(directory / "tree").has_value());
  ASSERT_TRUE(write_file(posix(), directory / "tree/file", {}).has_value());
  Interposed files([&](std::string_view operation, const std::string& path) -> Status {
    if (operation == "unlink") return fail(ErrorCode::io, "broken").path(path);
    return {};
  });
  const Status status = remove_tree(files, directory / "tree");
  EXPECT_EQ(code_of(status), ErrorCode::io);
  EXPECT_EQ(status.error().path, directory / "tree/file");
}

TEST(Files, EnsuredDirectoriesAreSyncedAlsoIfTheyWereThere) {
  const TestDirectory directory;
  unsigned syncs = 0;
  ErrorCode sync_error = ErrorCode::invalid_argument;
  Interposed files([&](std::string_view operation, const std::string& path) -> Status {
    if (operation != "sync_directory") return {};
    EXPECT_EQ(path, directory.path());
    ++syncs;
    if (sync_error != ErrorCode::invalid_argument) return fail(sync_error, "injected");
    return {};
  });
  EXPECT_TRUE(ensure_directory(files, directory / "d").has_value());
  EXPECT_TRUE(ensure_directory(files, directory / "d").has_value());
  EXPECT_EQ(syncs, 2U);
  sync_error = ErrorCode::permission;
  EXPECT_TRUE(ensure_directory(files, directory / "d").has_value());
  EXPECT_EQ(code_of(ensure_directory(files, directory / "e")), ErrorCode::permission);
  sync_error = ErrorCode::io;
  EXPECT_EQ(code_of(ensure_directory(files, directory / "d")), ErrorCode::io);
  sync_error = ErrorCode::invalid_argument;
  ASSERT_TRUE(write_file(posix(), directory / "file", {}).has_value());
  EXPECT_EQ(code_of(ensure_directory(files, directory / "file")), ErrorCode::corruption);
  EXPECT_EQ(code_of(ensure_directory(files, directory / "absent/d")), ErrorCode::not_found);
}

#ifdef FLATKV_FAILPOINTS

/// Fails every site of one operation once, by an error and by the death of the process; `check`
/// then looks at the result.
class FilesFaults : public ::testing::TestWithParam<bool> {
 protected:
  ~FilesFaults() override { failpoint::disarm_all(); }

  void fail_at(const std::string& site, const std::function<Status()>& operation) {
    if (GetParam()) {
      failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected")); });
      const Status status = operation();
      ASSERT_FALSE(status.has_value()) << site << " was never reached";
      EXPECT_EQ(status.error().message, "injected");
      return;
    }
    const int status = in_child([&] {
      failpoint::arm(site, []() -> Status { ::_exit(77); });
      return operation().has_value();
    });
    ASSERT_EQ(status, 77) << site << " was never reached";
  }
};

TEST_P(FilesFaults, ReplacedFilesAreOldOrNew) {
  for (const char* step : {"after_create", "after_write", "after_sync", "after_rename"}) {
    const TestDirectory directory;
    const std::string path = directory / "CURRENT";
    ASSERT_TRUE(replace_file(posix(), path, as_bytes("old")).has_value());
    fail_at("fs.replace_file." + std::string(step),
            [&] { return replace_file(posix(), path, as_bytes("newer")); });
    EXPECT_EQ(content(path), step == std::string("after_rename") ? "newer" : "old") << step;
    EXPECT_TRUE(!GetParam() || names(directory.path()).size() == 1) << step;
    ASSERT_TRUE(replace_file(posix(), path, as_bytes("last")).has_value()) << step;
    EXPECT_EQ(content(path), "last");
  }
}

TEST_P(FilesFaults, FailedWritesLeaveNothingBehind) {
  const TestDirectory directory;
  const std::string text(100, 'x');
  ASSERT_TRUE(write_file(posix(), directory / "from", as_bytes(text)).has_value());
  for (const char* step : {"after_create", "after_write"}) {
    const std::string written = directory / (std::string("written-") + step);
    fail_at("fs.write_file." + std::string(step),
            [&] { return write_file(posix(), written, as_bytes(text)); });
    const std::string copied = directory / (std::string("copied-") + step);
    fail_at("fs.copy_file." + std::string(step),
            [&] { return copy_file(posix(), directory / "from", copied, 50); });
  }
  EXPECT_EQ(names(directory.path()).size(), GetParam() ? 1U : 5U);
}

TEST_P(FilesFaults, RemovalAndMakingCanBeRepeated) {
  const TestDirectory directory;
  const std::string tree = directory / "tree";
  fail_at("fs.ensure_directory.after_make", [&] { return ensure_directory(posix(), tree); });
  ASSERT_TRUE(ensure_directory(posix(), tree).has_value());
  ASSERT_TRUE(write_file(posix(), tree + "/a", {}).has_value());
  fail_at("fs.remove_tree.before_entry", [&] { return remove_tree(posix(), tree); });
  EXPECT_EQ(names(tree).size(), 1U);
  fail_at("fs.remove_tree.before_directory", [&] { return remove_tree(posix(), tree); });
  EXPECT_EQ(names(tree).size(), 0U);
  ASSERT_TRUE(remove_tree(posix(), tree).has_value());
  EXPECT_EQ(names(directory.path()).size(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Both, FilesFaults, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Error" : "Exit"; });

#endif

}  // namespace
}  // namespace flatkv::fs
