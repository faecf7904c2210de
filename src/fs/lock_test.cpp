// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <csignal>

#include "fs/files.hpp"
#include "fs/test_directory.hpp"

namespace flatkv::fs {
namespace {

ErrorCode lock_error(const std::string& path) {
  const auto lock = posix().lock_directory(path);
  EXPECT_FALSE(lock.has_value());
  return lock ? ErrorCode::invalid_argument : lock.error().code;
}

// docs/hazards.md#locks-that-do-not-exclude
TEST(DirLock, ExcludesASecondHandleOfTheSameProcess) {
  const TestDirectory directory;
  {
    const auto lock = posix().lock_directory(directory.path());
    ASSERT_TRUE(lock.has_value());
    EXPECT_EQ(lock_error(directory.path()), ErrorCode::locked);
  }
  EXPECT_TRUE(posix().lock_directory(directory.path()).has_value());
}

TEST(DirLock, ExcludesAnotherProcess) {
  const TestDirectory directory;
  const auto lock = posix().lock_directory(directory.path());
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(in_child([&] { return lock_error(directory.path()) == ErrorCode::locked; }), 0);
}

// docs/hazards.md#locks-that-do-not-exclude
TEST(DirLock, SurvivesTheDeletionOfEveryFile) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "LOCK", as_bytes("pid 1")).has_value());
  const auto lock = posix().lock_directory(directory.path());
  ASSERT_TRUE(lock.has_value());
  const auto entries = posix().list(directory.path());
  ASSERT_EQ(entries->size(), 1U);
  ASSERT_TRUE(posix().unlink(directory / "LOCK").has_value());
  EXPECT_EQ(lock_error(directory.path()), ErrorCode::locked);
  ASSERT_TRUE(write_file(posix(), directory / "LOCK", as_bytes("pid 2")).has_value());
  EXPECT_EQ(lock_error(directory.path()), ErrorCode::locked);
}

TEST(DirLock, IsFreeAtOnceWhenItsHolderIsKilled) {
  const TestDirectory directory;
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const auto lock = posix().lock_directory(directory.path());
    const char answer = lock ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) == 1) ::pause();
    ::_exit(1);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(lock_error(directory.path()), ErrorCode::locked);
  ASSERT_EQ(::kill(holder, SIGKILL), 0);
  ASSERT_EQ(::waitpid(holder, nullptr, 0), holder);
  EXPECT_TRUE(posix().lock_directory(directory.path()).has_value());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(DirLock, IsFreeOnceReleasedThoughAForkedChildHasTheSameDescriptor) {
  const TestDirectory directory;
  std::array<int, 2> end{};
  ASSERT_EQ(::pipe2(end.data(), O_CLOEXEC), 0);
  auto lock = posix().lock_directory(directory.path());
  ASSERT_TRUE(lock.has_value());
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(end[1]);
    char nothing = 0;
    ::_exit(::read(end[0], &nothing, 1) == 0 ? 0 : 1);
  }
  (*lock).reset();
  EXPECT_TRUE(posix().lock_directory(directory.path()).has_value());
  ::close(end[1]);
  ::close(end[0]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(DirLock, AForkedChildThatLetsGoOfItReleasesNothing) {
  const TestDirectory directory;
  auto lock = posix().lock_directory(directory.path());
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(in_child([&] {
              (*lock).reset();
              return true;
            }),
            0);
  EXPECT_EQ(lock_error(directory.path()), ErrorCode::locked);
}

/// Whether a program that a child executes can see our descriptors on `path`.
bool inherited_over_exec(const std::string& path) {
  const std::string command = "for f in /proc/self/fd/*; do test \"$(readlink \"$f\")\" = '" +
                              path + "' && exit 9; done; exit 0";
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    ::_exit(8);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_NE(WEXITSTATUS(status), 8);
  return WEXITSTATUS(status) == 9;
}

TEST(DirLock, NoDescriptorOutlivesAnExec) {
  const TestDirectory directory;
  const std::string path = std::filesystem::canonical(directory.path());
  {
    // Proves the method: a descriptor without the flag is seen.
    const int leaky = ::open(path.c_str(), O_RDONLY | O_DIRECTORY);  // NOLINT(android-cloexec-open)
    ASSERT_GE(leaky, 0);
    EXPECT_TRUE(inherited_over_exec(path));
    ::close(leaky);
  }
  const auto lock = posix().lock_directory(path);
  ASSERT_TRUE(lock.has_value());
  EXPECT_FALSE(inherited_over_exec(path));
  const auto written = posix().create(path + "/written");
  ASSERT_TRUE(written.has_value());
  EXPECT_FALSE(inherited_over_exec(path + "/written"));
  const auto appended = posix().open_append(path + "/written");
  const auto read = posix().open_read(path + "/written");
  ASSERT_TRUE(appended.has_value() && read.has_value());
  EXPECT_FALSE(inherited_over_exec(path + "/written"));
}

TEST(DirLock, NoticesThatItsDirectoryIsNoLongerAtThePath) {
  const TestDirectory directory;
  const std::string store = directory / "store";
  ASSERT_TRUE(posix().make_directory(store).has_value());
  const auto lock = posix().lock_directory(store);
  ASSERT_TRUE(lock.has_value());
  EXPECT_TRUE((*lock)->still_at(store).value());

  ASSERT_TRUE(posix().rename(store, directory / "moved").has_value());
  EXPECT_FALSE((*lock)->still_at(store).value());
  EXPECT_TRUE((*lock)->still_at(directory / "moved").value());

  ASSERT_TRUE(posix().make_directory(store).has_value());
  EXPECT_FALSE((*lock)->still_at(store).value());
  ASSERT_TRUE(posix().remove_directory(store).has_value());
  std::filesystem::create_symlink(directory / "moved", store);
  EXPECT_FALSE((*lock)->still_at(store).value()) << "a link to it is not it";
}

TEST(DirLock, IsNotTakenOnWhatIsNoDirectory) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", as_bytes("x")).has_value());
  EXPECT_FALSE(posix().lock_directory(directory / "file").has_value());
  std::filesystem::create_directory_symlink(directory.path(), directory / "link");
  EXPECT_FALSE(posix().lock_directory(directory / "link").has_value());
  EXPECT_EQ(lock_error(directory / "absent"), ErrorCode::not_found);
}

}  // namespace
}  // namespace flatkv::fs
