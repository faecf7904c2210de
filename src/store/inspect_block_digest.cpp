// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "base/guard.hpp"
#include "blake3/blake3.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/tools/inspect.hpp"

namespace flatkv {

Result<Digest> block_digest(std::int64_t version, std::span<const NamedChangeSet> change_sets) {
  return guarded([&]() -> Result<Digest> {
    std::vector<NamedChangeSet> kept;  // sets of other modules are not logged
    std::ranges::copy_if(change_sets, std::back_inserter(kept),
                         [](const NamedChangeSet& set) { return set.name == kEvmModule; });
    Bytes payload;
    codec::append_version(payload, version);
    codec::append_change_sets(payload, kept);
    return blake3::hash(payload);
  });
}

}  // namespace flatkv
