// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <vector>

#include "broker/consumer.hpp"
#include "topic/chains.hpp"

// What is in a topic, by the headers of its records.
namespace flatkv::topic {

/// Calls `window` with the records of the topic, the newest ones first: each time with the records,
/// in order, of offsets before those of the last time, until it returns false or there are no more.
/// Within a window each record continues the one before it, but for what was lost in between.
/// Messages that do not fit there, damaged, double or foreign ones, are left out and, where
/// `refused` is given, counted. Reads at most twice the messages that
/// hold what is looked for. Errors: as of broker::Consumer; `cancelled`.
Status scan_back(broker::Consumer& consumer, const std::stop_token& stop,
                 const std::function<bool(std::vector<Seen> window)>& window,
                 std::uint64_t* refused = nullptr);

/// The first record, if the topic still has it.
Result<std::optional<Seen>> find_begin(broker::Consumer& consumer, const std::stop_token& stop);

/// The end of a topic.
struct Tail {
  std::optional<wire::Position> last;  ///< unset for a topic without records
  std::uint32_t depth = 0;             ///< of its last record
  /// The states that blocks and undos went through, that are not undone, and that an undo may go
  /// back to, as far as the topic still tells: of the newest version and `depth` below the highest.
  std::map<std::int64_t, Roots> branch;
};
/// `foreign_store` for a topic that has messages, but none of FlatKV's.
Result<Tail> read_tail(broker::Consumer& consumer, std::uint32_t depth,
                       const std::stop_token& stop);

}  // namespace flatkv::topic
