// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "flatkv/roots.hpp"
#include "topic/scan.hpp"

namespace flatkv::follow {

/// The last record after which the topic is in the state of this version and roots line. From there
/// the store goes on: what the records between an earlier such record and this one do to the state
/// cancels out. Errors: `log_gap` (the topic begins above), `version_mismatch` (it was never in
/// that state), those of the consumer.
Result<topic::Seen> find_state(broker::Consumer& consumer, std::int64_t version, const Roots& roots,
                               const std::stop_token& stop);

/// The newest record that `fits` and whose version no later undo passes.
Result<std::optional<topic::Seen>> find_kept(broker::Consumer& consumer,
                                             const std::function<bool(const topic::Seen&)>& fits,
                                             const std::stop_token& stop);

/// The newest marker that `fits` and whose snapshot can be gone on from: no later undo passes its
/// version, and the topic still has the record after which it was in that state.
Result<std::optional<topic::Seen>> find_snapshot(
    broker::Consumer& consumer, const std::function<bool(const topic::Seen&)>& fits,
    const std::stop_token& stop);

}  // namespace flatkv::follow
