// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/error.hpp"

// Faults made by editing the files of a store that nobody has open, each with its expected outcome
// (fault matrix: R recovered, X refused and nothing changed, D derived data rebuilt, then R).
namespace flatkv::test {

enum class Outcome { recovered, refused, rebuilt };

/// The store in which the fault is made. All have kVersion blocks of the script.
enum class Start {
  closed,  ///< cleanly; one snapshot in the middle, one of the empty state
  killed,  ///< nothing flushed since the middle, nothing known durable above it
};

inline constexpr std::int64_t kVersion = 30;
inline constexpr std::int64_t kMiddle = 15;

struct Fault {
  std::string id;  ///< row of the fault matrix
  std::string what;
  Start start = Start::closed;
  std::function<void(const std::string& store)> make;
  Outcome outcome = Outcome::recovered;
  /// refused: any of these codes.
  std::vector<ErrorCode> codes;
  /// recovered: the version reached lies in [lowest, kVersion].
  std::int64_t lowest = kVersion;
  /// refused by the replay, possibly after valid blocks went into the databases.
  bool in_replay = false;
};

const std::vector<Fault>& fault_table();
/// Rows W and R3 of fault_table: files of the changelog, and records that hold no block.
void add_log_faults(std::vector<Fault>& to);

}  // namespace flatkv::test
