// SPDX-License-Identifier: Apache-2.0
#include "allocation_acts.hpp"

#include <algorithm>
#include <thread>

namespace flatkv::test {
namespace {

class OtherThreads : public Executor {
 public:
  std::uint32_t threads() const noexcept override { return 2; }
  void run(std::function<void()> task) override { std::thread(std::move(task)).join(); }
};

}  // namespace

std::shared_ptr<Executor> other_threads() { return std::make_shared<OtherThreads>(); }

Status sound(const Result<VerifyReport>& report) {
  if (!report) return std::unexpected(report.error());
  for (const DatabaseVerdict& verdict : report->databases) {
    if (verdict.error) return std::unexpected(*verdict.error);
  }
  if (!report->good()) return fail(ErrorCode::corruption, "damage where there is none");
  return {};
}

Status whole(const std::string& path, std::int64_t version) {
  disarm();
  FLATKV_ASSIGN(const auto store, CommitStore::open(path, table_options()));
  if (store.version() != version) return fail(ErrorCode::corruption, "another version was made");
  return sound(store.verify());
}

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
  // More rows than an executor gets at a time.
  for (std::uint64_t i = 0; i < 70; ++i) {
    changes.back().storage(address(1), slot(i), Bytes(32, static_cast<std::uint8_t>(version + 1)));
  }
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

const State& base_state() {
  static const State kState = [] {
    Model model;
    for (std::int64_t version = 1; version <= kBase; ++version) {
      for (const Changes& changes : block_of(version).changes) model.apply(changes.sets());
      model.commit();
    }
    return model.committed();
  }();
  return kState;
}

Status next_block(CommitStore& store) {
  const std::int64_t version = store.version() + 1;
  for (const auto sets : block_of(version).sets) FLATKV_TRY(store.apply(sets));
  return status_of(store.commit(version));
}

void go_on(CommitStore& store, const Reporter& reporter) {
  disarm();
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

Status same_rows(Result<RowIterator> rows, const Rows& expected) {
  if (!rows) return std::unexpected(rows.error());
  auto row = expected.begin();
  for (rows->seek_to_first(); rows->valid(); rows->next(), ++row) {
    if (row == expected.end() || !std::ranges::equal(rows->key(), row->first) ||
        !std::ranges::equal(rows->value(), row->second)) {
      return fail(ErrorCode::corruption, "another row");
    }
  }
  FLATKV_TRY(rows->status());
  if (row != expected.end()) return fail(ErrorCode::corruption, "a row is missing");
  return {};
}

}  // namespace flatkv::test
