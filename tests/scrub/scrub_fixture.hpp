// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {

/// A store that is scrubbed by hand.
class ScrubFixture : public StoreFixture {
 protected:
  ScrubFixture() { options_.scrub.mode = Scrub::by_hand; }

  ScrubStatus status() const {
    const auto status = store_->scrub_status();
    EXPECT_TRUE(status && *status);
    return status.value().value_or(ScrubStatus{});
  }
  ScrubStatus step(std::uint64_t rows) {
    const auto stepped = store_->scrub(rows);
    EXPECT_OK(stepped);
    return stepped.value_or(ScrubStatus{});
  }
  /// Scrubs in slices of `rows` rows to the end of the current round; calls `between` before each.
  ScrubStatus finish_round(std::uint64_t rows, const std::function<void()>& between = {}) {
    const std::uint64_t round = status().progress.round;
    ScrubStatus now = status();
    for (int steps = 0; now.progress.round == round && steps < 20'000 && !HasFailure(); ++steps) {
      if (between) between();
      now = step(rows);
    }
    EXPECT_EQ(now.progress.round, round + 1);
    return now;
  }
  /// Scrubs until `database` is being read and at least `rows` rows of it are done.
  void go_to(Database database, std::uint64_t rows) {
    ScrubStatus now = status();
    for (int steps = 0; steps < 20'000; ++steps) {
      if (now.progress.database == database && now.progress.rows >= rows) return;
      now = step(3);
    }
    FAIL() << "never came to " << to_string(database);
  }

  std::string scrub_file() const { return live_generation(path()) + "/SCRUB"; }
  nlohmann::json scrub_json() const {
    return nlohmann::json::parse(as_chars(read_file(scrub_file())), nullptr, false);
  }
  const Rows& rows_of(Database database) const { return model_.committed().rows[database]; }
  /// The key that the scrub of the closed store has reached.
  Bytes front() const { return hex(scrub_json().at("before").get<std::string>()); }

  /// Changes a row of the closed store behind its back; CLEAN stays.
  void damage(Database database, const Bytes& key) {
    Bytes value = rows_of(database).at(key);
    value.push_back(1);
    if (database == Database::account) {  // a valid account with another balance
      value = rows_of(database).at(key);
      value[30] ^= 1;
    }
    tamper(working(path(), to_string(database)), {{row_key(key), value}});
  }
};

inline ::testing::AssertionResult all_good(const ScrubStatus& status, std::uint64_t round) {
  for (const Database database : kDataDatabases) {
    const auto& verdict = status.progress.verdicts[database];
    if (!verdict) return ::testing::AssertionFailure() << to_string(database) << ": no verdict";
    if (!verdict->good) return ::testing::AssertionFailure() << to_string(database) << ": not good";
    if (verdict->round != round) {
      return ::testing::AssertionFailure()
             << to_string(database) << ": of round " << verdict->round;
    }
  }
  if (!status.findings.empty()) return ::testing::AssertionFailure() << "there are findings";
  return ::testing::AssertionSuccess();
}

/// Exactly this database has a finding, one, in this round.
inline ::testing::AssertionResult found_in(const ScrubStatus& status, std::uint64_t round,
                                           Database database) {
  std::vector<ScrubFinding> of_round;
  for (const ScrubFinding& finding : status.findings) {
    if (finding.round == round) of_round.push_back(finding);
  }
  if (of_round.size() != 1) return ::testing::AssertionFailure() << of_round.size() << " findings";
  if (of_round[0].verdict.database != database) {
    return ::testing::AssertionFailure() << "in " << to_string(of_round[0].verdict.database);
  }
  for (const Database one : kDataDatabases) {
    const auto& verdict = status.progress.verdicts[one];
    if (!verdict || verdict->good == (one == database)) {
      return ::testing::AssertionFailure() << "verdict on " << to_string(one);
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace flatkv::test
