// SPDX-License-Identifier: Apache-2.0
// The ranges in which two digests differ, and the keys in a range in which two states differ.
#include <algorithm>
#include <stop_token>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/guard.hpp"
#include "compare/digest_part.hpp"
#include "flatkv/tools/digest.hpp"

namespace flatkv {
namespace {

using compare::KeyPrefix;
using compare::Node;
using compare::NodeKind;
using compare::Nodes;

constexpr std::uint64_t kRowsBetweenLooks = 4096;

/// A node of one of the two trees; null if it has no rows.
struct Place {
  const Nodes* nodes = nullptr;
  std::size_t at = 0;

  const Node* node() const { return nodes == nullptr ? nullptr : &(*nodes)[at]; }
  std::uint64_t rows() const { return nodes == nullptr ? 0 : node()->rows; }
  Place child(bool right) const {
    return {nodes, right ? compare::right_child(at) : compare::left_child(*nodes, at)};
  }
};

Place root_of(const StateDigest::Part& part) {
  const Nodes& nodes = part.tree->nodes;
  return nodes.empty() ? Place{} : Place{&nodes, nodes.size() - 1};
}

/// The rows that either side has under one prefix: the parent's, extended by one bit.
struct Pair {
  Place a;
  Place b;
  const KeyPrefix* parent = nullptr;  ///< null: every key
  bool bit = false;

  KeyPrefix prefix() const { return parent == nullptr ? KeyPrefix{} : parent->child(bit); }
};

/// Descends two trees together as far as both reach. Not recursive: a tree from an untrusted source
/// can be as deep as it has nodes.
class Comparison {
 public:
  explicit Comparison(const StateDigest& scope, Database database,
                      std::vector<RangeDifference>& found)
      : scope_(scope), database_(database), found_(found) {}

  void run(Place a, Place b) {
    open_.push_back({a, b, nullptr, false});
    while (!open_.empty()) {
      const Pair pair = open_.back();
      open_.pop_back();
      look(pair);
    }
  }

 private:
  void look(const Pair& pair) {
    const Node* a = pair.a.node();
    const Node* b = pair.b.node();
    if (a == nullptr && b == nullptr) return;
    if (a == nullptr || b == nullptr) {
      const Node& only = a != nullptr ? *a : *b;
      return report(only.kind == NodeKind::range ? pair.prefix() : only.prefix, pair);
    }
    if (a->rows == b->rows && a->checksum == b->checksum) return;
    if (a->kind == NodeKind::range || b->kind == NodeKind::range) {
      return report(pair.prefix(), pair);
    }
    const std::uint32_t same = compare::common_bits(a->prefix, b->prefix);
    const bool a_ends = same == a->prefix.bits;
    const bool b_ends = same == b->prefix.bits;
    if (a_ends && b_ends) return split(pair, *a);
    if (a_ends) return descend(pair, true, bit_of(b->prefix, same));
    if (b_ends) return descend(pair, false, bit_of(a->prefix, same));
    // Neither side has any of the other's keys.
    if (bit_of(a->prefix, same)) {
      report(b->prefix, {{}, pair.b});
      report(a->prefix, {pair.a, {}});
    } else {
      report(a->prefix, {pair.a, {}});
      report(b->prefix, {{}, pair.b});
    }
  }

  /// Both nodes have the same prefix.
  void split(const Pair& pair, const Node& a) {
    if (a.kind == NodeKind::row) return report(a.prefix, pair);
    for (const bool bit : {true, false}) {
      open_.push_back({pair.a.child(bit), pair.b.child(bit), &a.prefix, bit});
    }
  }

  /// One node splits where all keys of the other still share a prefix: the other lies under one
  /// child.
  void descend(const Pair& pair, bool in_a, bool towards) {
    const Place& inner = in_a ? pair.a : pair.b;
    for (const bool bit : {true, false}) {
      const Place child = inner.child(bit);
      const Place other = bit != towards ? Place{} : in_a ? pair.b : pair.a;
      open_.push_back({in_a ? child : other, in_a ? other : child, &inner.node()->prefix, bit});
    }
  }

  void report(const KeyPrefix& prefix, const Pair& pair) {
    RangeDifference range;
    range.database = database_;
    range.start = prefix.first();
    // A prefix may reach beyond what was digested.
    if (compare_bytes(range.start, scope_.start) < 0) range.start = scope_.start;
    const auto end = prefix.end();
    range.end = end ? *end : scope_.end;
    if (!scope_.end.empty() && compare_bytes(range.end, scope_.end) > 0) range.end = scope_.end;
    range.rows_a = pair.a.rows();
    range.rows_b = pair.b.rows();
    range.is_key = prefix.ended;
    found_.push_back(std::move(range));
  }

  const StateDigest& scope_;
  Database database_;
  std::vector<RangeDifference>& found_;
  std::vector<Pair> open_;
};

/// Two walks side by side.
class SideBySide {
 public:
  SideBySide(RowIterator a, RowIterator b, Database database)
      : a_(std::move(a)), b_(std::move(b)), database_(database) {}

  /// Whether there is another row; then `next` is what each side holds for its key.
  Result<bool> step(RowDifference& next) {
    if (at_a_) a_.next();
    if (at_b_) b_.next();
    const bool has_a = a_.valid();
    const bool has_b = b_.valid();
    if (!has_a) FLATKV_TRY(a_.status());
    if (!has_b) FLATKV_TRY(b_.status());
    const int order = has_a && has_b ? compare_bytes(a_.key(), b_.key()) : has_a ? -1 : 1;
    at_a_ = has_a && order <= 0;
    at_b_ = has_b && order >= 0;
    if (!at_a_ && !at_b_) return false;
    next = {database_, at_a_ ? a_.key() : b_.key(), std::nullopt, std::nullopt};
    if (at_a_) next.a = a_.value();
    if (at_b_) next.b = b_.value();
    return true;
  }

 private:
  RowIterator a_;
  RowIterator b_;
  Database database_;
  bool at_a_ = false;
  bool at_b_ = false;
};

bool same(const std::optional<ByteView>& a, const std::optional<ByteView>& b) {
  return a && b ? equal(*a, *b) : a.has_value() == b.has_value();
}

}  // namespace

Result<std::vector<RangeDifference>> differing_ranges(const StateDigest& a, const StateDigest& b) {
  return guarded([&]() -> Result<std::vector<RangeDifference>> {
    const auto databases = [](const StateDigest& digest) {
      std::vector<Database> names;
      for (const auto& part : digest.parts) names.push_back(part.database);
      return names;
    };
    if (a.start != b.start || a.end != b.end || databases(a) != databases(b)) {
      return fail(ErrorCode::invalid_argument, "the digests are of different parts of a state");
    }
    std::vector<RangeDifference> found;
    for (std::size_t i = 0; i < a.parts.size(); ++i) {
      Comparison(a, a.parts[i].database, found).run(root_of(a.parts[i]), root_of(b.parts[i]));
    }
    return found;
  });
}

Status diff_rows(const ReadView& a, const ReadView& b, const RangeDifference& range,
                 const std::function<Status(const RowDifference&)>& visit, std::stop_token stop) {
  return guarded([&]() -> Status {
    const RowRange rows{{}, range.start, range.end};
    FLATKV_ASSIGN(auto rows_a, a.iterate(range.database, rows));
    FLATKV_ASSIGN(auto rows_b, b.iterate(range.database, rows));
    SideBySide walk(std::move(rows_a), std::move(rows_b), range.database);
    RowDifference row;
    for (std::uint64_t seen = 0;; ++seen) {
      if (seen % kRowsBetweenLooks == 0 && stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "the comparison was stopped");
      }
      FLATKV_ASSIGN(const bool more, walk.step(row));
      if (!more) return {};
      if (!same(row.a, row.b)) FLATKV_TRY(visit(row));
    }
  });
}

}  // namespace flatkv
