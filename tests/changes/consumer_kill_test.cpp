// SPDX-License-Identifier: Apache-2.0
// A consumer is killed between the effects of an event and its cursor. Whoever stores both together
// has every effect once; whoever stores them one after the other has the last one twice.
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "changes/changes_fixture.hpp"
#include "support/child.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kLives = 6;

Options consumer_options() {
  Options options = small_options();
  options.create_if_missing = true;
  options.snapshot.interval = 0;
  options.segment_bytes = 1024;
  options.durability = Durability::sync;
  return options;
}

void replace(const std::string& path, const std::string& content) {
  write_file(path + "-next", text(content));
  stdfs::rename(path + "-next", path);
}
std::string content_of(const std::string& path) {
  if (!stdfs::exists(path)) return {};
  const Bytes bytes = read_file(path);
  return std::string(as_chars(bytes));
}

/// Effects are lines; where they are stored together, the cursor is the first line.
class Consumer {
 public:
  Consumer(std::string directory, bool together)
      : effects_(directory + "/effects"), cursor_(directory + "/cursor"), together_(together) {}

  SubscribeOptions options() const {
    SubscribeOptions options;
    options.name = "consumer";
    const auto stored = from_hex(together_ ? first_line() : content_of(cursor_));
    if (stored && !stored->empty()) {
      options.cursor = Cursor::decode(*stored).value();
    } else {
      options.after = 0;
    }
    return options;
  }
  /// `die`: between effect and cursor; together, before both are there.
  void take(const ChangeEvent& event, const Cursor& cursor, bool die) const {
    std::string line = (event.block ? "+" : "-") + std::to_string(event.at.version) + " " +
                       to_hex(event.at.chain) + "\n";
    const std::string stored = to_hex(cursor.encode().value());
    if (together_) {
      if (die) ::raise(SIGKILL);
      const std::string before = content_of(effects_);
      replace(effects_,
              stored + "\n" + before.substr(std::min(before.size(), before.find('\n') + 1)) + line);
      return;
    }
    append_file(effects_, text(line));
    if (die) ::raise(SIGKILL);
    replace(cursor_, stored);
  }
  std::vector<std::string> lines() const {
    std::istringstream in(content_of(effects_));
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    if (together_ && !all.empty()) all.erase(all.begin());
    return all;
  }

 private:
  std::string first_line() const {
    const std::string content = content_of(effects_);
    return content.substr(0, content.find('\n'));
  }
  std::string effects_;
  std::string cursor_;
  bool together_;
};

/// Undoes blocks that the consumer has seen, in every other life; commits; and takes the events
/// until the consumer, at the last of them, kills itself.
Status live(const std::string& directory, bool together, std::uint64_t number) {
  FLATKV_ASSIGN(auto store, CommitStore::open(directory + "/store", consumer_options()));
  if (number == 0) FLATKV_TRY(store.snapshot());
  if (number % 2 == 1) FLATKV_TRY(store.rollback(store.version() - 2));
  const Consumer consumer(directory, together);
  FLATKV_ASSIGN(auto subscription, store.subscribe(consumer.options()));
  for (std::uint64_t i = 0; i < 7; ++i) {
    FLATKV_TRY(store.apply(BlockBuilder().set_nonce(address(1), 100 * number + i + 1)));
    FLATKV_TRY(store.commit(store.version() + 1));
  }
  while (true) {
    FLATKV_ASSIGN(const auto event, subscription.next(std::chrono::milliseconds(0)));
    if (!event) return {};
    FLATKV_ASSIGN(const Cursor cursor, subscription.cursor());
    consumer.take(*event, cursor, number < kLives && event->at.version == store.version());
    FLATKV_TRY(subscription.acknowledge(cursor));
  }
}

int consume(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const Status lived =
      live(arguments.at(0), arguments.at(1) == "together", std::stoull(arguments.at(2)));
  if (!lived) std::cerr << lived.error().to_string() << "\n";
  reporter.say('d', 0);
  return lived ? 0 : 1;
}
const RegisterChild kMode("consume", consume);

class ConsumerKill : public ::testing::TestWithParam<bool> {};

TEST_P(ConsumerKill, BetweenEffectsAndCursor) {
  const bool together = GetParam();
  const TempDir directory;
  for (std::uint64_t number = 0; number <= kLives; ++number) {
    Child child = Child::start(
        "consume", {directory.path(), together ? "together" : "apart", std::to_string(number)});
    const int status = child.wait();
    if (number < kLives) {
      ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "life " << number;
    } else {
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
  }
  // The effects, replayed, are the chain of the store.
  std::vector<std::string> chain;
  std::uint64_t repeated = 0;
  std::string last;
  for (const std::string& line : Consumer(directory.path(), together).lines()) {
    if (std::exchange(last, line) == line) {
      ++repeated;
      continue;
    }
    const std::size_t version = std::stoull(line.substr(1));
    if (line.front() == '-') {
      ASSERT_LT(version, chain.size());
      chain.resize(version);
    } else {
      ASSERT_EQ(version, chain.size() + 1) << line;
      chain.push_back(line.substr(line.find(' ') + 1));
    }
  }
  // Not where the block was undone before it could come again.
  EXPECT_EQ(repeated, together ? 0U : kLives / 2);
  auto store = CommitStore::open(directory.path("store"), consumer_options());
  ASSERT_OK(store);
  ASSERT_EQ(static_cast<std::int64_t>(chain.size()), store->version());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const auto record = store->log_record(static_cast<std::int64_t>(i + 1));
    ASSERT_OK(record);
    EXPECT_EQ(to_hex((*record)->chain), chain[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Stored, ConsumerKill, ::testing::Bool(), [](const auto& test) {
  return std::string(test.param ? "together" : "one_after_the_other");
});

}  // namespace
}  // namespace flatkv::test
