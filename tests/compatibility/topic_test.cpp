// SPDX-License-Identifier: Apache-2.0
// A topic as it was published: every record continues the one before, and its blocks and undos make
// the states whose roots it names.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "codec/change_log_entry.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/trace.hpp"
#include "wire/topic_reader.hpp"

namespace flatkv::test {
namespace {

Status apply_payload(CommitStore& store, ByteView payload) {
  auto entry = codec::decode_changelog_entry(payload);
  if (!entry) return std::unexpected(entry.error());
  std::vector<NamedChangeSet> sets;
  for (const auto& set : entry->changesets) sets.push_back({set.name, set.pairs});
  return store.apply(sets);
}

TEST(CompatibleTopic, EveryRecordIsReadAndMakesItsState) {
  const TempDir directory;
  Options options = small_options();
  options.create_if_missing = true;
  options.rollback_depth = 16;
  auto store = CommitStore::open(directory.path("store"), options);
  ASSERT_OK(store);

  std::istringstream lines(
      read_text(std::string(FLATKV_SOURCE_DIR) + "/tests/compatibility/today/topic.jsonl.zst"));
  wire::TopicReader reader(std::nullopt);
  std::map<wire::Kind, int> kinds;
  for (std::string line; std::getline(lines, line);) {
    const auto message = nlohmann::json::parse(line);
    const Bytes key = hex(message.at("key").get<std::string>());
    const Bytes value = hex(message.at("value").get<std::string>());
    const auto taken = reader.take(key, value);
    ASSERT_OK(taken);
    if (!*taken) continue;
    const wire::Record& record = **taken;
    SCOPED_TRACE(std::string(wire::to_string(record.kind)) + " " + std::to_string(record.version));
    ++kinds[record.kind];
    if (record.kind == wire::Kind::block) {
      ASSERT_OK(apply_payload(*store, record.payload));
      ASSERT_OK(store->commit(record.version));
    } else if (record.kind == wire::Kind::undo) {
      ASSERT_OK(store->rollback(record.version));
    } else if (record.kind == wire::Kind::marker) {
      EXPECT_LE(record.version, store->version());
      continue;
    }
    ASSERT_EQ(store->version(), record.version);
    ASSERT_TRUE(same_roots(store->committed_roots(), record.roots));
  }
  EXPECT_EQ(kinds[wire::Kind::begin], 1);
  EXPECT_EQ(kinds[wire::Kind::undo], 1);
  EXPECT_GE(kinds[wire::Kind::block], 20);
  EXPECT_GE(kinds[wire::Kind::marker], 1);
  EXPECT_EQ(store->version(), 17);
}

}  // namespace
}  // namespace flatkv::test
