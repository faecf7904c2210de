// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails in Publisher::run and Follower::run while a broker answers, in their own
// thread or in those that they start (N3): they say so and can be run again, and no block, undo or
// marker is lost. A sample of N; FLATKV_FAULT_FULL=1: all, or with FLATKV_PART=I/M every Mth. Run
// by scripts/cluster-test, in a program of its own: operator new is replaced.
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <vector>

#include "cluster/library_support.hpp"
#include "fault/failing_allocations.hpp"
#include "support/fault_counts.hpp"
#include "support/files.hpp"

namespace flatkv::test {
namespace {

/// Whether other threads get to an allocation is a matter of timing.
constexpr unsigned kTriesToEnd = 3;

/// The allocation that fails.
std::atomic<std::uint64_t> nth = 0;

[[noreturn]] void say_and_abort() {
  static_cast<void>(std::fprintf(stderr, "allocation %llu has ended the process\n",
                                 static_cast<unsigned long long>(nth.load())));
  std::abort();
}

class WithoutMemory : public LibraryTest {
 protected:
  static void SetUpTestSuite() { std::set_terminate(say_and_abort); }

  /// Takes no memory.
  static LogCallback silence() {
    return [](LogLevel, std::string_view) {};
  }

  template <class Runs>
  void run_without(Runs& runs, const std::stop_token& stop) {
    fail_allocation(whose_, nth);
    done_ = runs.run(stop);
    failed_ = allocation_failed();
    passed_over_ = allocations_passed_over();
  }

  /// Calls `one`, which calls run_without, for every N.
  void for_every_allocation(const std::function<void()>& one) {
    const bool all = environment("FLATKV_FAULT_FULL", 0) != 0;
    const Part part = part_of_cases();
    std::map<std::string, unsigned> counts;
    unsigned ended = 0;
    nth = part.index;
    while (ended < kTriesToEnd) {
      SCOPED_TRACE("allocation " + std::to_string(nth));
      ASSERT_NO_FATAL_FAILURE(one());
      if (!done_) {
        const Error& error = done_.error();
        ASSERT_TRUE(failed_ && (error.code == ErrorCode::out_of_memory ||
                                error.code == ErrorCode::store_failed ||
                                error.message.find("emory") != std::string::npos))
            << error.to_string();
      }
      if (HasFailure()) return;
      if (!failed_) {
        ++ended;
        continue;
      }
      ended = 0;
      ++counts[done_ ? "went on" : "said so"];
      count_fault("N3", done_ ? Came::recovered : Came::failed);
      nth += part.count * (1 + (all ? passed_over_ / part.count : nth.load()));
    }
    std::cout << "  up to allocation " << nth << ":";
    for (const auto& [what, count] : counts) std::cout << " " << what << " " << count;
    std::cout << "\n";
    EXPECT_TRUE(part.index != 1 || !counts.empty()) << "no allocation failed";
  }

  Publisher quiet_publisher(bool by_path) {
    const PublisherOptions options{
        .to = address_, .create_topic = true, .follow = false, .depth = 4, .log = silence()};
    auto made = by_path ? Publisher::of(leader_path(), options) : Publisher::of(*leader_, options);
    EXPECT_TRUE(made) << made.error().to_string();
    return *std::move(made);
  }

  /// Without memory once, then with it: the topic ends where the store is.
  PublisherStatus publish(bool by_path, const std::vector<SnapshotMarker>& markers = {}) {
    Publisher publisher = quiet_publisher(by_path);
    for (const SnapshotMarker& marker : markers) publisher.announce(marker);
    run_without(publisher, {});
    EXPECT_EQ(publisher.status().state, PublisherStatus::State::stopped);
    const Status again = publisher.run({});
    EXPECT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(publisher.status().version, leader_->version());
    return publisher.status();
  }

  /// Each time an undo, two blocks, and a marker of a version that no undo passes any more.
  void blocks_go_along(bool by_path) {
    std::map<std::int64_t, Roots> roots;
    const auto commit_one = [&] {
      commit(1);
      roots[leader_->version()] = leader_->committed_roots();
    };
    for (int i = 0; i < 10; ++i) commit_one();
    ASSERT_TRUE(quiet_publisher(by_path).run({}));
    for_every_allocation([&] {
      go_back(leader_->version() - 1);
      commit_one();
      commit_one();
      const std::int64_t kept = leader_->version() - 6;
      const PublisherStatus status =
          publish(by_path, {{.version = kept, .roots = roots.at(kept), .location = "file:/nowhere"},
                            {.version = kept, .roots = {}, .location = "file:/another"}});
      EXPECT_EQ(status.blocks, 2U);
      EXPECT_EQ(status.undos, 1U);
      EXPECT_EQ(status.markers, 1U);
    });
    FollowerStatus status;
    expect_follows("replica", follower_options(), &status);
    EXPECT_EQ(status.refused, 0U);
  }

  void followers_go_on(Whose whose);

  Whose whose_ = Whose::callers;
  unsigned made_ = 0;  ///< topics
  // Of the last run without memory.
  Status done_;
  bool failed_ = false;
  std::uint64_t passed_over_ = 0;
};

TEST_F(WithoutMemory, APublisherOfAStoreGoesOn) { blocks_go_along(false); }

TEST_F(WithoutMemory, APublisherOfAPathGoesOn) { blocks_go_along(true); }

TEST_F(WithoutMemory, ANewTopicBeginsWhereTheLogDoes) {
  commit(3);
  const std::string address = address_;
  for_every_allocation([&] {
    address_ = address + "-" + std::to_string(nth) + "-" + std::to_string(++made_);
    publish(false);
    tail(leader_->version());  // there, if a little later than the broker has said
    auto consumer = broker::Consumer::open(*broker::parse_place(address_));
    ASSERT_TRUE(consumer) << consumer.error().to_string();
    const auto begin = topic::find_begin(*consumer, {});
    ASSERT_TRUE(begin && *begin);
    EXPECT_EQ((*begin)->header.version, 0);
  });
}

void WithoutMemory::followers_go_on(Whose whose) {
  whose_ = whose;
  commit(6);
  ASSERT_TRUE(quiet_publisher(false).run({}));
  go_back(4);
  commit(4);
  ASSERT_TRUE(quiet_publisher(false).run({}));
  for_every_allocation([&] {
    std::filesystem::remove_all(folder_ / "replica");
    for (const bool without : {true, false}) {
      std::mutex mutex;
      CommitStore* open = nullptr;
      FollowerOptions options = follower_options();
      options.log = silence();
      options.opened = [&](CommitStore* store) {
        const std::lock_guard lock(mutex);
        open = store;
      };
      Follower replica = follower("replica", options);
      std::stop_source stop;
      bool late = false;
      {
        const std::jthread watch([&](const std::stop_token& enough) {
          const auto until = std::chrono::steady_clock::now() + kPatience;
          while (!enough.stop_requested() && !late) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            const std::lock_guard lock(mutex);
            late = std::chrono::steady_clock::now() > until;
            if (late || (open != nullptr && open->version() == leader_->version())) {
              stop.request_stop();
            }
          }
        });
        if (without) {
          run_without(replica, stop.get_token());
        } else {
          const Status again = replica.run(stop.get_token());
          EXPECT_TRUE(again) << again.error().to_string();
        }
      }
      EXPECT_FALSE(late) << "it goes on and on";
      EXPECT_EQ(open, nullptr) << "whoever reads the store was not told that it is closed";
      EXPECT_EQ(replica.status().state, FollowerStatus::State::stopped);
      EXPECT_EQ(replica.status().refused, 0U);
    }
    expect_equal("replica");
  });
}

TEST_F(WithoutMemory, AFollowerGoesOn) { followers_go_on(Whose::callers); }

TEST_F(WithoutMemory, TheThreadsOfAFollowerGoOn) { followers_go_on(Whose::others); }

}  // namespace
}  // namespace flatkv::test
