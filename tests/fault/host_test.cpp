// SPDX-License-Identifier: Apache-2.0
// A store's surroundings: the process's working directory, descriptors, orphans, and options that
// no machine can satisfy.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <limits>

#include "base/error.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "rocks/db.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/repair_one.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

/// Restores the process's working directory.
class InDirectory {
 public:
  explicit InDirectory(const std::string& path) : before_(stdfs::current_path()) { go(path); }
  ~InDirectory() { go(before_); }
  InDirectory(const InDirectory&) = delete;
  InDirectory& operator=(const InDirectory&) = delete;
  static void go(const stdfs::path& path) { stdfs::current_path(path); }

 private:
  stdfs::path before_;
};

class Host : public StoreFixture {
 protected:
  void pass(const char* row, Came came) {
    if (!HasFailure()) count_fault(row, came);
  }
};

TEST_F(Host, K8_AStoreStaysWhereItWasOpenedWhateverDirectoryTheProcessIsIn) {
  options_.snapshot.interval = 0;
  options_.create_if_missing = true;
  options_.scrub.mode = Scrub::by_hand;
  for (const char* name : {"a", "b"}) stdfs::create_directory(directory_.path(name));
  const InDirectory back(directory_.path("b"));
  {
    auto other = CommitStore::open("s", options_);
    ASSERT_OK(other);
    for (std::int64_t version = 1; version <= 5; ++version) {
      for (const Changes& changes : script_block(9, version)) ASSERT_OK(other->apply(changes));
      ASSERT_OK(other->commit(version));
      if (version < 5) {
        ASSERT_OK(other->snapshot());
      }
    }
    ASSERT_OK(other->close());
  }
  const auto before = tree_state("s");
  InDirectory::go(directory_.path("a"));
  auto store = CommitStore::open("s", options_);
  ASSERT_OK(store);
  Model model;
  const auto commit_next = [&] {
    return commit_both(*store, model, script_block(seed_, model.version() + 1));
  };
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(commit_next());
  const auto clone = ReadOnlyStore::open("s");
  ASSERT_OK(clone);

  InDirectory::go(directory_.path("b"));
  EXPECT_OK(store->snapshot());
  EXPECT_TRUE(commit_next());
  EXPECT_OK(store->flush());
  EXPECT_OK(store->scrub(1000));
  EXPECT_TRUE(commit_next());
  EXPECT_OK(store->rollback(21));
  EXPECT_OK(export_to_file(store->view().value(), "out"));
  EXPECT_OK(store->close());
  EXPECT_EQ(tree_difference(before, tree_state("s")), "") << "another store was touched";
  stdfs::remove("out");

  for (const char* name : {"a/s", "b/s"}) {
    auto again = CommitStore::open(directory_.path(name), options_);
    ASSERT_OK(again) << name;
    EXPECT_TRUE(again->open_report().clean) << name;
    const auto report = again->verify();
    ASSERT_OK(report);
    EXPECT_TRUE(report->good()) << name;
    EXPECT_EQ(again->version(), std::string(name) == "a/s" ? 21 : 5);
  }
  pass("K8", Came::recovered);
}

/// Arguments: store, descriptors. Opens it, commits some blocks, scans all of it.
int live_with_few(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const rlim_t limit = std::stoull(arguments.at(1));
  const rlimit both{limit, limit};
  if (::setrlimit(RLIMIT_NOFILE, &both) != 0) return 1;
  Options options = small_options();
  std::int64_t warnings = 0;
  options.log = [&](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning && message.find("RLIMIT_NOFILE") != std::string_view::npos) {
      ++warnings;
    }
  };
  auto store = CommitStore::open(arguments.at(0), options);
  if (!store) {
    reporter.say('e', static_cast<std::int64_t>(store.error().code));
    return 2;
  }
  for (int i = 0; i < 3; ++i) {
    const std::int64_t version = store->version() + 1;
    for (const Changes& changes : script_block(7, version)) {
      if (!store->apply(changes)) return 3;
    }
    if (!store->commit(version) || !store->flush()) return 4;
  }
  if (!store->snapshot()) return 5;
  const auto report = store->verify();
  reporter.say('v', report && report->good() ? store->version() : -1);
  reporter.say('w', warnings);
  return store->close() ? 0 : 6;
}
const RegisterChild kLiveWithFew("live with few files", live_with_few);

/// Adds tables to a database of a closed store that hold only deletions of absent rows, to get as
/// many tables as a store of tens of gigabytes has.
void add_tables(const std::string& path, int count) {
  rocks::DbOptions options;
  options.path = path;
  options.which = Database::storage;
  options.background_compaction = false;
  const auto db = rocks::Db::open(options, rocks::Db::Mode::read_write);
  ASSERT_OK(db);
  for (int i = 0; i < count; ++i) {
    const std::string table = path + "/../one.sst";
    auto writer = rocks::TableWriter::create(options, table);
    ASSERT_OK(writer);
    const Address owner = address(0xee00'0000U + static_cast<unsigned>(i));
    Bytes key(owner.begin(), owner.end());
    key.resize(52);
    ASSERT_OK(writer->remove(key));
    ASSERT_OK(writer->finish());
    ASSERT_OK((*db)->ingest({table}));
    stdfs::remove(table);
  }
}

TEST_F(Host, N6_TablesBeyondTheDescriptorsAreOpenedAsTheyAreRead) {
  open();
  blocks(10);
  close();
  add_tables(working(path(), "storage"), 300);
  Child child = Child::start("live with few files", {path(), "256"});
  ASSERT_EQ(WEXITSTATUS(child.wait()), 0) << "error " << child.last('e').value_or(-1);
  EXPECT_EQ(child.last('v'), 13);
  EXPECT_EQ(child.last('w'), 1) << "it says so, once";
  while (model_.version() < 13) {
    for (const Changes& changes : script_block(seed_, model_.version() + 1)) model_.apply(changes);
    model_.commit();
  }
  open();
  check_and_go_on();
  pass("N6", Came::recovered);
}

TEST_F(Host, K9_ClonesOfDeadReadersGoWithTheNextReader) {
  open();
  blocks(4);
  ASSERT_OK(store_->snapshot());
  const std::string scratch = directory_.path("scratch");
  stdfs::create_directory(scratch);
  for (const std::string& place : {path(), scratch}) {
    for (const char* name : {"/readonly-1-0011223344556677", "/readonly-2-0011223344556677-tmp"}) {
      stdfs::create_directories(place + name + "/working/account");
    }
    ReadOnlyOptions options;
    if (place == scratch) options.scratch = scratch;
    const auto first = ReadOnlyStore::open(path(), options);
    ASSERT_OK(first);
    const auto second = ReadOnlyStore::open(path(), options);  // does not take the first one's
                                                               // clone for an orphan
    ASSERT_OK(second);
    EXPECT_EQ(names(place, "readonly-").size(), 2U);
    for (const auto* reader : {&*first, &*second}) {
      const auto report = reader->verify();
      ASSERT_OK(report);
      EXPECT_TRUE(report->good());
    }
  }
  blocks(2);
  check();
  pass("K9", Came::recovered);
}

template <class T, class Change, class Call>
void refuses(T options, Change change, const char* name, Call call) {
  change(options);
  const auto result = call(options);
  ASSERT_FALSE(result.has_value()) << name;
  EXPECT_EQ(result.error().code, ErrorCode::invalid_argument) << result.error().to_string();
  EXPECT_NE(result.error().message.find("option " + std::string(name) + " is"), std::string::npos)
      << result.error().message;
  EXPECT_NE(result.error().message.find(" to "), std::string::npos) << result.error().message;
}

TEST_F(Host, OptionsThatNoMachineCanGiveAreRefusedByName) {
  const std::string made = directory_.path("made");
  const auto opens = [&](const Options& options) { return CommitStore::open(made, options); };
  Options base = small_options();
  base.create_if_missing = true;
  refuses(
      base, [](auto& to) { to.cache.row_cache_bytes = std::uint64_t{1} << 50; },
      "cache.row_cache_bytes", opens);
  refuses(
      base, [](auto& to) { to.cache.row_cache_bytes = kHuge - 1; }, "cache.row_cache_bytes", opens);
  refuses(
      base, [](auto& to) { to.cache.block_cache_bytes = kHuge; }, "cache.block_cache_bytes", opens);
  refuses(base, [](auto& to) { to.threads = 0xffff'ffffU; }, "threads", opens);
  refuses(base, [](auto& to) { to.threads = 1025U; }, "threads", opens);
  refuses(base, [](auto& to) { to.rollback_depth = 65537U; }, "rollback_depth", opens);
  refuses(base, [](auto& to) { to.reads.in_flight = 0U; }, "reads.in_flight", opens);
  refuses(base, [](auto& to) { to.reads.in_flight = 1025U; }, "reads.in_flight", opens);
  refuses(base, [](auto& to) { to.group_blocks = 0U; }, "group_blocks", opens);
  refuses(base, [](auto& to) { to.segment_bytes = std::uint64_t{0}; }, "segment_bytes", opens);
  refuses(
      base, [](auto& to) { to.scrub.rows_per_second = std::uint64_t{0}; }, "scrub.rows_per_second",
      opens);
  refuses(base, [](auto& to) { to.durability = static_cast<Durability>(3); }, "durability", opens);
  refuses(base, [](auto& to) { to.scrub.mode = static_cast<Scrub>(3); }, "scrub.mode", opens);
  refuses(
      base, [](auto& to) { to.create = CreateOptions{.initial_version = 0}; }, "initial_version",
      opens);
  const auto makes = [&](const CreateOptions& options) {
    return CommitStore::create(made, options);
  };
  refuses(
      CreateOptions{}, [](auto& to) { to.account_rows = static_cast<AccountRows>(2); },
      "account_rows", makes);
  for (const std::int64_t version :
       {std::int64_t{-1}, std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
    refuses(
        CreateOptions{}, [&](auto& to) { to.initial_version = version; }, "initial_version", makes);
  }
  const auto imports = [&](const ImportOptions& options) { return Importer::begin(made, options); };
  refuses(
      ImportOptions{}, [](auto& to) { to.account_rows = static_cast<AccountRows>(2); },
      "account_rows", imports);
  EXPECT_FALSE(stdfs::exists(made)) << "a refusal made something";

  open();
  blocks(2);
  const auto reads = [&](const ReadOnlyOptions& options) {
    return ReadOnlyStore::open(path(), options);
  };
  refuses(ReadOnlyOptions{}, [](auto& to) { to.threads = 0xffff'ffffU; }, "threads", reads);
  refuses(
      ReadOnlyOptions{}, [](auto& to) { to.block_cache_bytes = kHuge; }, "block_cache_bytes",
      reads);
  const auto view = store_->view();
  ASSERT_OK(view);
  const auto verifies = [&](const VerifyOptions& options) { return verify(*view, options); };
  refuses(VerifyOptions{}, [](auto& to) { to.threads = 0xffff'ffffU; }, "threads", verifies);
  refuses(
      VerifyOptions{}, [](auto& to) { to.database = std::optional(Database::metadata); },
      "database", verifies);
  const auto digests = [&](const DigestOptions& options) { return digest_state(*view, options); };
  refuses(DigestOptions{}, [](auto& to) { to.threads = 0xffff'ffffU; }, "threads", digests);
  check();
  close();
  const auto before = tree_state(path());
  const auto goes_back = [&](const RollbackOptions& options) {
    return rollback(path(), 1, options);
  };
  refuses(RollbackOptions{}, [](auto& to) { to.threads = 0xffff'ffffU; }, "threads", goes_back);
  refuses(
      RollbackOptions{}, [](auto& to) { to.block_cache_bytes = kHuge; }, "block_cache_bytes",
      goes_back);
  const auto repairs = [&](const RepairOptions& options) {
    return repair_one(path(), Database::account, options);
  };
  refuses(RepairOptions{}, [](auto& to) { to.threads = 0xffff'ffffU; }, "threads", repairs);
  refuses(
      RepairOptions{}, [](auto& to) { to.block_cache_bytes = kHuge; }, "block_cache_bytes",
      repairs);
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");
}

TEST_F(Host, ExtremeOptionsThatOnlyMakeAStoreSlowOrLazyWork) {
  const auto life = [&](const char* what, const Options& options) {
    SCOPED_TRACE(what);
    store_.reset();
    remove_tree(path());
    model_ = Model();
    options_ = options;
    open();
    blocks(12);
    EXPECT_OK(store_->snapshot());
    reopen();
    check_and_go_on();
  };
  Options least = small_options();
  least.group_blocks = 1;
  least.durability = Durability::group;
  least.flush.write_buffer_bytes = 0;
  least.flush.max_lag_blocks = 0;
  least.flush.max_lag_bytes = 0;
  least.segment_bytes = 1;
  least.cache.row_cache_bytes = 0;
  least.cache.key_filter_bytes = 0;
  least.cache.block_cache_bytes = 0;
  least.reads.in_flight = 1;
  least.reads.prefetch_rows = 0;
  least.flush.level0_limit = 0;
  least.flush.pending_compaction_limit_bytes = 0;
  least.snapshot.interval = 1;
  least.snapshot.keep = 0;
  least.threads = 1;
  least.scrub.mode = Scrub::in_background;
  least.scrub.rows_per_second = 1;
  least.scrub.pause_seconds = 0;
  life("least", least);
  least.flush.write_buffer_bytes = 1;
  least.cache.row_cache_bytes = 1;
  life("one byte", least);

  Options most = small_options();
  most.durability = Durability::group;
  most.group_blocks = 0xffff'ffffU;
  most.flush.write_buffer_bytes = kHuge;
  most.flush.max_lag_blocks = kHuge;
  most.flush.max_lag_bytes = kHuge;
  most.segment_bytes = kHuge;
  most.cache.key_filter_bytes = kHuge;
  most.cache.block_cache_bytes = std::uint64_t{1} << 47;
  most.reads.in_flight = 1024;
  most.reads.prefetch_rows = kHuge;
  most.flush.level0_limit = 0xffff'ffffU;
  most.flush.pending_compaction_limit_bytes = kHuge;
  most.max_view_bytes = kHuge;
  most.snapshot.interval = kHuge;
  most.snapshot.keep = 0xffff'ffffU;
  most.threads = 1024;
  most.scrub.mode = Scrub::in_background;
  most.scrub.rows_per_second = kHuge;
  most.scrub.pause_seconds = 0xffff'ffffU;
  life("most", most);
}

TEST_F(Host, WhatThisProcessMayUse) {
  const auto found = host_limits();
  ASSERT_OK(found);
  const HostLimits& limits = *found;
  EXPECT_GT(limits.memory, 0U);
  EXPECT_FALSE(limits.memory_from.empty());
  EXPECT_GE(limits.cores, 1U);
  EXPECT_LE(limits.row_cache, limits.memory / 4);
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(limits.descriptors, files.rlim_cur);
  std::string said;
  options_.cache.row_cache_bytes = CacheOptions::kAutomatic;
  options_.log = [&](LogLevel, std::string_view message) { said += message; };
  open();
  EXPECT_NE(said.find("row cache"), std::string::npos) << said;
  EXPECT_NE(said.find("by " + limits.memory_from), std::string::npos) << said;
}

}  // namespace
}  // namespace flatkv::test
