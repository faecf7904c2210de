// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <stop_token>

#include "codec/keys.hpp"
#include "compare/test_support.hpp"

// Digests of states, and where two of them differ.
namespace flatkv::compare {
namespace {

/// A state in a store of its own.
struct Made {
  Made(Random& random, const External& state, Options options = quiet_options())
      : store(open_new(directory / "store", std::move(options))) {
    write_state(random, store, state);
  }
  TempDir directory;
  CommitStore store;
};

TEST(Digest, FollowsFromTheRowsAlone) {
  Random random(1);
  for (int round = 0; round < 4; ++round) {
    const External state = random_state(random, 3000);
    std::optional<Bytes> wanted;
    for (const std::uint64_t write_buffer : {64U << 10, 1U << 20}) {
      Options own = quiet_options();
      own.flush.write_buffer_bytes = write_buffer;
      const Made made(random, state, own);
      for (const unsigned threads : {1U, 2U, 5U}) {
        DigestOptions options;
        options.threads = threads;
        const StateDigest digest = digest_of(made.store, options);
        for (const auto& part : digest.parts) EXPECT_TRUE(digest.proven(part));
        const Bytes bytes = rows_digest(digest);
        if (!wanted) wanted = bytes;
        EXPECT_EQ(bytes, *wanted);
      }
    }
  }
}

TEST(Digest, OfAnEmptyStateAndOfOneRow) {
  const TempDir directory;
  CommitStore store = open_new(directory / "store", quiet_options());
  const StateDigest empty = digest_of(store);
  for (const auto& part : empty.parts) {
    EXPECT_TRUE(empty.proven(part));
    EXPECT_EQ(part.nodes, 0U);
  }
  must(Block().slot(1, 2, 3).commit(store));
  const StateDigest one = digest_of(store);
  EXPECT_EQ(one.parts[2].nodes, 1U);
  const auto ranges = must(differing_ranges(empty, one));
  ASSERT_EQ(ranges.size(), 1U);
  EXPECT_TRUE(ranges[0].is_key);
  EXPECT_EQ(ranges[0].start, to_bytes(ByteView(Block::slot_key(1, 2)).subspan(1)));
  EXPECT_EQ(ranges[0].rows_a, 0U);
  EXPECT_EQ(ranges[0].rows_b, 1U);
}

TEST(Digest, OptionsThatCannotBe) {
  const TempDir directory;
  const CommitStore store = open_new(directory / "store", quiet_options());
  const auto refuse = [&](const DigestOptions& options) {
    const auto digest = digest_state(must(store.view()), options);
    ASSERT_FALSE(digest);
    EXPECT_EQ(digest.error().code, ErrorCode::invalid_argument);
  };
  DigestOptions options;
  options.database = Database::metadata;
  refuse(options);
  options.database = static_cast<Database>(9);
  refuse(options);
  // What is written can be read: no key is longer.
  options.database = Database::legacy;
  options.range.start = Bytes(codec::kMaxKeyBytes + 2, 1);
  refuse(options);
  options.range.start.pop_back();
  const StateDigest longest = must(digest_state(must(store.view()), options));
  EXPECT_EQ(must(StateDigest::decode(must(longest.encode()))).start, options.range.start);
  options.database.reset();
  options.range.start = Bytes{1};
  refuse(options);
  std::stop_source cancel;
  cancel.request_stop();
  options.range = {};
  options.stop = cancel.get_token();
  const auto digest = digest_state(must(store.view()), options);
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, ErrorCode::cancelled);
}

TEST(Digest, TooFineIsRefused) {
  const TempDir directory;
  CommitStore store = open_new(directory / "store", quiet_options());
  Block block;
  // Each pair has two kilobytes in common with each other, so few make a large digest.
  for (int i = 0; i < 20'000; ++i) {
    Bytes key(2000, 'k');
    key[i % 2 == 0 ? 0 : 1] = 'x';
    for (int byte = 0; byte < 3; ++byte) {
      key[static_cast<std::size_t>(1990 + byte)] = static_cast<std::uint8_t>(i >> (8 * byte));
    }
    block.set(std::move(key), Bytes{1});
  }
  must(block.commit(store));
  DigestOptions options;
  options.leaf_rows = 1;
  const auto digest = digest_state(must(store.view()), options);
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, ErrorCode::invalid_argument);
  EXPECT_LT(digest_of(store).encode().value().size(), 200U << 10);
}

using Keys = std::set<std::pair<Database, std::string>>;

Keys keys_of(const ReadView& a, const ReadView& b, const std::vector<RangeDifference>& ranges) {
  Keys keys;
  for (const RangeDifference& range : ranges) {
    must(diff_rows(a, b, range, [&](const RowDifference& row) -> Status {
      EXPECT_TRUE(keys.emplace(row.database, as_chars(row.key)).second);
      EXPECT_NE(row.a.has_value() && row.b.has_value(), row.a.has_value() != row.b.has_value());
      return {};
    }));
  }
  return keys;
}

/// By walking everything.
Keys all_differing_keys(const ReadView& a, const ReadView& b) {
  std::vector<RangeDifference> everything;
  for (const Database database :
       {Database::account, Database::code, Database::storage, Database::legacy}) {
    everything.push_back({.database = database, .start = {}, .end = {}});
  }
  return keys_of(a, b, everything);
}

bool lies_in(const RangeDifference& range, Database database, ByteView key) {
  return range.database == database && compare_bytes(range.start, key) <= 0 &&
         (range.end.empty() || compare_bytes(key, range.end) < 0);
}

External mutated(Random& random, External state, std::size_t changes) {
  for (std::size_t i = 0; i < changes; ++i) {
    auto at = state.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random() % state.size()));
    switch (random() % 4) {
      case 0:
        state.erase(at);
        break;
      case 1: {  // the same row in another database
        const auto [key, value] = *at;
        if (key[0] == '\x0a' || key.size() != 21) break;
        state.erase(at);
        state["\x03" + key.substr(1) + std::string(32, '\0')] = value;
        break;
      }
      case 2: {
        const std::string key = random_external(random);
        state[key] = random_value(random, key);
        break;
      }
      default:
        at->second = random_value(random, at->first);
    }
  }
  return state;
}

TEST(Diff, FindsExactlyTheKeysThatDiffer) {
  Random random(2);
  for (int round = 0; round < 12; ++round) {
    const External before = random_state(random, round == 0 ? 20 : 1500);
    const External after = mutated(random, before, random() % 30);
    const Made a(random, before);
    const Made b(random, after);
    const ReadView view_a = must(a.store.view());
    const ReadView view_b = must(b.store.view());
    const Keys wanted = all_differing_keys(view_a, view_b);
    for (const auto& [leaf_a, leaf_b] :
         {std::pair{0U, 0U}, std::pair{1U, 1U}, std::pair{3U, 40U}, std::pair{500U, 1U}}) {
      DigestOptions options_a;
      DigestOptions options_b;
      options_a.leaf_rows = leaf_a;
      options_b.leaf_rows = leaf_b;
      // What comes out of a file is what went in.
      const auto digest_a =
          must(StateDigest::decode(digest_of(a.store, options_a).encode().value()));
      const auto digest_b =
          must(StateDigest::decode(digest_of(b.store, options_b).encode().value()));
      const auto ranges = must(differing_ranges(digest_a, digest_b));
      EXPECT_EQ(keys_of(view_a, view_b, ranges), wanted);
      for (const RangeDifference& range : ranges) {
        const auto in_range = std::ranges::count_if(wanted, [&](const auto& key) {
          return lies_in(range, key.first, as_bytes(key.second));
        });
        EXPECT_GE(in_range, 1);  // no range without cause
        if (range.is_key) {
          EXPECT_EQ(in_range, 1);
        }
        if (leaf_a == 1 && leaf_b == 1) {
          EXPECT_TRUE(range.is_key || range.rows_a == 0 || range.rows_b == 0);
        }
      }
    }
  }
}

TEST(Diff, ARowWithoutAValueCountsThoughItHasNoHash) {
  const TempDir directory;
  CommitStore a = open_new(directory / "a", quiet_options());
  CommitStore b = open_new(directory / "b", quiet_options());
  for (CommitStore* store : {&a, &b}) {
    Block block;
    for (int i = 0; i < 200; ++i) block.set(Bytes{'k', static_cast<std::uint8_t>(i)}, Bytes{1});
    block.set(store == &a ? Bytes{'k', 7, 1} : Bytes{'k', 9, 1}, Bytes{});
    must(block.commit(*store));
  }
  ASSERT_EQ(a.committed_roots(), b.committed_roots());
  for (const std::uint64_t leaf_rows : {1U, 16U, 1000U}) {
    DigestOptions options;
    options.leaf_rows = leaf_rows;
    const auto ranges = must(differing_ranges(digest_of(a, options), digest_of(b, options)));
    const Keys wanted = {{Database::legacy, std::string("k\x07\x01", 3)},
                         {Database::legacy, std::string("k\x09\x01", 3)}};
    EXPECT_EQ(keys_of(must(a.view()), must(b.view()), ranges), wanted);
  }
}

TEST(Diff, DeeperDigestsOfARangeMeetAtTheKey) {
  Random random(3);
  const External before = random_state(random, 4000);
  External after = before;
  const std::string key = "\x03" + std::string(20, '\x77') + std::string(32, '\0');
  after[key] = "another";
  const Made a(random, before);
  const Made b(random, after);
  DigestOptions options;
  options.leaf_rows = 1024;
  RangeDifference range;
  for (int exchange = 0;; ++exchange) {
    ASSERT_LT(exchange, 8);
    const Bytes file_a = digest_of(a.store, options).encode().value();
    const Bytes file_b = digest_of(b.store, options).encode().value();
    EXPECT_LT(file_a.size(), 64U << 10);
    const auto ranges = must(
        differing_ranges(must(StateDigest::decode(file_a)), must(StateDigest::decode(file_b))));
    ASSERT_EQ(ranges.size(), 1U);
    range = ranges.front();
    if (range.is_key) break;
    options.database = range.database;
    options.range = {{}, range.start, range.end};
    options.leaf_rows = std::max<std::uint64_t>(1, options.leaf_rows / 32);
  }
  EXPECT_EQ(range.database, Database::storage);
  EXPECT_EQ(range.start, to_bytes(as_bytes(key).subspan(1)));
}

TEST(Diff, WhatHasNoKeyInCommonComesInTheirOrder) {
  const TempDir directory;
  CommitStore low = open_new(directory / "low", quiet_options());
  CommitStore high = open_new(directory / "high", quiet_options());
  for (CommitStore* store : {&low, &high}) {
    Block block;
    const std::uint8_t begin = store == &low ? 'A' : 'z';
    for (int i = 0; i < 20; ++i) block.set(Bytes{begin, static_cast<std::uint8_t>(i)}, Bytes{1});
    must(block.commit(*store));
  }
  DigestOptions options;
  options.leaf_rows = 4;
  const StateDigest a = digest_of(low, options);
  const StateDigest b = digest_of(high, options);
  const auto ranges = must(differing_ranges(a, b));
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(std::pair(ranges[0].rows_a, ranges[0].rows_b),
            (std::pair<std::uint64_t, std::uint64_t>(20, 0)));
  EXPECT_EQ(std::pair(ranges[1].rows_a, ranges[1].rows_b),
            (std::pair<std::uint64_t, std::uint64_t>(0, 20)));
  EXPECT_LE(compare_bytes(ranges[0].start, Bytes{'A', 0}), 0);
  EXPECT_LE(compare_bytes(ranges[0].end, ranges[1].start), 0);
  const auto turned = must(differing_ranges(b, a));
  ASSERT_EQ(turned.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(turned[i].start, ranges[i].start);
    EXPECT_EQ(turned[i].end, ranges[i].end);
    EXPECT_EQ(turned[i].rows_a, ranges[i].rows_b);
  }
}

TEST(Diff, OfDifferentPartsIsRefused) {
  const TempDir directory;
  const CommitStore store = open_new(directory / "store", quiet_options());
  DigestOptions options;
  const StateDigest whole = digest_of(store, options);
  options.database = Database::code;
  const StateDigest code = digest_of(store, options);
  options.range.prefix = Bytes{1};
  const StateDigest part = digest_of(store, options);
  for (const auto& [one, other] : {std::pair{&whole, &code}, {&code, &part}, {&part, &whole}}) {
    const auto ranges = differing_ranges(*one, *other);
    ASSERT_FALSE(ranges);
    EXPECT_EQ(ranges.error().code, ErrorCode::invalid_argument);
  }
}

}  // namespace
}  // namespace flatkv::compare
