// SPDX-License-Identifier: Apache-2.0
#include "state/check_options.hpp"

#include <array>
#include <limits>
#include <span>
#include <string>

#include "base/error.hpp"
#include "base/machine.hpp"

namespace flatkv::state {
namespace {

/// Limit of the address space. A cache this large is never filled, so the value does no harm.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 47;
constexpr std::uint32_t kMostRollbackDepth = 1U << 16;
constexpr auto kMostVersion = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

struct Field {
  const char* name;
  std::uint64_t value;
  std::uint64_t least;
  std::uint64_t most;
};

template <class Enum>
Field choice(const char* name, Enum value, Enum last) {
  return {name, static_cast<std::uint64_t>(value), 0, static_cast<std::uint64_t>(last)};
}

Field threads(std::uint32_t count) { return {"threads", count, 0, kMostThreads}; }

Status check(std::span<const Field> fields) {
  for (const Field& field : fields) {
    if (field.value >= field.least && field.value <= field.most) continue;
    return fail(ErrorCode::invalid_argument, "option " + std::string(field.name) + " is " +
                                                 std::to_string(field.value) + "; it can be " +
                                                 std::to_string(field.least) + " to " +
                                                 std::to_string(field.most));
  }
  return {};
}

/// Its pages are reserved at once, and the system may refuse more than it has.
Field row_cache(std::uint64_t bytes) {
  return {"cache.row_cache_bytes", bytes == CacheOptions::kAutomatic ? 0 : bytes, 0,
          machine().memory};
}

}  // namespace

Status check_options(const CreateOptions& options) {
  // As unsigned, a negative version is out of range.
  return check(std::array{
      choice("account_rows", options.account_rows, AccountRows::prune_empty),
      Field{"initial_version", static_cast<std::uint64_t>(options.initial_version), 1,
            kMostVersion - 1},
  });
}

// Fields not listed here may have any value: byte, block and file thresholds are only compared.
Status check_options(const Options& options) {
  if (options.create_if_missing) FLATKV_TRY(check_options(options.create));
  return check(std::array{
      choice("durability", options.durability, Durability::group),
      Field{"group_blocks", options.group_blocks, 1, std::numeric_limits<std::uint32_t>::max()},
      Field{"segment_bytes", options.segment_bytes, 1, std::numeric_limits<std::uint64_t>::max()},
      row_cache(options.cache.row_cache_bytes),
      Field{"cache.block_cache_bytes", options.cache.block_cache_bytes, 0, kMostBytes},
      Field{"rollback_depth", options.rollback_depth, 0, kMostRollbackDepth},
      Field{"reads.in_flight", options.reads.in_flight, 1, kMostThreads},
      threads(options.threads),
      choice("scrub.mode", options.scrub.mode, Scrub::in_background),
      Field{"scrub.rows_per_second", options.scrub.rows_per_second, 1,
            std::numeric_limits<std::uint64_t>::max()},
  });
}

Status check_options(const RollbackOptions& options) {
  return check(std::array{Field{"block_cache_bytes", options.block_cache_bytes, 0, kMostBytes},
                          threads(options.threads)});
}

Status check_options(const ReadOnlyOptions& options) {
  return check(std::array{Field{"block_cache_bytes", options.block_cache_bytes, 0, kMostBytes},
                          threads(options.threads)});
}

Status check_options(const RepairOptions& options) {
  return check(std::array{Field{"block_cache_bytes", options.block_cache_bytes, 0, kMostBytes},
                          threads(options.threads)});
}

Status check_options(const VerifyOptions& options) {
  return check(std::array{
      threads(options.threads),
      choice("database", options.database.value_or(Database::account), Database::legacy),
  });
}

Status check_options(const DigestOptions& options) {
  return check(std::array{threads(options.threads)});
}

Status check_options(const ImportOptions& options) {
  return check(std::array{choice("account_rows", options.account_rows, AccountRows::prune_empty)});
}

}  // namespace flatkv::state
