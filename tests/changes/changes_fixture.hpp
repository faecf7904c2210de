// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/endian.hpp"
#include "flatkv/block_builder.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"

namespace flatkv::test {

/// A store whose blocks each set one nonce: the block's tag, by which events name it.
class ChangesFixture : public ::testing::Test {
 protected:
  ChangesFixture() {
    options_.create_if_missing = true;
    options_.snapshot.interval = 0;
    options_.durability = Durability::sync;
  }
  std::string path() const { return directory_.path("store"); }

  void open() {
    store_.reset();
    auto opened = CommitStore::open(path(), options_);
    ASSERT_OK(opened);
    store_.emplace(*std::move(opened));
  }
  void close() {
    ASSERT_OK(store_->close());
    store_.reset();
  }
  /// Commits blocks with these tags.
  void commit(std::initializer_list<std::uint64_t> tags) {
    for (const std::uint64_t tag : tags) {
      ASSERT_OK(store_->apply(BlockBuilder().set_nonce(address(1), tag)));
      ASSERT_OK(store_->commit(store_->version() + 1));
    }
  }
  /// Commits `count` blocks, tagged with their versions, with so many bytes of code in each.
  void commit_many(int count, std::size_t bytes = 0) {
    for (int i = 0; i < count; ++i) {
      const auto version = static_cast<std::uint64_t>(store_->version() + 1);
      BlockBuilder block;
      block.set_nonce(address(1), version);
      if (bytes != 0) block.set_code(address(2), Bytes(bytes, 7), word(1));
      ASSERT_OK(store_->apply(block));
      ASSERT_OK(store_->commit(store_->version() + 1));
    }
  }

  static std::uint64_t tag_of(const LogBlock& block) {
    for (const NamedChangeSet& set : block.change_sets()) {
      for (const KVPair& pair : set.pairs) {
        if (pair.key[0] == kNoncePrefix) return load_be<std::uint64_t>(pair.value.data());
      }
    }
    return 0;
  }
  /// "+version:tag" or "-version".
  static std::string text_of(const ChangeEvent& event) {
    const std::string version = std::to_string(event.at.version);
    if (!event.block) return "-" + version;
    EXPECT_EQ(event.block->record.version, event.at.version);
    EXPECT_EQ(event.block->record.chain, event.at.chain);
    return "+" + version + ":" + std::to_string(tag_of(*event.block));
  }
  using Texts = std::vector<std::string>;
  /// All events that are there, and the error that ended them, if one did.
  static Texts drain(Subscription& subscription) {
    Texts texts;
    while (true) {
      auto event = subscription.next(std::chrono::milliseconds(0));
      if (!event) texts.emplace_back(to_string(event.error().code));
      if (!event || !*event) return texts;
      texts.push_back(text_of(**event));
    }
  }
  Subscription subscribe(SubscribeOptions options) {
    auto subscription = store_->subscribe(options);
    EXPECT_OK(subscription);
    return *std::move(subscription);
  }
  Subscription resume(const Cursor& cursor) {
    SubscribeOptions options;
    options.cursor = cursor;
    return subscribe(options);
  }
  static SubscribeOptions from(std::int64_t after) {
    SubscribeOptions options;
    options.after = after;
    return options;
  }

  TempDir directory_;
  Options options_ = small_options();
  std::optional<CommitStore> store_;
};

}  // namespace flatkv::test
