// SPDX-License-Identifier: Apache-2.0
#include "base/endian.hpp"
#include "blake3/blake3.hpp"
#include "compare/part_scan.hpp"
#include "compare/test_support.hpp"

// Work on one state, spread over parts that know nothing of each other.
namespace flatkv::compare {
namespace {

class Parts : public testing::Test {
 protected:
  /// Two stores with one state and different histories: two machines.
  void fill(std::size_t rows, std::uint64_t seed) {
    Random random(seed);
    const External state = random_state(random, rows);
    for (CommitStore& store : stores_) write_state(random, store, state);
    // Both at one version, though their blocks were others.
    const std::int64_t version = std::max(stores_[0].version(), stores_[1].version()) + 1;
    for (CommitStore& store : stores_) {
      while (store.version() < version) must(Block().commit(store));
    }
  }

  ReadView view(std::uint32_t index) const { return must(stores_[index % 2].view()); }

  /// Each part as it comes out of a file, from one of the two stores.
  template <class Scan>
  std::vector<PartScan> scans(std::uint32_t of, Scan&& scan) const {
    std::vector<PartScan> parts;
    for (std::uint32_t index = of; index >= 1; --index) {  // in whatever order
      const PartScan made = must(scan(view(index), PartOf{index, of}));
      parts.push_back(must(PartScan::decode(must(made.encode()))));
    }
    return parts;
  }

  std::vector<PartScan> digests(std::uint32_t of, const DigestOptions& options = {}) const {
    return scans(of,
                 [&](const ReadView& own, PartOf part) { return digest_part(own, part, options); });
  }
  std::vector<PartScan> verifications(std::uint32_t of) const {
    return scans(of, [](const ReadView& own, PartOf part) { return verify_part(own, part); });
  }

  /// That merging is refused, and the message has each of `texts`.
  static void expect_refused(const std::vector<PartScan>& parts, ErrorCode code,
                             const std::vector<std::string>& texts) {
    for (const bool digest : {false, true}) {
      std::optional<Error> error;
      if (digest) {
        if (auto merged = merge_digest(parts); !merged) error = merged.error();
      } else {
        if (auto merged = merge_verify(parts); !merged) error = merged.error();
      }
      ASSERT_TRUE(error) << "digest " << digest;
      EXPECT_EQ(error->code, code) << error->to_string();
      for (const std::string& text : texts) {
        EXPECT_NE(error->message.find(text), std::string::npos) << error->message;
      }
    }
  }

  /// The scan with one subtree changed, which is a node with two leaves.
  template <class Change>
  static PartScan with_subtree(PartScan scan, Change&& change) {
    for (PartScan::Part& part : scan.databases) {
      if (!part.ranges->run) continue;
      auto copy = std::make_shared<PartScan::Part::Ranges>();
      copy->empties = part.ranges->empties;
      copy->leaf_rows = part.ranges->leaf_rows;
      copy->run = copy_of(*part.ranges->run);
      auto& subtrees = copy->run->subtrees;
      const auto found = std::ranges::find(
          subtrees, 3U, [](const Subtree& subtree) { return subtree.nodes.size(); });
      if (found == subtrees.end()) continue;
      change(*found);
      part.ranges = std::move(copy);
      return scan;
    }
    ADD_FAILURE() << "no such subtree";
    return scan;
  }

  /// That the file of a scan is refused, though its digest is right.
  static void expect_no_scan(const PartScan& scan, const std::string& text) {
    const auto read = PartScan::decode(must(scan.encode()));
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::corruption);
    EXPECT_TRUE(read.error().offset.has_value());
    EXPECT_NE(read.error().message.find(text), std::string::npos) << read.error().message;
  }

  TempDir directory_;
  std::array<CommitStore, 2> stores_ = {open_new(directory_ / "a", quiet_options()),
                                        open_new(directory_ / "b", quiet_options())};
};

TEST_F(Parts, MergeToWhatOneProcessFinds) {
  fill(4000, 1);
  for (const std::uint64_t leaf_rows : {0U, 1U, 20U}) {
    DigestOptions options;
    options.leaf_rows = leaf_rows;
    const Bytes whole = must(digest_of(stores_[0], options).encode());
    for (const std::uint32_t of : {1U, 3U, 64U}) {
      const auto parts = digests(of, options);
      const StateDigest merged = must(merge_digest(parts));
      EXPECT_EQ(must(merged.encode()), whole) << of << " parts, leaves of " << leaf_rows;
      for (const auto& part : merged.parts) EXPECT_TRUE(merged.proven(part));
    }
  }
  const VerifyReport whole = must(stores_[1].verify());
  for (const std::uint32_t of : {1U, 3U, 64U}) {
    for (const auto& parts : {verifications(of), digests(of)}) {
      const VerifyReport merged = must(merge_verify(parts));
      EXPECT_TRUE(merged.good());
      EXPECT_EQ(merged.version, whole.version);
      EXPECT_EQ(merged.roots, whole.roots);
      ASSERT_EQ(merged.databases.size(), 4U);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(merged.databases[i].found, whole.databases[i].found);
        EXPECT_EQ(merged.databases[i].found_stats, whole.databases[i].found_stats);
        EXPECT_EQ(merged.databases[i].expected_stats, whole.databases[i].expected_stats);
      }
    }
  }
}

TEST_F(Parts, OfAnEmptyStateAndOfFewRows) {
  for (const std::size_t rows : {0U, 1U, 2U, 5U}) {
    if (rows != 0) fill(rows, rows);
    const Bytes whole = must(digest_of(stores_[0]).encode());
    for (const std::uint32_t of : {1U, 3U, 64U}) {
      EXPECT_EQ(must(must(merge_digest(digests(of))).encode()), whole);
      EXPECT_TRUE(must(merge_verify(verifications(of))).good());
    }
  }
}

TEST_F(Parts, ShareOneContractEvenly) {
  Block block;
  for (int slot = 0; slot < 8192; ++slot) {
    Bytes key = to_bytes(Block::slot_key(7, 0));
    const Digest spread = blake3::hash(as_bytes(std::to_string(slot)));
    std::ranges::copy(spread, key.end() - sizeof spread);
    block.set(std::move(key), Bytes{1});
  }
  must(block.commit(stores_[0]));
  std::uint64_t rows = 0;
  for (std::uint32_t index = 1; index <= 8; ++index) {
    const PartScan scan = must(verify_part(view(0), {index, 8}));
    rows += scan.databases[2].found.rows;
    EXPECT_NEAR(static_cast<double>(scan.databases[2].found.rows), 1024, 200);
  }
  EXPECT_EQ(rows, 8192U);
}

TEST_F(Parts, OfOneDatabase) {
  fill(500, 3);
  DigestOptions options;
  options.database = Database::storage;
  EXPECT_EQ(must(must(merge_digest(digests(5, options))).encode()),
            must(digest_of(stores_[0], options).encode()));
  VerifyOptions one;
  one.database = Database::storage;
  const auto parts =
      scans(5, [&](const ReadView& own, PartOf part) { return verify_part(own, part, one); });
  const VerifyReport report = must(merge_verify(parts));
  EXPECT_TRUE(report.good());
  EXPECT_EQ(report.databases.size(), 1U);
}

TEST_F(Parts, ThatDoNotBelongTogetherAreNamed) {
  fill(300, 4);
  const auto parts = digests(8);  // parts[i] is part 8 - i
  expect_refused({}, ErrorCode::invalid_argument, {"no parts"});
  auto some = parts;
  some.erase(some.begin() + 1, some.begin() + 3);
  expect_refused(some, ErrorCode::invalid_argument, {"missing: 6 to 7"});
  some[2] = some[3];
  expect_refused(some, ErrorCode::invalid_argument, {"missing: 4, 6 to 7", "more than once: 3"});
  some = parts;
  some.push_back(digests(7).front());
  expect_refused(some, ErrorCode::invalid_argument, {"parts of 8 and of 7"});

  must(Block().slot(1, 1, 99).commit(stores_[0]));
  some = parts;
  some[3] = must(digest_part(must(stores_[0].view()), {5, 8}));
  expect_refused(some, ErrorCode::version_mismatch, {"part 1", "part 5", "versions"});
  must(Block().slot(1, 1, 98).commit(stores_[1]));
  some = scans(8, [](const ReadView& own, PartOf part) { return digest_part(own, part); });
  expect_refused(some, ErrorCode::foreign_store, {"different states"});
}

TEST_F(Parts, ScannedOtherwiseAreNoDigest) {
  fill(300, 5);
  auto parts = digests(2);
  DigestOptions fine;
  fine.leaf_rows = 2;
  parts[0] = must(digest_part(view(0), {2, 2}, fine));
  EXPECT_EQ(merge_digest(parts).error().code, ErrorCode::invalid_argument);
  parts[0] = must(verify_part(view(0), {2, 2}));
  EXPECT_EQ(merge_digest(parts).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(must(merge_verify(parts)).good());  // that takes no ranges
  parts[0].for_digest = true;
  EXPECT_EQ(merge_digest(parts).error().code, ErrorCode::invalid_argument);
}

TEST_F(Parts, ThatCannotBe) {
  for (const PartOf part : {PartOf{0, 1}, PartOf{2, 1}, PartOf{1, 0}, PartOf{1, 65'537}}) {
    EXPECT_EQ(digest_part(view(0), part).error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(verify_part(view(0), part).error().code, ErrorCode::invalid_argument);
  }
  auto parts = digests(1);
  parts[0].which = {1, 0xffff'ffff};  // all others would be named as missing
  expect_refused(parts, ErrorCode::invalid_argument, {"65536"});
  DigestOptions range;
  range.database = Database::storage;
  range.range.start = Bytes{1};
  EXPECT_EQ(digest_part(view(0), {1, 2}, range).error().code, ErrorCode::invalid_argument);
}

TEST_F(Parts, ComeFromFilesUnchangedOrNotAtAll) {
  fill(40, 6);
  DigestOptions fine;
  fine.leaf_rows = 3;
  const PartScan digest = must(digest_part(view(0), {2, 3}, fine));
  const PartScan verification = must(verify_part(view(0), {2, 3}));
  for (const PartScan* scan : {&digest, &verification}) {
    const Bytes good = must(scan->encode());
    EXPECT_EQ(must(must(PartScan::decode(good)).encode()), good);
    Bytes bad = good;
    for (std::size_t size = 0; size < good.size(); size += 1 + size / 64) {
      bad.resize(size);
      const auto refused = PartScan::decode(bad);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::corruption);
      EXPECT_LE(refused.error().offset.value(), size);
      bad = good;
    }
    for (std::size_t at = 0; at < good.size(); at += 7) {
      bad[at] ^= 1;
      EXPECT_FALSE(PartScan::decode(bad)) << at;
      bad[at] ^= 1;
    }
    store_le(bad.data() + 8, std::uint32_t{2});
    EXPECT_EQ(PartScan::decode(bad).error().code, ErrorCode::format_too_new);
  }
}

/// The database and the version that a refusal to merge names.
template <class Merged>
void expect_names(const Merged& merged, Database database, std::int64_t version) {
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().database, database);
  EXPECT_EQ(merged.error().version, version);
}

TEST_F(Parts, OfOtherDatabasesOrCountsOrCutsAreNamed) {
  fill(300, 7);
  const auto one = [&](PartOf of, Database database) {
    DigestOptions options;
    options.database = database;
    return must(digest_part(view(0), of, options));
  };
  expect_refused({one({1, 2}, Database::storage), one({2, 2}, Database::code)},
                 ErrorCode::invalid_argument, {"part 1 and part 2", "different databases"});

  const auto parts = digests(2);  // the second one comes first
  auto changed = parts;
  changed[0].databases[2].claimed.rows += 1;
  expect_refused(changed, ErrorCode::foreign_store,
                 {"part 1 and part 2", "count their rows differently"});
  expect_names(merge_verify(changed), Database::storage, parts[0].version);

  // Between the end of one part and the beginning of the next nobody has looked.
  changed = parts;
  Bytes& start = changed[0].databases[2].start;
  start.push_back(1);
  expect_refused(changed, ErrorCode::foreign_store,
                 {"part 1 ends at key " + to_hex(changed[1].databases[2].end),
                  "part 2 begins at " + to_hex(start)});
  expect_names(merge_digest(changed), Database::storage, parts[0].version);
  EXPECT_TRUE(must(merge_verify(parts)).good());
}

TEST_F(Parts, ThatWasNotReadableSaysSoThroughAFile) {
  fill(300, 8);
  auto parts = verifications(2);
  PartScan::Part& unread = parts[1].databases[2];
  unread.error = Error{.code = ErrorCode::corruption,
                       .message = "a block of a table is damaged",
                       .path = "/store/working/storage/000009.sst",
                       .database = Database::storage,
                       .version = {},
                       .offset = {}};
  unread.found = {};
  unread.end = {};  // cuts of what could not be read are unknown
  const Bytes file = must(parts[1].encode());
  parts[1] = must(PartScan::decode(file));
  EXPECT_EQ(must(parts[1].encode()), file);
  const VerifyReport report = must(merge_verify(parts));
  EXPECT_FALSE(report.good());
  ASSERT_EQ(report.databases.size(), 4U);
  for (const DatabaseVerdict& verdict : report.databases) {
    EXPECT_EQ(verdict.good(), verdict.database != Database::storage);
    EXPECT_EQ(verdict.error.has_value(), verdict.database == Database::storage);
  }
  const DatabaseVerdict& verdict = report.databases[2];
  ASSERT_TRUE(verdict.error);
  EXPECT_EQ(verdict.error->code, ErrorCode::corruption);
  EXPECT_EQ(verdict.error->message, "a block of a table is damaged");
  EXPECT_EQ(verdict.error->path, "/store/working/storage/000009.sst");
  EXPECT_EQ(verdict.error->database, Database::storage);
  EXPECT_EQ(verdict.found_stats, DatabaseStats{});

  parts[1].databases[2].error->code = static_cast<ErrorCode>(200);
  expect_no_scan(parts[1], "unknown error");
}

TEST_F(Parts, ThatCannotBeAreRefusedUnderARightDigest) {
  fill(300, 9);
  DigestOptions fine;
  fine.leaf_rows = 3;
  const PartScan good = must(digest_part(view(0), {2, 3}, fine));
  must(PartScan::decode(must(good.encode())));

  PartScan bad = good;
  bad.databases[2].start.clear();
  expect_no_scan(bad, "do not lie between two cuts");
  bad = good;
  bad.leaf_rows = 4;
  expect_no_scan(bad, "ranges of other sizes than asked for");

  const PartScan without = with_subtree(good, [](Subtree& subtree) { subtree.nodes.clear(); });
  expect_no_scan(without, "ranges where there are few rows, or none where there are many");
  const PartScan elsewhere = with_subtree(good, [](Subtree& subtree) {
    for (std::size_t leaf = 0; leaf < 2; ++leaf) subtree.nodes[leaf].kind = NodeKind::range;
    Bytes other = subtree.key;
    other[0] ^= 0x80;
    subtree.nodes.back().prefix = KeyPrefix::of(other, subtree.nodes.back().prefix.bits);
  });
  expect_no_scan(elsewhere, "a range does not lie where its first key says");
}

/// Each part alone is as it could be; together they are no tree.
TEST_F(Parts, ThatContradictEachOtherAreNoDigest) {
  fill(300, 9);
  DigestOptions fine;
  fine.leaf_rows = 3;
  auto parts = digests(3, fine);
  must(merge_digest(parts));
  // It claims to hold every key that begins with the same bit, and there are others.
  parts[1] = with_subtree(parts[1], [](Subtree& subtree) {
    subtree.nodes.back().prefix = KeyPrefix::of(subtree.key, 1);
  });
  parts[1] = must(PartScan::decode(must(parts[1].encode())));
  const auto merged = merge_digest(parts);
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, ErrorCode::corruption);
  EXPECT_EQ(merged.error().message, "the parts do not fit together");
  EXPECT_EQ(merged.error().version, parts[1].version);
}

TEST_F(Parts, OfSmallDigestsMayMakeOneThatIsTooLarge) {
  Block block;
  // As in TooFineIsRefused, and half of it in each part.
  for (int i = 0; i < 10'000; ++i) {
    Bytes key(2000, 'k');
    key[0] = i % 2 == 0 ? 'x' : 'k';
    key[1] = i / 2 % 2 == 0 ? 'x' : 'k';
    for (int byte = 0; byte < 3; ++byte) {
      key[static_cast<std::size_t>(1990 + byte)] = static_cast<std::uint8_t>(i >> (8 * byte));
    }
    block.set(std::move(key), Bytes{1});
  }
  must(block.commit(stores_[0]));
  DigestOptions options;
  options.database = Database::legacy;
  options.leaf_rows = 1;
  const std::vector<PartScan> parts = {must(digest_part(view(0), {1, 2}, options)),
                                       must(digest_part(view(0), {2, 2}, options))};
  EXPECT_EQ(parts[0].databases[0].found.rows, 5000U);
  const auto merged = merge_digest(parts);
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(merged.error().message.find("more than 16 MiB"), std::string::npos);
}

TEST_F(Parts, TheScanOfAPartCanBeStopped) {
  fill(3000, 10);
  std::stop_source cancel;
  cancel.request_stop();
  VerifyOptions options;
  options.stop = cancel.get_token();
  const auto scan = verify_part(view(0), {1, 2}, options);
  ASSERT_FALSE(scan);  // and does not pass for a database that cannot be read
  EXPECT_EQ(scan.error().code, ErrorCode::cancelled);
}

TEST(Cut, AscendsBetweenFirstAndLastKey) {
  const Bytes low = {1, 2, 3};
  const Bytes high = {1, 2, 9, 9};
  for (const std::uint32_t of : {2U, 7U, 65'536U}) {
    Bytes before = low;
    for (std::uint32_t index = 1; index < of; ++index) {
      const Bytes key = cut(low, high, index, of);
      ASSERT_LE(compare_bytes(before, key), 0);
      ASSERT_LT(compare_bytes(key, high), 0);
      before = key;
    }
  }
  // Without rows, and with keys that eight bytes do not tell apart.
  EXPECT_EQ(cut({}, {}, 1, 2), (Bytes{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
  EXPECT_EQ(cut(low, low, 1, 2).size(), 11U);
  EXPECT_EQ(cut(Bytes{1}, Bytes{1, 0, 0}, 1, 2), cut(Bytes{1}, Bytes{1, 0, 0}, 1, 3));
}

}  // namespace
}  // namespace flatkv::compare
