// SPDX-License-Identifier: Apache-2.0
// Followers in threads beside a writer that commits, undoes, flushes and takes snapshots. Small
// enough for ThreadSanitizer, under which scripts/nightly runs it.
#include <atomic>
#include <thread>

#include "changes/changes_fixture.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

using std::chrono::milliseconds;

/// What a consumer believes, kept by the rules of delivery.
class Consumer {
 public:
  void take(const ChangeEvent& event) {
    ASSERT_FALSE(chain_.empty() && !event.block);
    if (!event.block) {
      ASSERT_LT(event.at.version, chain_.back().version) << "an undo of nothing";
      while (!chain_.empty() && chain_.back().version > event.at.version) chain_.pop_back();
      if (chain_.empty()) return;
      ASSERT_EQ(chain_.back(), event.at);
      return;
    }
    const std::int64_t last = chain_.empty() ? 0 : chain_.back().version;
    ASSERT_EQ(event.at.version, last + 1) << "a block twice, or one left out";
    chain_.push_back(event.at);
  }
  const std::vector<ChainPosition>& chain() const { return chain_; }

 private:
  std::vector<ChainPosition> chain_;
};

/// With blocks undone in place, or by building generations.
class Followers : public ChangesFixture, public ::testing::WithParamInterface<bool> {
 protected:
  /// Reads until the writer has ended and all was delivered.
  void read_all(SubscribeOptions options, int resume_every) {
    std::optional<Subscription> subscription = subscribe(options);
    Consumer consumer;
    int events = 0;
    while (true) {
      const bool last_look = ended_;
      const auto event = subscription->next(milliseconds(1));
      ASSERT_OK(event);
      if (!*event) {
        if (last_look) break;
        continue;
      }
      consumer.take(**event);
      ASSERT_FALSE(HasFatalFailure());
      if (resume_every != 0 && ++events % resume_every == 0) {
        options.after.reset();
        options.cursor = Cursor::decode(subscription->cursor()->encode().value()).value();
        subscription.reset();  // one at a time has the name
        subscription = subscribe(options);
      }
    }
    const std::lock_guard lock(mutex_);
    chains_.push_back(consumer.chain());
  }

  std::atomic<bool> ended_ = false;
  std::mutex mutex_;
  std::vector<std::vector<ChainPosition>> chains_;
};

TEST_P(Followers, EndWithTheChainOfTheStore) {
  options_.rollback_depth = GetParam() ? 32 : 0;
  options_.durability = Durability::group;
  options_.group_blocks = 4;
  options_.segment_bytes = 4096;
  open();
  ASSERT_OK(store_->snapshot());
  SubscribeOptions committed = from(0);
  committed.deliver = Deliver::committed;
  SubscribeOptions named = from(0);
  named.name = "named";
  std::vector<std::jthread> threads;
  threads.emplace_back([&] { read_all(from(0), 0); });
  threads.emplace_back([&] { read_all(committed, 0); });
  threads.emplace_back([&] { read_all(named, 7); });
  std::jthread ranges([&] {
    while (!ended_) {
      const std::int64_t to = store_->version();
      auto reader = store_->changes(1, to);
      if (!reader) continue;  // rolled back meanwhile
      for (std::int64_t version = 1; version <= to; ++version) {
        const auto block = reader->next();
        if (!block) {
          ASSERT_TRUE(fails(block, ErrorCode::version_mismatch));
          break;
        }
        ASSERT_EQ((*block)->record.version, version);
      }
    }
  });
  Random random(5);
  std::uint64_t tag = 1;
  const int rounds = GetParam() ? 40 : 6;
  for (int round = 0; round < rounds; ++round) {
    for (std::uint64_t i = 5 + below(random, 20); i > 0; --i) commit({tag++});
    if (one_in(random, GetParam() ? 12 : 2)) {
      ASSERT_OK(store_->flush());
    }
    const auto back = static_cast<std::int64_t>(1 + below(random, 6));
    ASSERT_OK(store_->rollback(std::max<std::int64_t>(0, store_->version() - back)));
  }
  commit({tag, tag + 1, tag + 2});
  ASSERT_OK(store_->wait_durable(store_->version()));
  ended_ = true;
  threads.clear();
  ranges.join();
  ASSERT_EQ(chains_.size(), 3U);
  for (const auto& chain : chains_) {
    ASSERT_EQ(static_cast<std::int64_t>(chain.size()), store_->version());
    for (const ChainPosition& block : chain) {
      const auto record = store_->log_record(block.version);
      ASSERT_OK(record);
      EXPECT_EQ((*record)->chain, block.chain);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(InPlaceOrNot, Followers, ::testing::Bool());

}  // namespace
}  // namespace flatkv::test
