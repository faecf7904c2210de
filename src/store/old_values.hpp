#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "engine/arena.hpp"
#include "store/state.hpp"

namespace flatkv::store {

struct PendingRow;

/// Looks up what the touched rows of a block held at the last commit: buffers first, then one
/// sorted multi-get for what is left. A failed read is an error, never "absent" (trap 5).
class OldValues {
 public:
  /// Fills had_old and old_value of `rows`. Values are copied into `arena` or live in the state's
  /// buffers. On error the rows are unspecified and nothing else has changed.
  Status read(const State& state, Database database, std::span<PendingRow> rows,
              engine::Arena& arena);

 private:
  struct Missing {
    std::uint64_t prefix;
    std::uint32_t row;
  };
  std::vector<Missing> missing_;
  std::vector<ByteView> keys_;
  std::vector<std::optional<ByteView>> values_;
};

}  // namespace flatkv::store
