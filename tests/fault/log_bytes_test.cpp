// SPDX-License-Identifier: Apache-2.0
// The last segment of a killed store cut at every byte and flipped at every bit (W1, W2). By
// default a sample; FLATKV_FAULT_FULL=1: all, or with FLATKV_PART=I/N every Nth.
#include <gtest/gtest.h>

#include <iostream>

#include "fault/fault_fixture.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

class LogBytes : public StoreFixture {
 protected:
  static constexpr std::int64_t kRecords = 3;

  /// A killed store with three small records above a flushed, durable version 2.
  void SetUp() override {
    open();
    for (int i = 0; i < 2; ++i) blocks(1);
    ASSERT_OK(store_->flush());
    close();
    open();
    records_.push_back(stdfs::file_size(segments(path()).back()));
    states_.push_back(model_.committed());
    for (std::int64_t i = 0; i < kRecords; ++i) {
      block({Changes().storage(address(1), slot(static_cast<std::uint64_t>(i)), bytes({1}))});
      records_.push_back(stdfs::file_size(segments(path()).back()));
      states_.push_back(model_.committed());
    }
    ASSERT_EQ(segments(path()).size(), 1U);
    image("killed");
    close();
    content_ = read_file(segments(aside("killed")).back());
  }

  /// Restores the store with this last segment.
  void put(const Bytes& content) {
    restore("killed");
    write_file(segments(path()).back(), content);
  }

  std::vector<std::uint64_t> records_;  // ends of the records
  std::vector<State> states_;
  Bytes content_;
  const Part part_ = part_of_cases();
};

TEST_F(LogBytes, W1_CutAtEveryByte) {
  const bool full = environment("FLATKV_FAULT_FULL", 0) != 0;
  int tried = 0;
  for (std::uint64_t length = records_.front(); length <= records_.back(); ++length) {
    std::size_t whole = 0;
    while (whole + 1 < records_.size() && records_[whole + 1] <= length) ++whole;
    const std::uint64_t into = length - records_[whole];
    const std::uint64_t left = whole + 1 < records_.size() ? records_[whole + 1] - length : 0;
    if (!full && into > 9 && left > 2 && into % 41 != 0) continue;
    if (!part_.has(length)) continue;
    SCOPED_TRACE("cut at " + std::to_string(length));
    Bytes content = content_;
    content.resize(length);
    put(content);
    const auto opened = try_open();
    ASSERT_OK(opened);
    ASSERT_EQ(opened->version(), states_[whole].version);
    ASSERT_TRUE(same_roots(opened->committed_roots(), states_[whole].roots()));
    ASSERT_EQ(opened->open_report().truncated_log.has_value(), into != 0);
    ++tried;
    count_fault("W1", Came::recovered);
    if (whole + 2 == records_.size()) count_fault("C2", Came::recovered);  // the last record, torn
  }
  std::cout << tried << " cuts\n";
}

TEST_F(LogBytes, W2_FlipOfEveryBit) {
  const bool full = environment("FLATKV_FAULT_FULL", 0) != 0;
  int recovered = 0;
  int refused = 0;
  Random random(environment("FLATKV_SEED", 5));
  const std::uint64_t bits = 8 * content_.size();
  for (std::uint64_t bit = 0; bit < bits; bit = full ? bit + 1 : bit + 1 + below(random, 199)) {
    if (!part_.has(bit)) continue;
    SCOPED_TRACE("bit " + std::to_string(bit));
    Bytes content = content_;
    content[bit / 8] = static_cast<std::uint8_t>(content[bit / 8] ^ (1U << (bit % 8)));
    put(content);
    const auto before = tree_state(path());
    auto opened = try_open();
    if (opened) {
      ++recovered;
      // Nothing above the flushed version is known durable: a flip there costs its record and those
      // above it. A flip below costs nothing, or all that was not known durable, and this is
      // reported.
      std::size_t state = states_.size() - 1;
      for (std::size_t i = 1; i < records_.size(); ++i) {
        if (bit / 8 >= records_[i - 1] && bit / 8 < records_[i]) state = i - 1;
      }
      if (bit / 8 < records_.front() && opened->open_report().lost_log_tail) state = 0;
      ASSERT_EQ(opened->version(), states_[state].version);
      ASSERT_TRUE(same_roots(opened->committed_roots(), states_[state].roots()));
      const bool rebuilt = opened->open_report().lost_log_tail;
      count_fault("W2", rebuilt ? Came::rebuilt : Came::recovered);
    } else {
      ++refused;
      ASSERT_LT(bit / 8, records_.front()) << opened.error().to_string();
      const ErrorCode code = opened.error().code;
      ASSERT_TRUE(code == ErrorCode::corruption || code == ErrorCode::log_behind ||
                  code == ErrorCode::foreign_store || code == ErrorCode::format_too_new)
          << opened.error().to_string();
      ASSERT_EQ(tree_difference(before, tree_state(path())), "");
      count_fault("W2", Came::refused);
    }
  }
  std::cout << recovered << " recovered, " << refused << " refused\n";
  EXPECT_GT(recovered, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace flatkv::test
