// SPDX-License-Identifier: Apache-2.0
// No step of an open or a rollback fails without being told.
#include <gtest/gtest.h>

#include <optional>

#include "recovery/rollback.hpp"
#include "recovery/test_support.hpp"

namespace flatkv::recovery {
namespace {

/// Lets one change of a name or one sync of a directory fail in whatever `act` does to a copy of
/// the store, each in its turn: it must tell of that, and an open afterwards finds `version`, or
/// `other`.
class EveryFailure : public OpenStore {
 protected:
  using Operation = layout::WatchedFiles::Operation;

  template <class Act>
  void expect_told(Act act, std::int64_t version, std::int64_t other) {
    const std::string before = directory_ / "before";
    const std::string store = path();
    stdfs::copy(store, before, stdfs::copy_options::recursive);
    std::size_t told = 0;
    for (std::size_t at = 1;; ++at) {
      stdfs::remove_all(store);
      stdfs::copy(before, store, stdfs::copy_options::recursive);
      layout::WatchedFiles files;
      std::optional<Operation> failed;
      std::size_t counted = 0;
      files.before = [&](std::size_t, const Operation& operation) {
        if (!counts(files.operations) || ++counted != at) return Status{};
        failed = operation;
        return Status(fail(ErrorCode::io, "injected").path(operation.path));
      };
      const Status done = act(files);
      files.before = {};
      if (!failed) {
        EXPECT_TRUE(succeeds(done));
        break;
      }
      const std::string what = std::to_string(at) + ": " + failed->kind + " " + failed->path;
      EXPECT_TRUE(fails_with(done, ErrorCode::io, "injected")) << what;
      ++told;
      if (at > 8 && at % 8 != 0) continue;  // an open takes long
      const auto opened = try_open();
      ASSERT_TRUE(succeeds(opened)) << what;
      const auto state = opened->core->state();
      EXPECT_TRUE(state->version == version || state->version == other) << what;
      EXPECT_EQ(state->roots, roots_.at(static_cast<std::size_t>(state->version))) << what;
    }
    EXPECT_GT(told, 5U);
  }

  void make_blocks(int count) {
    const auto core = open();
    roots_ = {core->state()->roots};
    for (int i = 0; i < count; ++i) {
      roots_.push_back(block(*core));
      if (i == 1) must(core->snapshot());
    }
    must(core->close());
  }
  Status open_in(layout::WatchedFiles& files) const {
    const state::Environment environment{&files, nullptr};
    const auto opened = open_store(environment, path(), options_);
    files.before = {};
    if (!opened) return std::unexpected(opened.error());
    return opened->core->close();
  }

  std::vector<Roots> roots_;

 private:
  /// Whether the last operation is one to fail. Links are many and all alike; what is removed, and
  /// LOCK, may stay as it is.
  static bool counts(const std::vector<Operation>& operations) {
    const Operation& last = operations.back();
    const auto& before =
        operations[operations.size() - std::min<std::size_t>(operations.size(), 2)];
    if (last.kind == "link" || last.kind == "rmdir" || last.path.ends_with("/LOCK")) return false;
    if (last.kind == "mkdir") return !stdfs::exists(last.path);
    if (is_removal(last)) return false;
    if (last.kind == "unlink") return is_mark(last);
    if (last.kind != "sync") return true;
    if (is_removal(before) || before.kind == "rmdir") return false;
    // The leftovers of a generation are looked for before anything is done in it.
    return !last.path.ends_with("/gen-00000001") && !last.path.ends_with("/gen-00000002");
  }
  static bool is_mark(const Operation& operation) {
    return operation.path.ends_with("/CLEAN") || operation.path.ends_with("/UNDO");
  }
  /// A generation is removed under a name that counts as unfinished.
  static bool is_removal(const Operation& operation) {
    return operation.path.contains("/gen-00000001-");
  }
};

TEST_F(EveryFailure, OfAnOpenWithoutCurrentOrCleanIsTold) {
  make_blocks(4);
  remove_clean();
  Bytes last = slurp(segments().back());
  last.insert(last.end(), 50, 7);
  spill(segments().back(), last);
  stdfs::remove(path() + "/CURRENT");
  expect_told([&](auto& files) { return open_in(files); }, 4, 4);
}

TEST_F(EveryFailure, OfARebuildIsTold) {
  make_blocks(4);
  stdfs::remove_all(working(Database::code));
  expect_told([&](auto& files) { return open_in(files); }, 4, 4);
}

TEST_F(EveryFailure, OfANewLogIsTold) {
  make_blocks(4);
  for (const std::string& segment : segments()) stdfs::remove(segment);
  expect_told([&](auto& files) { return open_in(files); }, 4, 4);
}

TEST_F(EveryFailure, OfARollbackIsTold) {
  make_blocks(4);
  expect_told([&](auto& files) { return rollback_store({&files, nullptr}, path(), 3, {}); }, 4, 3);
}

}  // namespace
}  // namespace flatkv::recovery
