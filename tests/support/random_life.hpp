// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "flatkv/store.hpp"
#include "support/child.hpp"
#include "support/random_blocks.hpp"

// A child that does random things to a store until it is killed.
namespace flatkv::test {

/// The child: opens the store and takes one `step()` of a `Life(store, page, reporter, number)`
/// after another. Reports `r` with the version that it opened at, and `e` if anything fails.
template <class Life>
int live_until_killed(const std::string& store_path, const Options& options, Shared& page,
                      std::uint64_t number, const Reporter& reporter) {
  auto store = CommitStore::open(store_path, options);
  Status done = store ? Status() : Status(std::unexpected(store.error()));
  if (store) {
    reporter.say('r', store->version());
    Life life(*store, page, reporter, number);
    while (done) done = life.step();
  }
  std::cerr << done.error().to_string() << "\n";
  reporter.say('e', 0);
  return 1;
}

/// Kills the child at a random moment, one in five perhaps while it opens. False if another ended
/// before it had opened.
inline bool kill_at_random(Child& child, Random& random) {
  if (!one_in(random, 5) && !child.wait_for_message()) return false;
  ::usleep(static_cast<useconds_t>(below(random, 80'000)));
  child.kill();
  child.wait();
  return true;
}

}  // namespace flatkv::test
