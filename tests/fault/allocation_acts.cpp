// SPDX-License-Identifier: Apache-2.0
#include "allocation_acts.hpp"

namespace flatkv::test {

Options table_options() {
  Options options = small_options();
  options.threads = 1;
  options.create_if_missing = true;
  options.durability = Durability::group;
  options.group_blocks = 2;
  options.scrub.mode = Scrub::by_hand;
  return options;
}

Block::Block(std::int64_t version) : changes(script_block(7, version)) {
  changes.emplace_back();
  changes.back().nonce(address(1), static_cast<std::uint64_t>(version));
  for (const Changes& one : changes) {
    sets.push_back(one.sets());
    for (const NamedChangeSet& set : one.sets()) {
      if (set.name != kEvmModule) continue;
      for (const KVPair& pair : set.pairs) keys.push_back(pair.key);
    }
  }
}

const Block& block_of(std::int64_t version) {
  static const std::vector<Block> kBlocks = [] {
    std::vector<Block> blocks;
    blocks.reserve(kBase + 4);
    for (std::int64_t one = 0; one < kBase + 4; ++one) blocks.emplace_back(one);
    return blocks;
  }();
  return kBlocks.at(static_cast<std::size_t>(version));
}

Status next_block(CommitStore& store) {
  const std::int64_t version = store.version() + 1;
  for (const auto sets : block_of(version).sets) FLATKV_TRY(store.apply(sets));
  return status_of(store.commit(version));
}

void go_on(CommitStore& store, const Reporter& reporter) {
  static_cast<void>(allocation_failed());
  if (next_block(store) && store.wait_durable(store.version())) {
    reporter.say('a', store.version());
  }
}

Status walk(Result<RowIterator> rows) {
  if (!rows) return std::unexpected(rows.error());
  for (rows->seek_to_last(); rows->valid(); rows->previous()) {
  }
  FLATKV_TRY(rows->status());
  rows->seek_for_previous(kSomeKey);
  rows->seek(kSomeKey);
  rows->next();
  return rows->status();
}

}  // namespace flatkv::test
