// SPDX-License-Identifier: Apache-2.0
#include "state/host.hpp"

#include <algorithm>

#include "base/machine.hpp"
#include "fs/files.hpp"

namespace flatkv::state {

std::uint64_t automatic_row_cache(const Options& options, std::uint64_t memory) {
  constexpr std::uint64_t kMost = 4ULL << 30;
  constexpr std::uint64_t kWriteBuffers = 3;
  // Leave room for the tables' indexes and filters, and for the rest of the process.
  std::uint64_t left = memory - memory / 8;
  const auto without = [&](std::uint64_t bytes) { left -= std::min(left, bytes); };
  for (std::uint64_t i = 0; i < kWriteBuffers; ++i) without(options.flush.write_buffer_bytes);
  without(options.cache.key_filter_bytes);
  without(options.cache.block_cache_bytes);
  return std::min({kMost, memory / 4, std::max(left, memory / 32)});
}

std::string chosen_text(const Options& options) {
  const Machine& here = machine();
  const bool automatic = options.cache.row_cache_bytes == CacheOptions::kAutomatic;
  std::string text = "row cache " +
                     std::to_string(automatic ? automatic_row_cache(options, here.memory)
                                              : options.cache.row_cache_bytes) +
                     " bytes";
  if (automatic) {
    text += " (chosen; this process may use " + std::to_string(here.memory) + ", by " +
            here.memory_from + ")";
  }
  text += ", threads " + std::to_string(options.threads == 0 ? here.cores : options.threads);
  if (options.threads == 0) text += " (chosen, by " + here.cores_from + ")";
  return text;
}

Status check_there(const OpenGeneration& lifetime) {
  if (!lifetime.lock()) return {};  // a clone is never opened by path again
  FLATKV_TRY(lifetime.lock()->check(fs::parent(lifetime.generation())));
  return lifetime.check_generation();
}

}  // namespace flatkv::state
