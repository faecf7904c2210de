// SPDX-License-Identifier: Apache-2.0
// The bytes of the scan of a part (docs/formats.md).
#include <algorithm>
#include <limits>

#include "base/guard.hpp"
#include "codec/keys.hpp"
#include "compare/part_scan.hpp"
#include "compare/scan_codec.hpp"

namespace flatkv {
namespace {

using compare::ByteReader;
using compare::ByteWriter;

constexpr std::string_view kMagic = "FLATKVP\n";
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kMostBytes = 256U << 20;
constexpr std::size_t kMostText = 64U << 10;
/// A cut has the bytes that two keys have in common, and eight more.
constexpr std::size_t kMostCut = codec::kMaxKeyBytes + 8;
/// So many in each of kMostParts parts can be added up.
constexpr std::uint64_t kMostRows = std::uint64_t{1} << 47;
constexpr std::uint8_t kLastCode = static_cast<std::uint8_t>(ErrorCode::stale);

void put_ranges(ByteWriter& to, const PartScan::Part::Ranges& ranges) {
  to.raw(ranges.empties.serialize()).put(ranges.leaf_rows);
  static const compare::Run none{};
  const compare::Run& run = ranges.run ? *ranges.run : none;
  to.put(static_cast<std::uint32_t>(run.subtrees.size()));
  for (const compare::Subtree& subtree : run.subtrees) {
    to.put(subtree.rows).sized(subtree.key).raw(subtree.sum->serialize()).put_nodes(subtree.nodes);
  }
}

void put_part(ByteWriter& to, const PartScan::Part& part) {
  to.put(static_cast<std::uint32_t>(part.database)).sized(part.start).sized(part.end);
  to.put(part.claimed).put(part.found);
  if (part.ranges) return put_ranges(to, *part.ranges);
  to.raw(part.hash.serialize()).put(static_cast<std::uint8_t>(part.error ? 1 : 0));
  if (!part.error) return;
  to.put(static_cast<std::uint8_t>(part.error->code));
  to.sized(as_bytes(part.error->message).first(std::min(part.error->message.size(), kMostText)));
  to.sized(as_bytes(part.error->path).first(std::min(part.error->path.size(), kMostText)));
}

Status take(ByteReader& from, LtHash& into) {
  std::array<std::uint8_t, LtHash::kBytes> bytes{};
  FLATKV_TRY(from.take(bytes));
  into = LtHash::deserialize(bytes);
  return {};
}

bool lies_in(const PartScan::Part& part, ByteView key) {
  return compare_bytes(part.start, key) <= 0 &&
         (part.end.empty() || compare_bytes(key, part.end) < 0);
}

Status take_subtree(ByteReader& from, const PartScan::Part& part, std::uint64_t leaf_rows,
                    compare::Run& run) {
  compare::Subtree subtree;
  FLATKV_TRY(from.take(subtree.rows));
  if (subtree.rows == 0 || subtree.rows > kMostRows) return from.bad("no rows, or too many");
  FLATKV_TRY(from.take_sized(codec::kMaxKeyBytes, subtree.key));
  if (subtree.key.empty() || !lies_in(part, subtree.key)) return from.bad("a key outside the part");
  if (!run.subtrees.empty()) {
    const Bytes& before = run.subtrees.back().key;
    if (compare_bytes(before, subtree.key) >= 0) return from.bad("keys do not ascend");
    subtree.link = compare::first_difference(before, subtree.key);
  }
  subtree.sum = std::make_unique<LtHash>();
  FLATKV_TRY(take(from, *subtree.sum));
  FLATKV_TRY(from.take_nodes(leaf_rows, subtree.rows, subtree.nodes));
  if (subtree.nodes.empty() != (subtree.rows <= leaf_rows)) {
    return from.bad("ranges where there are few rows, or none where there are many");
  }
  if (!subtree.nodes.empty() &&
      !subtree.nodes.back().prefix.contains(compare::KeyPrefix::whole(subtree.key))) {
    return from.bad("a range does not lie where its first key says");
  }
  run.subtrees.push_back(std::move(subtree));
  return {};
}

Status take_ranges(ByteReader& from, std::uint64_t asked, PartScan::Part& part) {
  auto ranges = std::make_shared<PartScan::Part::Ranges>();
  FLATKV_TRY(take(from, ranges->empties));
  FLATKV_TRY(from.take(ranges->leaf_rows));
  if (ranges->leaf_rows == 0 || (asked != 0 && ranges->leaf_rows != asked)) {
    return from.bad("ranges of other sizes than asked for");
  }
  std::uint32_t count = 0;
  FLATKV_TRY(from.take(count));
  compare::Run run;
  std::uint64_t rows = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    FLATKV_TRY(take_subtree(from, part, ranges->leaf_rows, run));
    rows += run.subtrees.back().rows;
    if (rows > part.found.rows) break;
  }
  if (rows != part.found.rows) return from.bad("the ranges count other rows than the part");
  if (count != 0) {
    if (run.subtrees.back().rows != 1) return from.bad("the last row does not stand alone");
    run.last_key = run.subtrees.back().key;
    ranges->run = std::move(run);
  }
  part.hash = compare::hash_of(*ranges);
  part.ranges = std::move(ranges);
  return {};
}

Status take_error(ByteReader& from, PartScan::Part& part) {
  std::uint8_t there = 0;
  FLATKV_TRY(from.take(there));
  if (there > 1) return from.bad("neither read nor unread");
  if (there == 0) return {};
  std::uint8_t code = 0;
  Bytes message;
  Bytes path;
  FLATKV_TRY(from.take(code));
  if (code > kLastCode) return from.bad("unknown error");
  FLATKV_TRY(from.take_sized(kMostText, message));
  FLATKV_TRY(from.take_sized(kMostText, path));
  part.error.emplace();
  part.error->code = static_cast<ErrorCode>(code);
  part.error->message = as_chars(message);
  part.error->path = as_chars(path);
  part.error->database = part.database;
  return {};
}

Status take_part(ByteReader& from, const PartScan& scan, PartScan::Part& part) {
  const auto place = static_cast<std::size_t>(&part - scan.databases.data());
  FLATKV_TRY(from.take_database(place, scan.databases.size(), part.database));
  FLATKV_TRY(from.take_sized(kMostCut, part.start));
  FLATKV_TRY(from.take_sized(kMostCut, part.end));
  FLATKV_TRY(from.take(part.claimed));
  FLATKV_TRY(from.take(part.found));
  if (part.found.rows > kMostRows) return from.bad("more rows than a database has");
  if (scan.for_digest) {
    FLATKV_TRY(take_ranges(from, scan.leaf_rows, part));
  } else {
    FLATKV_TRY(take(from, part.hash));
    FLATKV_TRY(take_error(from, part));
  }
  if (part.error) return {};
  const bool cuts = part.start.empty() == (scan.which.index == 1) &&
                    part.end.empty() == (scan.which.index == scan.which.of);
  if (!cuts || (!part.end.empty() && compare_bytes(part.start, part.end) > 0)) {
    return from.bad("its keys do not lie between two cuts");
  }
  return {};
}

Result<PartScan> read(ByteReader from) {
  PartScan scan;
  FLATKV_TRY(from.begin(kMagic, kFormat, scan.account_rows, scan.version, scan.roots));
  std::uint32_t kind = 0;
  FLATKV_TRY(from.take(scan.which.index));
  FLATKV_TRY(from.take(scan.which.of));
  FLATKV_TRY(from.take(kind));
  FLATKV_TRY(from.take(scan.leaf_rows));
  if (!compare::check_part(scan.which)) return from.bad("there is no such part");
  if (kind > 1) return from.bad("unknown kind of scan");
  scan.for_digest = kind == 1;
  if (!scan.for_digest && scan.leaf_rows != 0) return from.bad("ranges in a scan to verify");
  std::size_t databases = 0;
  FLATKV_TRY(from.take_databases(databases));
  scan.databases.resize(databases);
  for (auto& part : scan.databases) FLATKV_TRY(take_part(from, scan, part));
  FLATKV_TRY(from.end());
  return scan;
}

}  // namespace

Result<Bytes> PartScan::encode() const {
  return guarded([&]() -> Result<Bytes> {
    ByteWriter to;
    to.begin(kMagic, kFormat, account_rows, version, roots);
    to.put(which.index).put(which.of).put(static_cast<std::uint32_t>(for_digest ? 1 : 0));
    to.put(leaf_rows).put(static_cast<std::uint32_t>(databases.size()));
    for (const Part& one : databases) put_part(to, one);
    Bytes bytes = to.seal();
    if (bytes.size() > kMostBytes) {
      return fail(ErrorCode::unsupported,
                  "the scan of a part with so many legacy keys that begin each other takes more "
                  "than 256 MiB: divide the state otherwise");
    }
    return bytes;
  });
}

Result<PartScan> PartScan::decode(ByteView bytes) {
  return guarded([&]() -> Result<PartScan> { return read({bytes, "scan of a part"}); });
}

Result<PartScan> read_part(ByteSource& source) {
  return guarded([&]() -> Result<PartScan> {
    FLATKV_ASSIGN(const Bytes bytes,
                  compare::read_all(source, kMostBytes, "this is larger than any scan of a part"));
    return PartScan::decode(bytes);
  });
}

}  // namespace flatkv
