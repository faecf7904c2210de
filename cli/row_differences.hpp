// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "flatkv/tools/digest.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// Prints ranges and keys that differ, for people or as one JSON object that is written as it
/// comes: there may be many. Counts all and prints some.
class DifferencesOut {
 public:
  DifferencesOut(Context& context, std::uint64_t limit) : context_(context), limit_(limit) {}

  /// JSON only: the members that come first.
  Outcome<void> begin(const nlohmann::ordered_json& members);
  Outcome<void> ranges(std::span<const RangeDifference> ranges);
  Outcome<void> begin_keys();
  /// Shows all rows that `search` passes to its argument.
  using Visit = std::function<Status(const RowDifference&)>;
  Outcome<void> show(const std::function<Status(const Visit&)>& search);
  Outcome<void> end_keys();
  Outcome<void> end(bool equal);
  /// Closes the output; in JSON, with the error in place of `equal`. Returns the trouble that the
  /// verb ends with.
  Trouble end(Trouble trouble);

 private:
  Outcome<void> key(const RowDifference& row);
  std::string for_people(const RowDifference& row) const;

  Context& context_;
  std::uint64_t limit_;
  std::uint64_t keys_ = 0;
  bool with_keys_ = false;
};

}  // namespace flatkv::cli
