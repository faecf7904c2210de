// SPDX-License-Identifier: Apache-2.0
// What a store guarantees its owner on a shared machine: nobody else can read it, and no link
// placed inside leads out of it (docs/specification.md#permissions-and-links).
#include <sys/stat.h>

#include "base/bytes.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class Security : public StoreFixture {
 protected:
  void SetUp() override {
    options_.segment_bytes = 2048;
    options_.snapshot.keep = 3;
  }

  /// A closed store with two snapshots, several segments and tables.
  void make() {
    open();
    blocks(6);
    ASSERT_OK(store_->snapshot());
    blocks(6);
    ASSERT_OK(store_->snapshot());
    blocks(3);
    close();
  }
};

/// Sets a umask of 0, so that files have exactly the modes that they are created with.
class OpenUmask {
 public:
  OpenUmask() : before_(::umask(0)) {}
  ~OpenUmask() { ::umask(before_); }
  OpenUmask(const OpenUmask&) = delete;
  OpenUmask& operator=(const OpenUmask&) = delete;

 private:
  ::mode_t before_;
};

void expect_private(const std::string& path) {
  std::size_t files = 0;
  for (const auto& entry : stdfs::recursive_directory_iterator(path)) {
    struct stat info{};
    // A compaction has removed it meanwhile.
    if (::lstat(entry.path().c_str(), &info) != 0) continue;
    EXPECT_EQ(info.st_mode & 07777U, entry.is_directory() ? 0700U : 0600U) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 10U);
}

TEST_F(Security, FilesAreForTheOwnerOnlyWhateverTheUmask) {
  const OpenUmask umask;
  options_.flush.write_buffer_bytes = 16 << 10;  // so that flushes and compactions happen
  open();
  blocks(40);
  ASSERT_OK(store_->snapshot());
  expect_private(path());
  const std::string scratch = directory_.path("scratch");
  stdfs::create_directory(scratch);
  {
    ReadOnlyOptions options;
    const auto inside = ReadOnlyStore::open(path(), options);
    ASSERT_OK(inside);
    options.scratch = scratch;
    const auto outside = ReadOnlyStore::open(path(), options);
    ASSERT_OK(outside);
    expect_private(path());
    expect_private(scratch);
  }
  const std::string stream = directory_.path("state.zst");
  const auto view = store_->view();
  ASSERT_OK(view);
  ASSERT_OK(export_to_file(*view, stream));
  struct stat info{};
  ASSERT_EQ(::stat(stream.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0600U);
  const std::string other = directory_.path("imported");
  ASSERT_OK(import_file(stream, other));
  expect_private(other);
  ASSERT_OK(store_->rollback(38));
  expect_private(path());
  struct stat top{};
  ASSERT_EQ(::stat(path().c_str(), &top), 0);
  EXPECT_EQ(top.st_mode & 07777U, 0700U);
}

/// Replaces each file and directory in turn by a link to it. Whatever is then done with the store,
/// it neither uses nor touches what the link points to.
TEST_F(Security, S7_NoLinkInsideAStoreIsFollowed) {
  make();
  const std::string pristine = aside("pristine");
  copy_tree(path(), pristine);
  std::vector<std::string> entries;
  for (const auto& [name, what] : tree_state(pristine)) {
    // Take the files of two databases only: the same rule holds for all five.
    const bool inside = name.find("/account/") != std::string::npos ||
                        name.find("/code/") != std::string::npos ||
                        name.find("/legacy/") != std::string::npos;
    if (!inside) entries.push_back(name);
  }
  ASSERT_GT(entries.size(), 30U);
  unsigned refused = 0;
  for (const std::string& name : entries) {
    SCOPED_TRACE(name);
    copy_tree(pristine, path());
    const std::string target = aside("target");
    remove_tree(target);
    stdfs::rename(path() + "/" + name, target);
    stdfs::create_symlink(target, path() + "/" + name);
    const bool directory = stdfs::is_directory(target);
    const auto state_of = [&] {
      if (directory) return tree_state(target);
      return std::map<std::string, std::string>{{"", to_hex(read_file(target))}};
    };
    const auto before = state_of();

    static_cast<void>(inspect_store(path()));
    static_cast<void>(list_snapshots(path()));
    static_cast<void>(roots_at(path(), 9));
    if (const auto clone = ReadOnlyStore::open(path())) {
      EXPECT_TRUE(view_is(clone->view(), model_.committed()));
    }
    EXPECT_TRUE(stdfs::is_symlink(path() + "/" + name)) << "looking has mended something";
    {
      auto opened = CommitStore::open(path(), options_);
      if (opened) {
        EXPECT_TRUE(store_is(*opened, model_.committed()));
        EXPECT_OK(opened->close());
        const std::string live = live_generation(path());
        for (const char* part : {"/working", "/changelog", "/flush", "/MANIFEST.json", "/CLEAN"}) {
          const std::string inside = live + part;
          EXPECT_FALSE(stdfs::is_symlink(inside)) << inside;
          if (!stdfs::is_directory(inside)) continue;
          for (const auto& entry : stdfs::recursive_directory_iterator(inside)) {
            EXPECT_FALSE(entry.is_symlink()) << entry.path();
          }
        }
      } else {
        ++refused;
      }
    }
    static_cast<void>(flatkv::rollback(path(), 8));
    EXPECT_TRUE(state_of() == before) << "what the link leads to was changed";
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 10U);
}

}  // namespace
}  // namespace flatkv::test
