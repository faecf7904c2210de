// SPDX-License-Identifier: Apache-2.0
// The bytes of a digest (docs/formats.md).
#include <algorithm>
#include <limits>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/guard.hpp"
#include "blake3/blake3.hpp"
#include "codec/keys.hpp"
#include "compare/digest_part.hpp"
#include "flatkv/tools/digest.hpp"
#include "layout/generation.hpp"

namespace flatkv {
namespace {

using compare::KeyPrefix;
using compare::Node;
using compare::NodeKind;
using compare::Nodes;

constexpr std::string_view kMagic = "FLATKVD\n";
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kDigestBytes = sizeof(Digest);
constexpr std::size_t kLeastNodeBytes = 1 + kDigestBytes;
constexpr std::uint32_t kMostBits = (codec::kMaxKeyBytes + 1) * compare::kBitsPerByte;

class Writer {
 public:
  template <std::unsigned_integral T>
  Writer& put(T value) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    store_le(bytes.data(), value);
    append(bytes_, bytes);
    return *this;
  }
  Writer& raw(ByteView bytes) {
    append(bytes_, bytes);
    return *this;
  }
  Writer& sized(ByteView bytes) { return put(static_cast<std::uint32_t>(bytes.size())).raw(bytes); }
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
};

template <class R>
auto digests_of(R& roots) {
  return std::array{&roots.root, &roots.account, &roots.code, &roots.storage, &roots.legacy};
}

void put_stats(Writer& to, const DatabaseStats& stats) {
  to.put(stats.rows).put(stats.key_bytes).put(stats.value_bytes);
}

void put_node(Writer& to, const Node& node) {
  to.put(static_cast<std::uint8_t>(node.kind)).raw(node.checksum);
  switch (node.kind) {
    case NodeKind::range:
      to.put(node.rows);
      break;
    case NodeKind::row:
      to.sized(node.prefix.bytes);
      break;
    case NodeKind::inner:
      to.put(node.prefix.bits).sized(node.prefix.bytes);
      break;
  }
}

void put_part(Writer& to, const StateDigest::Part& part) {
  to.put(static_cast<std::uint32_t>(part.database));
  put_stats(to, part.claimed);
  put_stats(to, part.found);
  to.raw(part.checksum).put(part.leaf_rows);
  to.put(static_cast<std::uint32_t>(part.tree->nodes.size()));
  for (const Node& node : part.tree->nodes) put_node(to, node);
}

/// Decodes a digest. Compares every length with what is left before it reads.
class Parser {
 public:
  explicit Parser(ByteView all) : all_(all), rest_(all) {}

  Result<StateDigest> run() {
    FLATKV_TRY(envelope());
    StateDigest digest;
    FLATKV_TRY(header(digest));
    for (auto& part : digest.parts) FLATKV_TRY(read_part(digest, part));
    if (!rest_.empty()) return bad("bytes follow the last part");
    return digest;
  }

 private:
  std::uint64_t offset() const { return static_cast<std::uint64_t>(rest_.data() - all_.data()); }

  Failure bad(std::string message) const {
    return fail(ErrorCode::corruption, "digest: " + std::move(message)).offset(offset());
  }

  Status take(std::size_t bytes, ByteView& into) {
    if (rest_.size() < bytes) return bad("it is cut off");
    into = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return {};
  }
  template <std::unsigned_integral T>
  Status take(T& into) {
    ByteView bytes;
    FLATKV_TRY(take(sizeof(T), bytes));
    into = load_le<T>(bytes.data());
    return {};
  }
  Status take(Digest& into) {
    ByteView bytes;
    FLATKV_TRY(take(sizeof into, bytes));
    std::ranges::copy(bytes, into.begin());
    return {};
  }
  Status take_sized(std::size_t most, Bytes& into) {
    std::uint32_t size = 0;
    FLATKV_TRY(take(size));
    if (size > most) return bad("a key of " + std::to_string(size) + " bytes is too long");
    ByteView bytes;
    FLATKV_TRY(take(size, bytes));
    into = to_bytes(bytes);
    return {};
  }
  Status take(DatabaseStats& into) {
    FLATKV_TRY(take(into.rows));
    FLATKV_TRY(take(into.key_bytes));
    return take(into.value_bytes);
  }

  /// Magic, format, and the digest over everything; leaves the bytes that it covers.
  Status envelope() {
    ByteView magic;
    if (all_.size() < kMagic.size() || !equal(all_.first(kMagic.size()), as_bytes(kMagic))) {
      return bad("this is not a digest");
    }
    FLATKV_TRY(take(kMagic.size(), magic));
    std::uint32_t format = 0;
    FLATKV_TRY(take(format));
    if (format > kFormat) {
      return fail(ErrorCode::format_too_new, "the digest has format " + std::to_string(format) +
                                                 ", this program reads " + std::to_string(kFormat))
          .offset(kMagic.size());
    }
    if (rest_.size() < kDigestBytes) return bad("it is cut off");
    const ByteView covered = all_.first(all_.size() - kDigestBytes);
    if (!equal(blake3::hash(covered), all_.last(kDigestBytes))) {
      return bad("its own digest does not match: it is damaged or cut off");
    }
    if (format != kFormat) return bad("unknown format");
    rest_ = rest_.first(rest_.size() - kDigestBytes);
    return {};
  }

  Status header(StateDigest& digest) {
    std::uint32_t account_rows = 0;
    std::uint32_t parts = 0;
    std::uint64_t version = 0;
    FLATKV_TRY(take(account_rows));
    if (account_rows > 1) return bad("unknown option of account rows");
    digest.account_rows = static_cast<AccountRows>(account_rows);
    FLATKV_TRY(take(version));
    if (version > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return bad("version out of range");
    }
    digest.version = static_cast<std::int64_t>(version);
    for (Digest* own : digests_of(digest.roots)) FLATKV_TRY(take(*own));
    // One byte more than a key can have: the end of a range that holds the longest key.
    FLATKV_TRY(take_sized(codec::kMaxKeyBytes + 1, digest.start));
    FLATKV_TRY(take_sized(codec::kMaxKeyBytes + 1, digest.end));
    FLATKV_TRY(take(parts));
    if (parts != 1 && (parts != 4 || !digest.is_whole())) return bad("one database or all four");
    digest.parts.resize(parts);
    return {};
  }

  Status read_part(const StateDigest& digest, StateDigest::Part& part) {
    std::uint32_t database = 0;
    std::uint32_t nodes = 0;
    FLATKV_TRY(take(database));
    const auto place = static_cast<std::uint32_t>(&part - digest.parts.data());
    if (database > 3 || (digest.parts.size() == 4 && database != place)) {
      return bad("unknown database, or out of order");
    }
    part.database = static_cast<Database>(database);
    FLATKV_TRY(take(part.claimed));
    if (!digest.is_whole() && part.claimed != DatabaseStats{}) {
      return bad("counts of a whole database in a digest of a part");
    }
    FLATKV_TRY(take(part.found));
    FLATKV_TRY(take(part.checksum));
    FLATKV_TRY(take(part.leaf_rows));
    if (part.leaf_rows == 0) return bad("ranges of no rows");
    FLATKV_TRY(take(nodes));
    if (nodes > rest_.size() / kLeastNodeBytes) return bad("more ranges than there are bytes");
    part.nodes = nodes;
    auto tree = std::make_shared<StateDigest::Part::Tree>();
    FLATKV_TRY(read_nodes(part, tree->nodes));
    part.tree = std::move(tree);
    return {};
  }

  Status read_nodes(const StateDigest::Part& part, Nodes& nodes) {
    nodes.reserve(part.nodes);
    std::vector<std::size_t> roots;  // of subtrees that have no parent yet
    for (std::size_t i = 0; i < part.nodes; ++i) {
      Node node;
      FLATKV_TRY(read_node(part, node));
      if (node.kind == NodeKind::inner) {
        if (roots.size() < 2) return bad("a range without its halves");
        const Node& right = nodes[roots.back()];
        roots.pop_back();
        const Node& left = nodes[roots.back()];
        roots.pop_back();
        FLATKV_TRY(join(part, node, left, right));
      }
      roots.push_back(i);
      nodes.push_back(std::move(node));
    }
    const std::uint64_t rows = nodes.empty() ? 0 : nodes.back().rows;
    if (roots.size() > 1) return bad("ranges that are not part of the whole");
    if (rows != part.found.rows) return bad("the ranges count other rows than the database");
    return {};
  }

  Status read_node(const StateDigest::Part& part, Node& node) {
    std::uint8_t kind = 0;
    FLATKV_TRY(take(kind));
    if (kind > static_cast<std::uint8_t>(NodeKind::inner)) return bad("unknown kind of range");
    node.kind = static_cast<NodeKind>(kind);
    FLATKV_TRY(take(node.checksum));
    if (node.kind == NodeKind::range) {
      FLATKV_TRY(take(node.rows));
      if (node.rows == 0 || node.rows > part.leaf_rows) return bad("a leaf of no or too many rows");
      return {};
    }
    if (node.kind == NodeKind::row) {
      node.rows = 1;
      Bytes key;
      FLATKV_TRY(take_sized(compare::kMostKeyTold, key));
      if (key.empty()) return bad("an empty key");
      node.prefix = KeyPrefix::whole(key);
      return {};
    }
    FLATKV_TRY(take(node.prefix.bits));
    if (node.prefix.bits > kMostBits) return bad("a range deeper than any key");
    FLATKV_TRY(take_sized(codec::kMaxKeyBytes, node.prefix.bytes));
    if (!node.prefix.well_formed()) return bad("the prefix of a range is malformed");
    return {};
  }

  /// The prefix of each half extends the inner node's, one by a zero and the other by a one.
  Status join(const StateDigest::Part& part, Node& node, const Node& left, const Node& right) {
    for (const Node* half : {&left, &right}) {
      if (half->kind == NodeKind::range) continue;
      if (half->prefix.bits <= node.prefix.bits || !node.prefix.contains(half->prefix) ||
          bit_of(half->prefix, node.prefix.bits) != (half == &right)) {
        return bad("a range does not lie where its keys say");
      }
    }
    if (node.prefix.bits % compare::kBitsPerByte == 0 && left.rows != 1) {
      return bad("one key with several rows");
    }
    if (left.rows > part.found.rows || right.rows > part.found.rows - left.rows) {
      return bad("the ranges have more rows than the database");
    }
    node.rows = left.rows + right.rows;
    if (node.rows <= part.leaf_rows) return bad("a range with few rows is split");
    node.nodes = 1 + left.nodes + right.nodes;
    return {};
  }

  ByteView all_;
  ByteView rest_;
};

}  // namespace

Result<Bytes> StateDigest::encode() const {
  return guarded([&]() -> Result<Bytes> {
    Writer to;
    to.raw(as_bytes(kMagic)).put(kFormat).put(static_cast<std::uint32_t>(account_rows));
    to.put(static_cast<std::uint64_t>(version));
    for (const Digest* own : digests_of(roots)) to.raw(*own);
    to.sized(start).sized(end).put(static_cast<std::uint32_t>(parts.size()));
    for (const Part& part : parts) put_part(to, part);
    to.raw(blake3::hash(to.bytes()));
    return std::move(to.bytes());
  });
}

Result<StateDigest> StateDigest::decode(ByteView bytes) {
  return guarded([&]() -> Result<StateDigest> { return Parser(bytes).run(); });
}

Result<StateDigest> read_digest(ByteSource& source) {
  return guarded([&]() -> Result<StateDigest> {
    static constexpr std::size_t kMostBytes = 64U << 20;
    static constexpr std::size_t kStep = 64U << 10;
    Bytes bytes;
    for (;;) {
      const std::size_t at = bytes.size();
      if (at > kMostBytes) {
        return fail(ErrorCode::corruption, "this is larger than any digest").offset(at);
      }
      bytes.resize(at + kStep);
      FLATKV_ASSIGN(const std::size_t got, source.read(std::span(bytes).subspan(at)));
      bytes.resize(at + got);
      if (got == 0) return StateDigest::decode(bytes);
    }
  });
}

}  // namespace flatkv
