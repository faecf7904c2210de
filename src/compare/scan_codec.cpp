// SPDX-License-Identifier: Apache-2.0
#include "compare/scan_codec.hpp"

#include <algorithm>
#include <limits>

#include "blake3/blake3.hpp"
#include "codec/keys.hpp"

namespace flatkv::compare {
namespace {

constexpr std::size_t kDigestBytes = sizeof(Digest);
constexpr std::size_t kLeastNodeBytes = 1 + kDigestBytes;
constexpr std::uint32_t kMostBits = (codec::kMaxKeyBytes + 1) * kBitsPerByte;

template <class R>
auto digests_of(R& roots) {
  return std::array{&roots.root, &roots.account, &roots.code, &roots.storage, &roots.legacy};
}

void put_node(ByteWriter& to, const Node& node) {
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

}  // namespace

void ByteWriter::begin(std::string_view magic, std::uint32_t format, AccountRows account_rows,
                       std::int64_t version, const Roots& roots) {
  raw(as_bytes(magic)).put(format).put(static_cast<std::uint32_t>(account_rows));
  put(static_cast<std::uint64_t>(version));
  for (const Digest* own : digests_of(roots)) raw(*own);
}

void ByteWriter::put_nodes(const Nodes& nodes) {
  put(static_cast<std::uint32_t>(nodes.size()));
  for (const Node& node : nodes) put_node(*this, node);
}

Bytes ByteWriter::seal() {
  raw(blake3::hash(bytes_));
  return std::move(bytes_);
}

Failure ByteReader::bad(const std::string& message) const {
  return fail(ErrorCode::corruption, std::string(what_) + ": " + message)
      .offset(static_cast<std::uint64_t>(rest_.data() - all_.data()));
}

Status ByteReader::begin(std::string_view magic, std::uint32_t format, AccountRows& account_rows,
                         std::int64_t& version, Roots& roots) {
  ByteView own_magic;
  if (all_.size() < magic.size() || !equal(all_.first(magic.size()), as_bytes(magic))) {
    return bad("this is none");
  }
  FLATKV_TRY(take(magic.size(), own_magic));
  std::uint32_t own_format = 0;
  FLATKV_TRY(take(own_format));
  if (own_format > format) {
    return fail(ErrorCode::format_too_new, std::string(what_) + ": it has format " +
                                               std::to_string(own_format) +
                                               ", this program reads " + std::to_string(format))
        .offset(magic.size());
  }
  if (rest_.size() < kDigestBytes) return bad("it is cut off");
  const ByteView covered = all_.first(all_.size() - kDigestBytes);
  if (!equal(blake3::hash(covered), all_.last(kDigestBytes))) {
    return bad("its own digest does not match: it is damaged or cut off");
  }
  if (own_format != format) return bad("unknown format");
  rest_ = rest_.first(rest_.size() - kDigestBytes);
  std::uint32_t rows = 0;
  std::uint64_t number = 0;
  FLATKV_TRY(take(rows));
  if (rows > 1) return bad("unknown option of account rows");
  account_rows = static_cast<AccountRows>(rows);
  FLATKV_TRY(take(number));
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return bad("version out of range");
  }
  version = static_cast<std::int64_t>(number);
  for (Digest* own : digests_of(roots)) FLATKV_TRY(take(*own));
  return {};
}

Status ByteReader::end() const {
  if (!rest_.empty()) return bad("bytes follow the last part");
  return {};
}

Status ByteReader::take(std::size_t bytes, ByteView& into) {
  if (rest_.size() < bytes) return bad("it is cut off");
  into = rest_.first(bytes);
  rest_ = rest_.subspan(bytes);
  return {};
}

Status ByteReader::take(DatabaseStats& into) {
  FLATKV_TRY(take(into.rows));
  FLATKV_TRY(take(into.key_bytes));
  return take(into.value_bytes);
}

Status ByteReader::take_sized(std::size_t most, Bytes& into) {
  std::uint32_t size = 0;
  FLATKV_TRY(take(size));
  if (size > most) return bad(std::to_string(size) + " bytes are too many here");
  ByteView bytes;
  FLATKV_TRY(take(size, bytes));
  into = to_bytes(bytes);
  return {};
}

Status ByteReader::take_databases(std::size_t& count) {
  std::uint32_t number = 0;
  FLATKV_TRY(take(number));
  if (number != 1 && number != 4) return bad("one database or all four");
  count = number;
  return {};
}

Status ByteReader::take_database(std::size_t place, std::size_t count, Database& into) {
  std::uint32_t number = 0;
  FLATKV_TRY(take(number));
  if (number > 3 || (count == 4 && number != place))
    return bad("unknown database, or out of order");
  into = static_cast<Database>(number);
  return {};
}

Status ByteReader::take_nodes(std::uint64_t leaf_rows, std::uint64_t rows, Nodes& nodes) {
  std::uint32_t count = 0;
  FLATKV_TRY(take(count));
  if (count > rest_.size() / kLeastNodeBytes) return bad("more ranges than there are bytes");
  nodes.reserve(count);
  std::vector<std::size_t> roots;  // of subtrees that have no parent yet
  for (std::size_t i = 0; i < count; ++i) {
    Node node;
    FLATKV_TRY(take_node(leaf_rows, node));
    if (node.kind == NodeKind::inner) {
      if (roots.size() < 2) return bad("a range without its halves");
      const Node& right = nodes[roots.back()];
      roots.pop_back();
      const Node& left = nodes[roots.back()];
      roots.pop_back();
      FLATKV_TRY(join(leaf_rows, rows, node, left, right));
    }
    roots.push_back(i);
    nodes.push_back(std::move(node));
  }
  if (roots.size() > 1) return bad("ranges that are not part of the whole");
  if (!nodes.empty() && nodes.back().rows != rows) {
    return bad("the ranges count other rows than the database");
  }
  return {};
}

Status ByteReader::take_node(std::uint64_t leaf_rows, Node& node) {
  std::uint8_t kind = 0;
  FLATKV_TRY(take(kind));
  if (kind > static_cast<std::uint8_t>(NodeKind::inner)) return bad("unknown kind of range");
  node.kind = static_cast<NodeKind>(kind);
  FLATKV_TRY(take(node.checksum));
  if (node.kind == NodeKind::range) {
    FLATKV_TRY(take(node.rows));
    if (node.rows == 0 || node.rows > leaf_rows) return bad("a leaf of no or too many rows");
    return {};
  }
  if (node.kind == NodeKind::row) {
    node.rows = 1;
    Bytes key;
    FLATKV_TRY(take_sized(kMostKeyTold, key));
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
Status ByteReader::join(std::uint64_t leaf_rows, std::uint64_t rows, Node& node, const Node& left,
                        const Node& right) const {
  for (const Node* half : {&left, &right}) {
    if (half->kind == NodeKind::range) continue;
    if (half->prefix.bits <= node.prefix.bits || !node.prefix.contains(half->prefix) ||
        bit_of(half->prefix, node.prefix.bits) != (half == &right)) {
      return bad("a range does not lie where its keys say");
    }
  }
  if (node.prefix.bits % kBitsPerByte == 0 && left.rows != 1) {
    return bad("one key with several rows");
  }
  if (left.rows > rows || right.rows > rows - left.rows) {
    return bad("the ranges have more rows than the database");
  }
  node.rows = left.rows + right.rows;
  if (node.rows <= leaf_rows) return bad("a range with few rows is split");
  node.nodes = 1 + left.nodes + right.nodes;
  return {};
}

Result<Bytes> read_all(ByteSource& source, std::size_t most, const std::string& too_large) {
  static constexpr std::size_t kStep = 64U << 10;
  Bytes bytes;
  for (;;) {
    const std::size_t at = bytes.size();
    if (at > most) return fail(ErrorCode::corruption, too_large).offset(at);
    bytes.resize(at + kStep);
    FLATKV_ASSIGN(const std::size_t got, source.read(std::span(bytes).subspan(at)));
    bytes.resize(at + got);
    if (got == 0) return bytes;
  }
}

}  // namespace flatkv::compare
