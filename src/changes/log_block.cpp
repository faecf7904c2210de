// SPDX-License-Identifier: Apache-2.0
#include "changes/log_block.hpp"

#include <vector>

#include "base/internals.hpp"
#include "codec/change_log_entry.hpp"
#include "fs/files.hpp"

namespace flatkv {

struct LogBlock::Impl {
  Bytes payload;  ///< `entry` points into it
  codec::ChangelogEntry entry;
  std::vector<NamedChangeSet> sets;
};

std::span<const NamedChangeSet> LogBlock::change_sets() const noexcept {
  if (!impl_) return {};
  return impl_->sets;
}

namespace changes {

LogRecord to_log_record(const changelog::RecordHeader& header) {
  return {.version = header.version,
          .roots = header.roots,
          .payload_bytes = header.payload_bytes,
          .payload_digest = header.payload_digest,
          .chain = header.digest};
}

Result<LogBlock> to_log_block(changelog::Record&& record, bool with_changes,
                              const std::string& directory) {
  LogBlock bare;
  bare.record = to_log_record(record.header);
  if (!with_changes) return bare;
  auto impl = std::make_shared<Internals::Impl<LogBlock>>();
  auto entry = codec::decode_changelog_entry(record.payload);
  if (!entry || entry->version != record.header.version) {
    return fail(ErrorCode::corruption,
                entry ? "the logged block says that it is version " + std::to_string(entry->version)
                      : "the logged block does not decode: " + entry.error().message)
        .path(fs::join(directory, record.segment))
        .version(record.header.version)
        .offset(record.offset);
  }
  impl->entry = std::move(*entry);
  for (const auto& set : impl->entry.changesets) impl->sets.push_back({set.name, set.pairs});
  impl->payload = std::move(record.payload);  // the bytes stay where they are
  auto block =
      Internals::make<LogBlock>(std::shared_ptr<const Internals::Impl<LogBlock>>(std::move(impl)));
  block.record = bare.record;
  return block;
}

ByteView payload_of(const LogBlock& block) noexcept { return Internals::impl(block).payload; }

}  // namespace changes
}  // namespace flatkv
