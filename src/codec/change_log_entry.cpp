// SPDX-License-Identifier: Apache-2.0
#include "codec/change_log_entry.hpp"

#include <algorithm>
#include <limits>
#include <protozero/exception.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "codec/keys.hpp"

// The messages of changelog.proto. Uses protozero's varints but not its message reader, which
// truncates lengths to 32 bits before it checks them.
namespace flatkv::codec {
namespace {

using Wire = protozero::pbf_wire_type;

constexpr std::uint32_t kEntryVersion = 1;
constexpr std::uint32_t kEntryChangesets = 2;
constexpr std::uint32_t kNamedChangeset = 1;
constexpr std::uint32_t kNamedName = 2;
constexpr std::uint32_t kSetPairs = 1;
constexpr std::uint32_t kPairDelete = 1;
constexpr std::uint32_t kPairKey = 2;
constexpr std::uint32_t kPairValue = 3;
/// Tag, length and one byte of a key.
constexpr std::size_t kLeastPairBytes = 3;

// ---- decoding ----

/// What is wrong and where; thrown only within this file.
struct Malformed {
  const char* what;
  const std::uint8_t* at;
};

/// The fields of one message, one after the other.
class Fields {
 public:
  Fields(ByteView message, UnknownFields unknown)
      : at_(as_chars(message).data()), end_(at_ + message.size()), start_(at_), unknown_(unknown) {}

  bool next() {
    if (at_ == end_) return false;
    start_ = at_;
    const std::uint64_t tag = read_varint();
    if (tag > std::numeric_limits<std::uint32_t>::max() || (tag >> 3U) == 0) bad("field tag");
    field_ = static_cast<std::uint32_t>(tag >> 3U);
    wire_ = static_cast<Wire>(tag & 7U);
    return true;
  }
  std::uint32_t field() const noexcept { return field_; }

  std::uint64_t varint() {
    want(Wire::varint);
    return read_varint();
  }

  ByteView bytes() {
    want(Wire::length_delimited);
    const std::uint64_t length = read_varint();
    if (length > left()) bad("length");
    const char* begin = at_;
    at_ += length;
    return as_bytes({begin, static_cast<std::size_t>(length)});
  }

  void skip() {
    if (unknown_ == UnknownFields::refuse) bad("field number (unknown)");
    switch (wire_) {
      case Wire::varint:
        static_cast<void>(read_varint());
        return;
      case Wire::length_delimited:
        static_cast<void>(bytes());
        return;
      case Wire::fixed64:
        return skip_fixed(8);
      case Wire::fixed32:
        return skip_fixed(4);
      default:
        bad("wire type");
    }
  }

  [[noreturn]] void bad(const char* what) const {
    throw Malformed{what, as_bytes({start_, 1}).data()};
  }

 private:
  std::uint64_t left() const noexcept { return static_cast<std::uint64_t>(end_ - at_); }

  std::uint64_t read_varint() {
    try {
      return protozero::decode_varint(&at_, end_);
    } catch (const protozero::exception&) {
      bad("varint");
    }
  }
  void want(Wire wire) const {
    if (wire_ != wire) bad("wire type");
  }
  void skip_fixed(std::uint64_t size) {
    if (size > left()) bad("length");
    at_ += size;
  }

  const char* at_;
  const char* end_;
  const char* start_;  // of the current field
  UnknownFields unknown_;
  std::uint32_t field_ = 0;
  Wire wire_ = Wire::unknown;
};

KVPair decode_pair(ByteView message, UnknownFields unknown) {
  KVPair pair;
  for (Fields fields(message, unknown); fields.next();) {
    switch (fields.field()) {
      case kPairDelete:
        pair.remove = fields.varint() != 0;
        break;
      case kPairKey:
        pair.key = fields.bytes();
        break;
      case kPairValue:
        pair.value = fields.bytes();
        break;
      default:
        fields.skip();
    }
  }
  return pair;
}

/// Makes room before any of it is taken: a pair without a key is two bytes here and forty there.
void reserve_pairs(ByteView message, UnknownFields unknown, std::vector<KVPair>& pairs) {
  std::size_t count = pairs.size();
  for (Fields fields(message, unknown); fields.next();) {
    if (fields.field() != kSetPairs) {
      fields.skip();
    } else if (fields.bytes().size() < kLeastPairBytes) {
      fields.bad("pair: it has no key");
    } else {
      ++count;
    }
  }
  if (count <= pairs.capacity()) return;
  // At least as `push_back` would: the field may be given once a pair.
  const std::size_t grown = pairs.empty() ? 0 : pairs.capacity() + pairs.capacity() / 2;
  pairs.reserve(std::max(count, grown));
}

void decode_change_set(ByteView message, UnknownFields unknown, std::vector<KVPair>& pairs) {
  reserve_pairs(message, unknown, pairs);
  for (Fields fields(message, unknown); fields.next();) {
    if (fields.field() == kSetPairs) {
      pairs.push_back(decode_pair(fields.bytes(), unknown));
    } else {
      fields.skip();
    }
  }
}

ChangelogEntry::Set decode_named(ByteView message, UnknownFields unknown) {
  ChangelogEntry::Set set;
  for (Fields fields(message, unknown); fields.next();) {
    switch (fields.field()) {
      case kNamedChangeset:
        // By protobuf's rule a field given twice is one set with the pairs of both.
        decode_change_set(fields.bytes(), unknown, set.pairs);
        break;
      case kNamedName:
        set.name = as_chars(fields.bytes());
        break;
      default:
        fields.skip();
    }
  }
  return set;
}

ChangelogEntry decode(ByteView message, UnknownFields unknown) {
  ChangelogEntry entry;
  for (Fields fields(message, unknown); fields.next();) {
    switch (fields.field()) {
      case kEntryVersion:
        entry.version = static_cast<std::int64_t>(fields.varint());
        break;
      case kEntryChangesets:
        if (entry.changesets.size() == kMaxChangeSets) fields.bad("number of change sets");
        entry.changesets.push_back(decode_named(fields.bytes(), unknown));
        break;
      default:
        fields.skip();
    }
  }
  return entry;
}

// ---- encoding ----

constexpr std::uint8_t tag(std::uint32_t field, Wire wire) noexcept {
  return static_cast<std::uint8_t>(field << 3U | static_cast<std::uint32_t>(wire));
}

std::uint64_t varint_bytes(std::uint64_t value) noexcept {
  return static_cast<std::uint64_t>(protozero::length_of_varint(value));
}

/// The size of a length-delimited field with `content` bytes, tag and length included.
std::uint64_t field_bytes(std::uint64_t content) noexcept {
  return 1 + varint_bytes(content) + content;
}

/// The size of a field that is left out when it is empty, as in proto3.
std::uint64_t optional_bytes(std::size_t content) noexcept {
  return content == 0 ? 0 : field_bytes(content);
}

std::uint64_t pair_bytes(const KVPair& pair) noexcept {
  return (pair.remove ? 2U : 0U) + optional_bytes(pair.key.size()) +
         optional_bytes(pair.remove ? 0 : pair.value.size());
}

std::uint64_t set_bytes(const NamedChangeSet& set) noexcept {
  std::uint64_t total = 0;
  for (const KVPair& pair : set.pairs) total += field_bytes(pair_bytes(pair));
  return total;
}

std::uint64_t named_bytes(const NamedChangeSet& set, std::uint64_t inner) noexcept {
  return field_bytes(inner) + optional_bytes(set.name.size());
}

/// Writes into space that was measured before.
class Cursor {
 public:
  Cursor(Bytes& bytes, std::size_t begin) : base_(bytes.data()), at_(base_ + begin) {}

  std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - base_); }

  void varint(std::uint64_t value) noexcept { at_ += protozero::write_varint(at_, value); }
  void field(std::uint32_t number, std::uint64_t content) noexcept {
    *at_++ = tag(number, Wire::length_delimited);
    varint(content);
  }
  void flag(std::uint32_t number) noexcept {
    *at_++ = tag(number, Wire::varint);
    *at_++ = 1;
  }
  /// Returns where the content begins; writes nothing for empty content.
  std::size_t optional(std::uint32_t number, ByteView content) noexcept {
    if (content.empty()) return offset();
    field(number, content.size());
    const std::size_t place = offset();
    std::memcpy(at_, content.data(), content.size());
    at_ += content.size();
    return place;
  }

 private:
  std::uint8_t* base_;
  std::uint8_t* at_;
};

}  // namespace

Result<ChangelogEntry> decode_changelog_entry(ByteView bytes, UnknownFields unknown) {
  try {
    return decode(bytes, unknown);
  } catch (const Malformed& malformed) {
    return fail(ErrorCode::corruption, std::string("change set: bad ") + malformed.what)
        .offset(static_cast<std::uint64_t>(malformed.at - bytes.data()));
  }
}

void append_version(Bytes& to, std::int64_t version) {
  if (version == 0) return;
  to.push_back(tag(kEntryVersion, Wire::varint));
  protozero::write_varint(std::back_inserter(to), static_cast<std::uint64_t>(version));
}

void append_change_sets(Bytes& to, std::span<const NamedChangeSet> sets,
                        std::vector<PairPlace>* places) {
  const std::size_t begin = to.size();
  std::vector<std::uint64_t> inner;
  inner.reserve(sets.size());
  std::uint64_t total = 0;
  std::size_t pairs = 0;
  for (const NamedChangeSet& set : sets) {
    inner.push_back(set_bytes(set));
    total += field_bytes(named_bytes(set, inner.back()));
    pairs += set.pairs.size();
  }
  to.resize(begin + total);
  if (places != nullptr) places->reserve(places->size() + pairs);

  Cursor out(to, begin);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const NamedChangeSet& set = sets[i];
    out.field(kEntryChangesets, named_bytes(set, inner[i]));
    out.field(kNamedChangeset, inner[i]);
    for (const KVPair& pair : set.pairs) {
      out.field(kSetPairs, pair_bytes(pair));
      if (pair.remove) out.flag(kPairDelete);
      PairPlace place{};
      place.key_offset = out.optional(kPairKey, pair.key);
      place.value_offset = out.optional(kPairValue, pair.remove ? ByteView{} : pair.value);
      if (places != nullptr) places->push_back(place);
    }
    static_cast<void>(out.optional(kNamedName, as_bytes(set.name)));
  }
  FLATKV_ASSERT(out.offset() == to.size());
}

std::uint64_t encoded_bytes(std::span<const NamedChangeSet> sets) {
  std::uint64_t total = 0;
  for (const NamedChangeSet& set : sets) total += field_bytes(named_bytes(set, set_bytes(set)));
  return total;
}

}  // namespace flatkv::codec
