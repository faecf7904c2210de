// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "fs/files.hpp"
#include "fs/network.hpp"
#include "fs/test_directory.hpp"
#include "fs/write_fully.hpp"

namespace flatkv::fs {
namespace {

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Status append_text(AppendFile& file, std::string_view text) {
  const ByteView part = as_bytes(text);
  return file.append({&part, 1});
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::invalid_argument : result.error().code;
}

mode_t mode_of(const std::string& path) {
  struct stat info{};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0);
  return info.st_mode & 07777U;
}

TEST(Posix, ModesDoNotDependOnTheUmask) {
  const TestDirectory directory;
  for (const mode_t mask : {0000U, 0022U, 0377U, 0777U}) {
    const mode_t before = ::umask(mask);
    const std::string name = directory / std::to_string(mask);
    const bool made =
        posix().create(name).has_value() && posix().make_directory(name + "-directory").has_value();
    ::umask(before);
    ASSERT_TRUE(made);
    EXPECT_EQ(mode_of(name), 0600U);
    EXPECT_EQ(mode_of(name + "-directory"), 0700U);
  }
}

TEST(Posix, CreateRefusesWhatExists) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", as_bytes("old")).has_value());
  EXPECT_EQ(code_of(posix().create(directory / "file")), ErrorCode::io);
  EXPECT_EQ(slurp(directory / "file"), "old");
  EXPECT_EQ(code_of(posix().make_directory(directory / "file")), ErrorCode::io);
  EXPECT_EQ(code_of(posix().create(directory / "absent/file")), ErrorCode::not_found);
}

TEST(Posix, AppendsManyPartsAcrossReopening) {
  const TestDirectory directory;
  std::string expected;
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(i % 7 == 0 ? "" : std::to_string(i) + ",");
  std::vector<ByteView> parts;
  for (const std::string& text : texts) {
    parts.push_back(as_bytes(text));
    expected += text;
  }
  {
    const auto file = posix().create(directory / "file");
    ASSERT_TRUE(file.has_value());
    EXPECT_TRUE((*file)->append({}).has_value());
    ASSERT_TRUE((*file)->append(parts).has_value());
    EXPECT_TRUE((*file)->sync().has_value());
    EXPECT_EQ((*file)->size(), expected.size());
  }
  const auto again = posix().open_append(directory / "file");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ((*again)->size(), expected.size());
  ASSERT_TRUE(append_text(**again, "end").has_value());
  EXPECT_EQ((*again)->size(), expected.size() + 3);
  EXPECT_EQ(slurp(directory / "file"), expected + "end");
}

/// A writev that is interrupted every third time and otherwise takes `step` bytes at most.
struct ReluctantWriter {
  std::size_t step;
  std::string& text;
  unsigned calls = 0;
  ssize_t operator()(const iovec* parts, int count) {
    if (++calls % 3 == 0) {
      errno = EINTR;
      return -1;
    }
    std::size_t taken = 0;
    for (int i = 0; i < count && taken < step; ++i) {
      const std::size_t now = std::min(step - taken, parts[i].iov_len);
      text.append(static_cast<const char*>(parts[i].iov_base), now);
      taken += now;
    }
    return static_cast<ssize_t>(taken);
  }
};

TEST(WriteFully, TakesUpWhereAShortWriteStopped) {
  std::array<std::string, 4> parts = {"a", "bcdefgh", "ij", "klmnopqrstuvwxyz"};
  for (std::size_t step = 1; step <= 27; ++step) {
    std::array<iovec, 4> vectors{};
    for (std::size_t i = 0; i < parts.size(); ++i) vectors[i] = {parts[i].data(), parts[i].size()};
    std::string text;
    const Written done = write_fully(vectors, ReluctantWriter{step, text});
    EXPECT_EQ(done.error, 0);
    EXPECT_EQ(done.bytes, 26U);
    EXPECT_EQ(text, "abcdefghijklmnopqrstuvwxyz") << step;
  }
}

TEST(WriteFully, GivesUpOnErrorsAndOnNoProgress) {
  std::string part = "abc";
  iovec vector = {part.data(), part.size()};
  unsigned calls = 0;
  Written done = write_fully({&vector, 1}, [&](const iovec*, int) -> ssize_t {
    if (++calls == 1) return 1;
    errno = ENOSPC;
    return -1;
  });
  EXPECT_EQ(done.error, ENOSPC);
  EXPECT_EQ(done.bytes, 1U);
  EXPECT_EQ(calls, 2U);
  done = write_fully({&vector, 1}, [](const iovec*, int) -> ssize_t { return 0; });
  EXPECT_EQ(done.error, EIO);
}

TEST(Posix, CompletesShortWritesAndIsBrokenAfterAFailedOne) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", {}).has_value());
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  // A limit in the middle of a part makes the kernel write less than asked, then nothing.
  const int status = in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = before;
    limit.rlim_cur = 10'000;
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    auto file = posix().open_append(directory / "file");
    const std::string text(6'000, 'a');
    const std::array<ByteView, 2> parts = {as_bytes(text), as_bytes(text)};
    const Status full = (*file)->append(parts);
    if (full || full.error().code != ErrorCode::no_space) return false;
    if ((*file)->size() != 10'000) return false;  // the short write was completed
    limit.rlim_cur = before.rlim_cur;
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    // The end of the file is unknown: the handle stays broken even though there is room again.
    return !append_text(**file, "more") && !(*file)->sync();
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(slurp(directory / "file"), std::string(10'000, 'a'));
}

TEST(Posix, ReadsAtAnyOffset) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", as_bytes("0123456789")).has_value());
  const auto file = posix().open_read(directory / "file");
  ASSERT_TRUE(file.has_value());
  EXPECT_EQ((*file)->size(), 10U);
  Bytes buffer(4);
  EXPECT_EQ((*file)->read_at(3, buffer).value(), 4U);
  EXPECT_EQ(as_chars(buffer), "3456");
  EXPECT_EQ((*file)->read_at(8, buffer).value(), 2U);
  EXPECT_EQ((*file)->read_at(10, buffer).value(), 0U);
  EXPECT_EQ((*file)->read_at(1'000'000, buffer).value(), 0U);
  EXPECT_EQ((*file)->read_at(0, {}).value(), 0U);
  EXPECT_FALSE((*file)->read_at(~std::uint64_t{0}, buffer).has_value());
}

TEST(Posix, OpensOnlyRegularFilesAndFollowsNoLinks) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "file", as_bytes("x")).has_value());
  std::filesystem::create_symlink(directory / "file", directory / "link");
  std::filesystem::create_symlink(directory / "absent", directory / "dangling");
  std::filesystem::create_directory_symlink(directory.path(), directory / "directory-link");
  ASSERT_EQ(::mkfifo((directory / "fifo").c_str(), 0600), 0);

  for (const char* name : {"link", "dangling", "fifo", "."}) {
    EXPECT_FALSE(posix().open_read(directory / name).has_value()) << name;
    EXPECT_FALSE(posix().open_append(directory / name).has_value()) << name;
    EXPECT_FALSE(posix().create(directory / name).has_value()) << name;
  }
  EXPECT_FALSE(posix().stat(directory / "absent").has_value()) << "made through a dangling link";
  EXPECT_FALSE(posix().list(directory / "directory-link").has_value());
  EXPECT_FALSE(posix().sync_directory(directory / "directory-link").has_value());
  EXPECT_EQ(posix().stat(directory / "link")->type, FileType::symlink);

  // A hard link of a symbolic link is a symbolic link, not a second name of its target.
  ASSERT_TRUE(posix().link(directory / "link", directory / "link2").has_value());
  EXPECT_EQ(posix().stat(directory / "link2")->type, FileType::symlink);
}

TEST(Posix, ListsInNameOrderWithTypes) {
  const TestDirectory directory;
  for (const char* name : {"b", "a", "d"}) {
    ASSERT_TRUE(write_file(posix(), directory / name, {}).has_value());
  }
  ASSERT_TRUE(posix().make_directory(directory / "c").has_value());
  std::filesystem::create_symlink("a", directory / "e");
  ASSERT_EQ(::mkfifo((directory / "f").c_str(), 0600), 0);
  const auto entries = posix().list(directory.path());
  ASSERT_TRUE(entries.has_value());
  std::string seen;
  for (const DirEntry& entry : *entries) {
    seen += entry.name + std::to_string(static_cast<int>(entry.type)) + " ";
  }
  EXPECT_EQ(seen, "a0 b0 c1 d0 e2 f3 ");
  EXPECT_EQ(code_of(posix().list(directory / "absent")), ErrorCode::not_found);
}

TEST(Posix, RenamesLinksAndRemoves) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "a", as_bytes("A")).has_value());
  ASSERT_TRUE(write_file(posix(), directory / "b", as_bytes("B")).has_value());
  ASSERT_TRUE(posix().link(directory / "a", directory / "c").has_value());
  EXPECT_EQ(posix().stat(directory / "a")->inode, posix().stat(directory / "c")->inode);
  EXPECT_EQ(posix().stat(directory / "a")->links, 2U);
  EXPECT_EQ(code_of(posix().link(directory / "a", directory / "b")), ErrorCode::io);
  ASSERT_TRUE(posix().rename(directory / "b", directory / "c").has_value());
  EXPECT_EQ(slurp(directory / "c"), "B");
  EXPECT_EQ(slurp(directory / "a"), "A");
  EXPECT_EQ(code_of(posix().stat(directory / "b")), ErrorCode::not_found);
  EXPECT_EQ(code_of(posix().rename(directory / "b", directory / "d")), ErrorCode::not_found);
  EXPECT_TRUE(posix().unlink(directory / "a").has_value());
  EXPECT_EQ(code_of(posix().unlink(directory / "a")), ErrorCode::not_found);
  ASSERT_TRUE(posix().make_directory(directory / "full").has_value());
  ASSERT_TRUE(write_file(posix(), directory / "full/x", {}).has_value());
  EXPECT_FALSE(posix().remove_directory(directory / "full").has_value());
  EXPECT_FALSE(posix().unlink(directory / "full").has_value());
}

TEST(Posix, LinksThatCannotBeAreUnsupported) {
  const TestDirectory directory;
  // Another file system, if there is one; a directory cannot be linked anywhere (EPERM).
  ASSERT_TRUE(posix().make_directory(directory / "d").has_value());
  EXPECT_EQ(code_of(posix().link(directory / "d", directory / "e")), ErrorCode::unsupported);
  struct stat here{};
  ASSERT_EQ(::stat(directory.path().c_str(), &here), 0);
  // scripts/test has its temporary files in /dev/shm.
  for (const std::string place : {"/dev/shm", "/tmp", "/var/tmp", "."}) {
    struct stat there{};
    if (::stat(place.c_str(), &there) != 0 || here.st_dev == there.st_dev ||
        ::access(place.c_str(), W_OK) != 0) {
      continue;
    }
    ASSERT_TRUE(write_file(posix(), directory / "file", {}).has_value());
    const std::string other = place + "/flatkv-fs-test-" + std::to_string(::getpid());
    EXPECT_EQ(code_of(posix().link(directory / "file", other)), ErrorCode::unsupported);
    ::unlink(other.c_str());
    return;
  }
  GTEST_SKIP() << "no second file system for EXDEV";
}

TEST(Posix, ARenameToAnotherFileSystemIsUnsupported) {
  const TestDirectory directory;
  ASSERT_TRUE(posix().make_directory(directory / "d").has_value());
  EXPECT_EQ(code_of(posix().rename(directory / "d", "/proc/elsewhere")), ErrorCode::unsupported);
}

/// In a child: whether what is opened with descriptors 0 to 2 closed is never one of them.
TEST(Posix, StandardDescriptorsAreLeftAlone) {
  const TestDirectory directory;
  const int status = in_child([&] {
    for (int number = 0; number <= 2; ++number) ::close(number);
    const auto made = posix().create(directory / "file");
    const auto read = posix().open_read(directory / "file");
    const auto lock = posix().lock_directory(directory.path());
    bool fine = made && read && lock && posix().list(directory.path()) &&
                posix().sync_directory(directory.path());
    for (int number = 0; number <= 2; ++number) fine = fine && ::fcntl(number, F_GETFD) == -1;
    return fine;
  });
  EXPECT_EQ(status, 0);
}

TEST(Posix, RefusalsOfTheSystemArePermission) {
  const TestDirectory directory;
  ASSERT_TRUE(write_file(posix(), directory / "secret", as_bytes("x")).has_value());
  ASSERT_TRUE(posix().make_directory(directory / "closed").has_value());
  ASSERT_EQ(::chmod(directory.path().c_str(), 0755), 0);
  if (::geteuid() != 0) {
    ASSERT_EQ(::chmod((directory / "secret").c_str(), 0), 0);
    ASSERT_EQ(::chmod((directory / "closed").c_str(), 0), 0);
    ASSERT_EQ(::chmod(directory.path().c_str(), 0555), 0);
  }
  const int status = in_child([&] {
    if (!become_nobody()) return false;
    FileSystem& files = posix();
    constexpr ErrorCode kRefused = ErrorCode::permission;
    return code_of(files.open_read(directory / "secret")) == kRefused &&
           code_of(files.open_append(directory / "secret")) == kRefused &&
           code_of(files.create(directory / "new")) == kRefused &&
           code_of(files.make_directory(directory / "new")) == kRefused &&
           code_of(files.list(directory / "closed")) == kRefused &&
           code_of(files.lock_directory(directory / "closed")) == kRefused &&
           code_of(files.unlink(directory / "secret")) == kRefused &&
           code_of(files.rename(directory / "secret", directory / "x")) == kRefused &&
           code_of(files.sync_directory(directory / "closed")) == kRefused &&
           code_of(files.stat(directory / "closed/x")) == kRefused;
  });
  EXPECT_EQ(status, 0);
  if (::geteuid() != 0) ::chmod(directory.path().c_str(), 0700);
}

TEST(Posix, AFullDiskIsNoSpace) {
  const TestDirectory directory;
  const std::string disk = directory / "disk";
  ASSERT_TRUE(posix().make_directory(disk).has_value());
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "may not mount a small file system";
  }
  const std::string text(1 << 20, 'x');
  const Status written = write_file(posix(), disk + "/file", as_bytes(text));
  const bool left = posix().stat(disk + "/file").has_value();
  const Status fits = write_file(posix(), disk + "/small", as_bytes("x"));
  ASSERT_EQ(::umount(disk.c_str()), 0);
  EXPECT_EQ(code_of(written), ErrorCode::no_space);
  EXPECT_FALSE(left) << "the part that was written still takes up the disk";
  EXPECT_TRUE(fits.has_value());
}

TEST(Posix, ErrorsNameThePathAndTheReason) {
  const TestDirectory directory;
  const auto result = posix().open_read(directory / "absent");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().path, directory / "absent");
  EXPECT_NE(result.error().message.find("No such file"), std::string::npos);
}

TEST(Posix, KnowsNetworkFileSystems) {
  for (const std::uint32_t type :
       {0x6969U, 0xFF534D42U, 0xFE534D42U, 0x01021997U, 0x5346414FU, 0x00C36400U, 0x0BD00BD0U}) {
    EXPECT_TRUE(is_network_type(type)) << std::hex << type;
  }
  // ext4, tmpfs, xfs, btrfs, overlayfs, FUSE
  for (const std::uint32_t type :
       {0xEF53U, 0x01021994U, 0x58465342U, 0x9123683EU, 0x794C7630U, 0x65735546U}) {
    EXPECT_FALSE(is_network_type(type)) << std::hex << type;
  }
  EXPECT_FALSE(posix().is_network("/proc").value());
  EXPECT_EQ(code_of(posix().is_network("/absent/path")), ErrorCode::not_found);
}

}  // namespace
}  // namespace flatkv::fs
