// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "flatkv/store.hpp"
#include "flatkv/tools/inspect.hpp"

namespace flatkv::publish {

/// The durable blocks of a store, in order.
class Feed {
 public:
  virtual ~Feed() = default;

  /// The highest version that is durable, or will be after `settle`; of a store in another process,
  /// as far as it was looked at.
  virtual Result<std::int64_t> durable() = 0;
  /// The next block is the one after `version`. `version_mismatch`: the store is below it.
  virtual Status begin(std::int64_t version) = 0;

  struct Step {
    std::optional<LogBlock> block;  ///< unset: the store went back; begin again
  };
  /// Nothing if there was no step in time.
  virtual Result<std::optional<Step>> next(std::chrono::milliseconds timeout) = 0;
  /// Everything returned so far is durable after this.
  virtual Status settle() = 0;
  /// Everything returned so far is in the topic: the log before may go.
  virtual Status done() = 0;
};

/// Through a subscription of this name.
std::unique_ptr<Feed> feed_of(CommitStore& store, std::string name, std::uint32_t depth);
/// Through the files, beside a writer in another process.
std::unique_ptr<Feed> feed_of(std::string store);

/// The roots lines of a store's versions from `first` to `last`, as far as its log and snapshots
/// tell them. `version_mismatch`: the store went back meanwhile; what there is now, another look
/// tells.
Result<std::map<std::int64_t, Roots>> known_roots(const std::string& store, std::int64_t first,
                                                  std::int64_t last);
/// The lowest version that the log can be followed from and its roots line, for a new topic.
Result<RootsAt> where_log_begins(const std::string& store);

}  // namespace flatkv::publish
