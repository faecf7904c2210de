// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "commit/core.hpp"
#include "flatkv/overlay.hpp"

// Overlays as the stores make and commit them.
namespace flatkv::overlay {

/// An empty overlay on the committed state. Any thread.
Result<Overlay> start(const std::shared_ptr<commit::Core>& core);

/// CommitStore::commit of an overlay; without a version, as the one that it has. Call it as the
/// writer.
Result<Roots> commit(commit::Core& core, Overlay& overlay, std::optional<std::int64_t> version);

}  // namespace flatkv::overlay
