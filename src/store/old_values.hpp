#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/arena.hpp"
#include "engine/row_cache.hpp"
#include "store/absent_keys.hpp"
#include "store/state.hpp"

namespace flatkv::store {

struct PendingRow;

/// Looks up what the touched rows of a block held at the last commit: buffers first, then the row
/// cache, then the filter of absent keys, then one sorted multi-get for what is left. A failed read
/// is an error, never "absent" (trap 5). What is read here is not put into the cache: it is about
/// to be overwritten, and the flush brings what was written.
class OldValues {
 public:
  /// `cache` may be null.
  OldValues(engine::RowCache* cache, AbsentKeys& absent) : cache_(cache), absent_(absent) {}

  /// Fills had_old and old_value of `rows`. Values are copied into `arena` or live in the state's
  /// buffers. On error the rows are unspecified and nothing else has changed.
  Status read(const State& state, Database database, std::span<PendingRow> rows,
              engine::Arena& arena);

 private:
  void look_in_memory(const State& state, Database database, std::span<PendingRow> rows,
                      engine::Arena& arena);
  void drop_absent(Database database, std::span<PendingRow> rows);

  struct Missing {
    std::uint64_t prefix;
    std::uint32_t row;
  };
  engine::RowCache* cache_;
  AbsentKeys& absent_;
  std::vector<Missing> missing_;
  std::vector<ByteView> keys_;
  std::vector<std::optional<ByteView>> values_;
};

}  // namespace flatkv::store
