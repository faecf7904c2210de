// SPDX-License-Identifier: Apache-2.0
// A process is denied what it asks for: descriptors (N2) and access (W13). It gets an error or a
// failed store; the files are as whole as after any stop.
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <iostream>

#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kSeed = 53;
constexpr uid_t kNobody = 65534;

Options limited_options() {
  Options options = small_options();
  options.durability = Durability::sync;
  options.flush.write_buffer_bytes = 8 << 10;  // small, so that it flushes
  options.segment_bytes = 4 << 10;
  options.create_if_missing = true;
  return options;
}

/// Reports every step; exits 0 at the end, 2 if it could not open, 3 if an error stopped it.
int live(const std::string& path, const Reporter& reporter) {
  auto store = CommitStore::open(path, limited_options());
  if (!store) {
    reporter.say('e', static_cast<std::int64_t>(store.error().code));
    return 2;
  }
  reporter.say('r', store->version());
  const auto run = [&]() -> Status {
    for (int i = 0; i < 6; ++i) {
      const std::int64_t version = store->version() + 1;
      for (const Changes& changes : script_block(kSeed, version, {}, 40)) {
        if (auto applied = store->apply(changes); !applied) return applied;
      }
      reporter.say('s', version);
      const auto committed = store->commit(version);
      if (!committed) return std::unexpected(committed.error());
      reporter.say('a', version);
    }
    return store->snapshot();
  };
  const Status done = run();
  if (!done) reporter.say('e', static_cast<std::int64_t>(done.error().code));
  const Status closed = store->close();
  return done && closed ? 0 : 3;
}

/// Arguments: store, how many descriptors it may have.
int with_few_files(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const rlim_t limit = std::stoull(arguments.at(1));
  const rlimit both{limit, limit};
  if (::setrlimit(RLIMIT_NOFILE, &both) != 0) return 1;
  return live(arguments.at(0), reporter);
}
const RegisterChild kFewFiles("few files", with_few_files);

/// Arguments: store. Runs as a user who owns nothing, if we can be that.
int as_nobody(const std::vector<std::string>& arguments, const Reporter& reporter) {
  if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) ||
                           ::setresuid(kNobody, kNobody, kNobody))) {
    return 1;
  }
  return live(arguments.at(0), reporter);
}
const RegisterChild kNobodyMode("nobody", as_nobody);

class Limits : public StoreFixture {
 protected:
  void SetUp() override {
    options_ = limited_options();
    seed_ = kSeed;
  }
  /// Checks the store that a child left: whole, and between what was acknowledged and what was
  /// begun.
  void check_after(Child& child, std::int64_t least) {
    const std::int64_t acknowledged =
        std::max(least, child.last('a').value_or(child.last('r').value_or(least)));
    const std::int64_t started = std::max(acknowledged, child.last('s').value_or(acknowledged));
    const auto opened = try_open();
    ASSERT_OK(opened);
    ASSERT_GE(opened->version(), acknowledged);
    ASSERT_LE(opened->version(), started);
    Model model;
    while (model.version() < opened->version()) {
      for (const Changes& changes : script_block(kSeed, model.version() + 1, {}, 40)) {
        model.apply(changes);
      }
      model.commit();
    }
    ASSERT_TRUE(store_is(*opened, model.committed()));
  }
};

TEST_F(Limits, N2_TooFewDescriptors) {
  Child first = Child::start("few files", {path(), "1024"});
  ASSERT_EQ(first.wait(), 0);
  copy_tree(path(), aside("base"));
  const std::uint64_t step = environment("FLATKV_FAULT_FULL", 0) != 0 ? 1 : 4;
  unsigned refused = 0;
  unsigned failed = 0;
  std::uint64_t enough = 0;
  for (std::uint64_t limit = 6; enough == 0 && limit < 1024; limit += step) {
    SCOPED_TRACE("limit " + std::to_string(limit));
    copy_tree(aside("base"), path());
    const auto before = tree_state(path());
    Child child = Child::start("few files", {path(), std::to_string(limit)});
    const int status = child.wait();
    ASSERT_TRUE(WIFEXITED(status)) << "it crashed";
    const int code = WEXITSTATUS(status);
    ASSERT_TRUE(code == 0 || code == 2 || code == 3) << "exit " << code;
    if (code == 0) enough = limit;
    if (code == 2) {
      ++refused;
      EXPECT_EQ(child.last('e'), static_cast<std::int64_t>(ErrorCode::io));
    }
    if (code == 3) ++failed;
    if (code == 2 && !child.last('r')) {
      // It gave up before it had changed a record or a snapshot.
      const std::string generation = stdfs::path(live_generation(path())).filename();
      const auto after = tree_state(path());
      unsigned kept = 0;
      for (const auto& [file, content] : before) {
        if (!file.starts_with(generation + "/changelog/") &&
            !file.starts_with(generation + "/snapshot-")) {
          continue;
        }
        ++kept;
        const auto now = after.find(file);
        EXPECT_TRUE(now != after.end() && now->second == content) << file;
      }
      EXPECT_GT(kept, 1U);
    }
    check_after(child, 6);
    if (HasFatalFailure()) return;
    if (code == 2) count_fault("N2", Came::refused);
    if (code == 3) count_fault("N2", Came::failed);
  }
  std::cout << "refused " << refused << ", failed " << failed << ", enough with " << enough << "\n";
  EXPECT_GT(refused, 3U);
  EXPECT_GT(enough, 0U);
}

void give_to_nobody(const std::string& path) {
  if (::geteuid() != 0) return;
  for (const auto& entry : stdfs::recursive_directory_iterator(path)) {
    ASSERT_EQ(::lchown(entry.path().c_str(), kNobody, kNobody), 0);
  }
  ASSERT_EQ(::lchown(path.c_str(), kNobody, kNobody), 0);
}

TEST_F(Limits, W13_NoAccess) {
  // Let another user reach the store.
  stdfs::permissions(directory_.path(), stdfs::perms(0755));
  Child first = Child::start("few files", {path(), "1024"});
  ASSERT_EQ(first.wait(), 0);
  copy_tree(path(), aside("base"));
  const std::string generation = stdfs::path(live_generation(path())).filename();
  for (const std::string& part :
       {std::string(), std::string("/CURRENT"), "/" + generation,
        "/" + generation + "/MANIFEST.json", "/" + generation + "/changelog",
        "/" + generation + "/working", "/" + generation + "/working/storage"}) {
    for (const auto mode : {stdfs::perms(0), stdfs::perms(0500)}) {
      SCOPED_TRACE(part + " mode " + std::to_string(static_cast<unsigned>(mode)));
      remove_tree(path());
      copy_tree(aside("base"), path());
      give_to_nobody(path());
      const auto before = tree_state(path());
      stdfs::permissions(path() + part, mode);
      Child child = Child::start("nobody", {path()});
      const int status = child.wait();
      stdfs::permissions(path() + part, stdfs::perms(0700));
      ASSERT_TRUE(WIFEXITED(status));
      if (WEXITSTATUS(status) == 0) {
        EXPECT_EQ(mode, stdfs::perms(0500)) << "it opened what it may not read";
        check_after(child, 6);  // nothing had to be written
        continue;
      }
      EXPECT_EQ(child.last('e'), static_cast<std::int64_t>(ErrorCode::permission));
      // A process that may read but not write learns it at its first write.
      const std::string difference = tree_difference(before, tree_state(path()));
      EXPECT_TRUE(difference.empty() || mode != stdfs::perms(0)) << difference;
      check_after(child, 6);  // and no lock is left
      if (HasFatalFailure()) return;
      count_fault("W13", difference.empty() ? Came::refused : Came::failed);
    }
  }
}

}  // namespace
}  // namespace flatkv::test
