// SPDX-License-Identifier: Apache-2.0
// Readers beside a process that commits, snapshots, prunes, rolls back, closes and reopens: what
// they see was committed, sums up to its root, and has the version they asked for.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <set>
#include <thread>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "support/checks.hpp"
#include "support/child.hpp"
#include "support/files.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

Options writer_options() {
  Options options = small_options();
  options.create_if_missing = true;
  options.snapshot.interval = 7;
  options.snapshot.keep = 1;
  options.segment_bytes = 4096;
  options.flush.write_buffer_bytes = 32 << 10;
  options.durability = Durability::process;
  return options;
}

/// Records each root before it is committed, so that whatever a reader sees is on record.
int write_for_ever(const std::vector<std::string>& arguments, const Reporter& reporter) {
  Random random(5);
  std::ofstream book(arguments[1], std::ios::app);
  const auto turn = [&]() -> Status {
    FLATKV_ASSIGN(CommitStore store, CommitStore::open(arguments[0], writer_options()));
    for (int i = 0; i < 40; ++i) {
      const std::int64_t next = store.version() + 1;
      for (const Changes& changes : script_block(random(), next, {8, 8, 16, 40}, 12)) {
        FLATKV_TRY(store.apply(changes));
      }
      book << next << " " << to_hex(store.working_roots().value().root) << std::endl;
      FLATKV_TRY(store.commit(next));
      reporter.say('a', next);
      if (one_in(random, 15) && store.version() > 12) {
        const Status back =
            store.rollback(store.version() - 1 - static_cast<std::int64_t>(below(random, 4)));
        if (!back && back.error().code != ErrorCode::version_mismatch) return back;
      }
    }
    return store.close();
  };
  while (true) {
    if (const Status done = turn(); !done) {
      std::cerr << done.error().to_string() << std::endl;
      return 1;
    }
  }
}
const RegisterChild kWriter("history-writer", write_for_ever);

std::set<std::pair<std::int64_t, std::string>> read_book(const std::string& path) {
  std::ifstream in(path);
  std::set<std::pair<std::int64_t, std::string>> book;
  std::int64_t version = 0;
  std::string root;
  while (in >> version >> root) book.emplace(version, root);
  return book;
}

class BesideWriter : public ::testing::Test {
 protected:
  void SetUp() override {
    writer_.emplace(Child::start("history-writer", {store(), book()}));
    while (writer_->last('a').value_or(0) < 30) ASSERT_TRUE(writer_->wait_for_message());
  }
  void TearDown() override {
    ASSERT_TRUE(writer_->wait_for_message()) << "the writer failed";
    writer_->kill();
    writer_->wait();
    // The store of the killed writer opens, whatever readers did meanwhile.
    auto opened = CommitStore::open(store(), writer_options());
    ASSERT_OK(opened);
    const auto report = opened->verify();
    ASSERT_OK(report);
    EXPECT_TRUE(report->good());
    EXPECT_TRUE(names(store(), "readonly-").empty());
  }

  std::string store() const { return directory_.path("store"); }
  std::string book() const { return directory_.path("book"); }

  void expect_in_book(std::int64_t version, const Roots& roots) const {
    EXPECT_TRUE(read_book(book()).contains({version, to_hex(roots.root)})) << version;
  }

  /// Allows only what may happen beside such a writer: the version is gone, or the store was
  /// replaced three times.
  static void expect_excused(const Error& error) {
    EXPECT_TRUE(error.code == ErrorCode::version_mismatch || error.code == ErrorCode::locked)
        << error.to_string();
  }

  TempDir directory_;
  std::optional<Child> writer_;
};

TEST_F(BesideWriter, ClonesAreOfTheirVersion) {
  const auto turns = environment("FLATKV_READER_TURNS", 60);
  Random random(9);
  unsigned opened = 0;
  for (std::uint64_t i = 0; i < turns; ++i) {
    ReadOnlyOptions options;
    options.threads = 1;
    options.block_cache_bytes = 1 << 20;
    if (!one_in(random, 3)) {
      options.at = writer_->last('a').value_or(1) - static_cast<std::int64_t>(below(random, 12));
    }
    const auto clone = ReadOnlyStore::open(store(), options);
    if (!clone) {
      expect_excused(clone.error());
      continue;
    }
    ++opened;
    if (options.at) {
      EXPECT_EQ(clone->version(), *options.at);
    }
    expect_in_book(clone->version(), clone->roots());
    const auto report = clone->verify();
    ASSERT_OK(report);
    EXPECT_TRUE(report->good());
  }
  std::cout << opened << " of " << turns << " opened\n";
  EXPECT_GT(opened, turns / 2);
}

TEST_F(BesideWriter, FiguresAndLogRecordsAreWhatWasCommitted) {
  const auto turns = environment("FLATKV_READER_TURNS", 60);
  unsigned good = 0;
  for (std::uint64_t i = 0; i < turns; ++i) {
    if (const auto last = roots_at(store(), std::nullopt)) {
      ++good;
      expect_in_book(last->version, last->roots);
    } else {
      expect_excused(last.error());
    }
    if (const auto info = inspect_store(store())) {
      if (info->roots) {
        ++good;
        expect_in_book(*info->version, *info->roots);
      }
      for (const Error& problem : info->problems) expect_excused(problem);
    } else {
      expect_excused(info.error());
    }
    auto reader = LogReader::open(store(), std::nullopt, true);
    if (!reader) {
      expect_excused(reader.error());
      continue;
    }
    std::int64_t expected = reader->range().base;
    const auto known = read_book(book());
    while (expected < reader->range().last) {  // the reference lacks what the writer adds meanwhile
      const auto block = reader->next();
      ASSERT_OK(block);
      ASSERT_TRUE(block->has_value());
      ++good;
      EXPECT_EQ((*block)->record.version, ++expected);
      EXPECT_TRUE(known.contains({expected, to_hex((*block)->record.roots.root)}));
      EXPECT_EQ(block_digest(expected, (*block)->change_sets()).value(),
                (*block)->record.payload_digest);
    }
  }
  EXPECT_GT(good, turns);
}

TEST_F(BesideWriter, SeveralReadersAtOnce) {
  std::vector<std::thread> readers;
  std::atomic<unsigned> opened = 0;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (int turn = 0; turn < 8; ++turn) {
        ReadOnlyOptions options;
        options.threads = 1;
        const auto clone = ReadOnlyStore::open(store(), options);
        if (!clone) {
          expect_excused(clone.error());
          continue;
        }
        ++opened;
        expect_in_book(clone->version(), clone->roots());
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(opened.load(), 8U);
}

}  // namespace
}  // namespace flatkv::test
