// SPDX-License-Identifier: Apache-2.0
// The part of Core that overlays use.
#include "commit/core.hpp"

namespace flatkv::commit {

std::shared_ptr<block::OverlayBlock> Core::new_overlay_block() {
  return std::make_shared<block::OverlayBlock>(
      block::OverlayBlock::Setup{.account_rows = setup_.manifest.account_rows,
                                 .rows = lookup(),
                                 .share = share_,
                                 .scrub = scrubber_ ? &scrubber_->part() : nullptr,
                                 .memory = overlays_->counter()});
}

Result<Roots> Core::commit(std::span<const std::shared_ptr<block::OverlayBlock>> blocks,
                           std::int64_t version) {
  if (!pending_.chunks().empty()) {
    return fail(ErrorCode::invalid_argument,
                "the handle has a pending block; commit or discard it before an overlay")
        .path(setup_.store);
  }
  const auto count = static_cast<std::int64_t>(blocks.size());
  FLATKV_TRY(check_next(version, count));
  Result<Roots> last = Roots{};
  std::int64_t next = version - count;
  for (const auto& block : blocks) {
    last = commit_block(block->block(), ++next, block.get());
    if (last) continue;
    if (block != blocks.front()) {
      last.error().version = next - 1;
      last.error().message += "; the blocks up to version " + std::to_string(next - 1) +
                              " are committed, " +
                              (setup_.fault->failed() ? "and only a reopen can tell of the next one"
                                                      : "those above it are not");
    }
    break;
  }
  return last;
}

}  // namespace flatkv::commit
