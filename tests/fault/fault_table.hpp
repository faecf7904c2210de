#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/error.hpp"

// Faults made by editing the files of a store that nobody has open, with what must come of each
// (fault matrix: R recovered, X refused and nothing changed, D derived data rebuilt, then R).
namespace flatkv::test {

enum class Outcome { recovered, refused, rebuilt };

/// Which store the fault is made in. All have kVersion blocks of the script.
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
  /// recovered: the version it comes back at lies in [lowest, kVersion].
  std::int64_t lowest = kVersion;
};

const std::vector<Fault>& fault_table();

/// Where the other store for swaps lies: the same blocks under another id.
void set_other_store(const std::string& path);
/// Where copies at version kMiddle lie, of the closed and of the killed store.
void set_older_stores(const std::string& of_closed, const std::string& of_killed);

}  // namespace flatkv::test
