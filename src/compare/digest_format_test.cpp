// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>

#include <functional>
#include <memory>

#include "base/endian.hpp"
#include "blake3/blake3.hpp"
#include "compare/digest_part.hpp"
#include "compare/test_support.hpp"

// The bytes of a digest, and what is no digest.
namespace flatkv::compare {
namespace {

class DigestFormat : public testing::Test {
 protected:
  DigestFormat() {
    Random random(5);
    CommitStore store = open_new(directory_ / "store", quiet_options());
    write_state(random, store, random_state(random, 60));
    DigestOptions options;
    options.leaf_rows = 3;
    digest_ = digest_of(store, options);
    good_ = digest_.encode().value();
  }

  static void expect_refused(const Bytes& bytes, ErrorCode code = ErrorCode::corruption) {
    const auto digest = StateDigest::decode(bytes);
    ASSERT_FALSE(digest);
    EXPECT_EQ(digest.error().code, code) << digest.error().to_string();
    EXPECT_TRUE(digest.error().offset.has_value());
    EXPECT_LE(*digest.error().offset, bytes.size());
  }

  /// Makes its own digest right again, so that only the content is wrong.
  static Bytes sealed(Bytes bytes) {
    bytes.resize(bytes.size() - sizeof(Digest));
    append(bytes, blake3::hash(bytes));
    return bytes;
  }

  TempDir directory_;
  StateDigest digest_;
  Bytes good_;
};

TEST_F(DigestFormat, ComesBackAsItWas) {
  const auto back = must(StateDigest::decode(good_));
  EXPECT_EQ(back.encode().value(), good_);
  EXPECT_EQ(back.version, digest_.version);
  EXPECT_EQ(back.roots, digest_.roots);
  ASSERT_EQ(back.parts.size(), 4U);
  for (std::size_t i = 0; i < back.parts.size(); ++i) {
    EXPECT_EQ(back.parts[i].found, digest_.parts[i].found);
    EXPECT_EQ(back.parts[i].nodes, digest_.parts[i].nodes);
    EXPECT_TRUE(back.proven(back.parts[i]));
  }
}

TEST_F(DigestFormat, TruncatedAnywhere) {
  for (std::size_t size = 0; size < good_.size(); ++size) {
    expect_refused({good_.begin(), good_.begin() + static_cast<std::ptrdiff_t>(size)});
    if (HasFailure()) return;
  }
}

TEST_F(DigestFormat, FlippedAtEveryByte) {
  for (std::size_t at = 0; at < good_.size(); ++at) {
    for (const unsigned bit : {0U, 7U}) {
      Bytes bad = good_;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ 1U << bit);
      const auto format = load_le<std::uint32_t>(bad.data() + 8);
      expect_refused(bad, format > 1 ? ErrorCode::format_too_new : ErrorCode::corruption);
      if (HasFailure()) return;
    }
  }
}

TEST_F(DigestFormat, FlippedUnderARightDigestIsRefusedOrAnotherDigest) {
  for (std::size_t at = 12; at < good_.size() - sizeof(Digest); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bad = good_;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ 1U << bit);
      bad = sealed(std::move(bad));
      const auto digest = StateDigest::decode(bad);
      if (!digest) continue;
      EXPECT_EQ(digest->encode(), bad) << at;
      must(differing_ranges(digest_, *digest));  // whatever it says, comparing it is safe
    }
  }
}

TEST_F(DigestFormat, Extended) {
  Bytes longer = good_;
  longer.push_back(0);
  expect_refused(longer);
  Bytes inside = good_;
  inside.insert(inside.end() - sizeof(Digest), std::uint8_t{0});
  expect_refused(sealed(inside));
}

TEST_F(DigestFormat, HugeCountsTakeNoMemory) {
  // Every four bytes that could be a length or a count.
  for (std::size_t at = 12; at + 4 <= good_.size() - sizeof(Digest); ++at) {
    Bytes bad = good_;
    store_le<std::uint32_t>(bad.data() + at, 0xfffffff0U);
    bad = sealed(std::move(bad));
    const auto digest = StateDigest::decode(bad);
    if (digest) {
      EXPECT_EQ(digest->encode(), bad);
    }
  }
}

TEST_F(DigestFormat, OfANewerFormat) {
  Bytes newer = good_;
  store_le<std::uint32_t>(newer.data() + 8, 2);
  expect_refused(sealed(newer), ErrorCode::format_too_new);
  store_le<std::uint32_t>(newer.data() + 8, 0);
  expect_refused(sealed(newer));
}

/// A source that gives a few bytes at a time, and on demand never ends.
class Drops : public ByteSource {
 public:
  Drops(ByteView bytes, bool endless) : rest_(bytes), endless_(endless) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    if (rest_.empty() && endless_) {
      std::ranges::fill(into, std::uint8_t{0});
      return into.size();
    }
    const std::size_t size = std::min<std::size_t>({into.size(), rest_.size(), 1000});
    std::ranges::copy(rest_.first(size), into.begin());
    rest_ = rest_.subspan(size);
    return size;
  }

 private:
  ByteView rest_;
  bool endless_;
};

TEST_F(DigestFormat, FromASource) {
  Drops source(good_, false);
  EXPECT_EQ(must(read_digest(source)).encode().value(), good_);
  Drops endless(good_, true);
  const auto digest = read_digest(endless);
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code, ErrorCode::corruption);
}

TEST_F(DigestFormat, APartHasNoCountsOfTheWhole) {
  StateDigest part = digest_;
  part.parts.resize(1);
  part.start = Bytes{0};
  part.parts[0].claimed = {};
  must(StateDigest::decode(must(part.encode())));
  part.parts[0].claimed.rows = 1;
  const Bytes bytes = must(part.encode());
  expect_refused(bytes);
  EXPECT_NE(StateDigest::decode(bytes).error().message.find("counts of a whole database"),
            std::string::npos);
}

/// Two leaves under a node at whose depth a key ends: the one that ends there is one row.
TEST_F(DigestFormat, OneKeyHasOneRow) {
  StateDigest bad = digest_;
  const auto with_left = [&](std::uint64_t rows) {
    auto tree = std::make_shared<StateDigest::Part::Tree>();
    tree->nodes.push_back({NodeKind::range, {}, rows, {}, 1});
    tree->nodes.push_back({NodeKind::range, {}, 2, {}, 1});
    tree->nodes.push_back(
        {NodeKind::inner, KeyPrefix::of(Bytes{1, 2}, kBitsPerByte), rows + 2, {}, 3});
    bad.parts[3].nodes = tree->nodes.size();
    bad.parts[3].found.rows = rows + 2;
    bad.parts[3].leaf_rows = 2;
    bad.parts[3].tree = std::move(tree);
    return must(bad.encode());
  };
  must(StateDigest::decode(with_left(1)));
  const Bytes bytes = with_left(2);
  expect_refused(bytes);
  EXPECT_NE(StateDigest::decode(bytes).error().message.find("one key with several rows"),
            std::string::npos);
}

/// What takes a frame for each of a thousand levels does not fit into it.
void on_a_small_stack(std::function<void()> what) {
  constexpr std::size_t kStack = std::size_t{256} << 10U;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, kStack), 0);
  pthread_t thread{};
  const auto run = [](void* function) -> void* {
    (*static_cast<std::function<void()>*>(function))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &what), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

/// A tree as deep as it has nodes, as only an attacker makes it: nothing here may be recursive.
TEST_F(DigestFormat, ADeepTreeIsNoTrouble) {
  StateDigest deep = digest_;
  auto tree = std::make_shared<StateDigest::Part::Tree>();
  constexpr std::uint32_t kDepth = 200'000;
  const Bytes key(kDepth / kBitsPerByte + 2, 0);
  tree->nodes.push_back({NodeKind::range, {}, 1, {}, 1});
  std::uint64_t rows = 1;
  for (std::uint32_t bit = kDepth; bit-- > 2 && tree->nodes.size() < 3000;) {
    if (bit % kBitsPerByte == 0) continue;
    tree->nodes.push_back({NodeKind::range, {}, 1, {}, 1});
    ++rows;
    tree->nodes.push_back({NodeKind::inner,
                           KeyPrefix::of(key, bit),
                           rows,
                           {},
                           static_cast<std::uint32_t>(tree->nodes.size() + 1)});
  }
  deep.parts[3].nodes = tree->nodes.size();
  deep.parts[3].found.rows = rows;
  deep.parts[3].leaf_rows = 1;
  deep.parts[3].tree = tree;
  const Bytes bytes = deep.encode().value();
  on_a_small_stack([&] {
    const auto back = must(StateDigest::decode(bytes));
    EXPECT_FALSE(must(differing_ranges(digest_, back)).empty());
    // They differ in the deepest range alone.
    auto changed = std::make_shared<StateDigest::Part::Tree>(*tree);
    for (auto& node : changed->nodes) {
      if (node.kind == NodeKind::inner) node.checksum[0] = 1;
    }
    changed->nodes.front().checksum[0] = 1;
    StateDigest other = back;
    other.parts[3].tree = changed;
    const auto ranges = must(differing_ranges(back, other));
    ASSERT_EQ(ranges.size(), 1U);
    EXPECT_EQ(ranges[0].rows_a, 1U);
    EXPECT_EQ(ranges[0].rows_b, 1U);
  });
}

}  // namespace
}  // namespace flatkv::compare
