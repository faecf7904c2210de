// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "flatkv/account.hpp"
#include "wire/message.hpp"

namespace flatkv::wire {

/// A record of a topic, and the state after it. Whoever has both can go on with the topic, as
/// writer or as reader.
struct Position {
  TopicId topic{};
  std::uint64_t sequence = 0;
  Digest digest{};
  std::int64_t version = 0;  ///< of the state: a marker does not change it
  bool operator==(const Position&) const = default;
};

struct Record {
  Position at;
  Kind kind = Kind::begin;
  std::uint32_t depth = 0;
  std::int64_t version = 0;
  Roots roots;    ///< of `version`
  Bytes payload;  ///< of a block: as in the log; of a marker: a URI; of `begin`: four bytes
};

struct Encoded {
  Position at;
  std::vector<Message> messages;
};
/// What is written after `last`; `begin` comes first and goes after a position of its topic with
/// nothing else set. `record.at` is ignored. A part has at most `part_bytes` of the payload, ≥ 1.
/// Errors: `invalid_argument` (a record that cannot follow `last`), `out_of_memory`.
Result<Encoded> encode_record(const Position& last, const Record& record, std::size_t part_bytes);

/// `version_mismatch` for a record that cannot follow a state of version `state`: a block that is
/// not the next, an undo that goes up or too far down, a marker of a version that is not there.
Status check_follows(std::int64_t state, const Header& record);
/// The version of the state after the record.
std::int64_t state_after(std::int64_t state, Kind kind, std::int64_t version) noexcept;

/// The payload of `begin` tells how the store that the topic is of keeps account rows.
Bytes begin_payload(AccountRows rows);
/// `corruption` for anything else.
Result<AccountRows> account_rows_of(ByteView begin_payload);

/// zstd around a payload; of an empty one nothing.
Result<Bytes> pack_payload(ByteView payload);
/// `corruption` unless `stored` is one frame of exactly `payload_bytes`.
Result<Bytes> expand_payload(ByteView stored, std::uint32_t payload_bytes);
/// The payload of a record, of all parts together; `corruption` unless it is what the header says.
Result<Bytes> payload_of(const Header& header, ByteView stored);

}  // namespace flatkv::wire
