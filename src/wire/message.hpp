// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/roots.hpp"

// The bytes of a topic's messages (docs/formats.md#topic). Pure functions, no I/O.
namespace flatkv::wire {

using TopicId = std::array<std::uint8_t, 16>;

enum class Kind : std::uint32_t {
  begin,   ///< the first record: the state that the topic goes on from
  block,   ///< the next block
  undo,    ///< all blocks above the version are undone
  marker,  ///< there is a snapshot of the version
};
/// "begin", "block", "undo", "marker".
std::string_view to_string(Kind kind) noexcept;

inline constexpr std::uint32_t kMaxPayloadBytes = 1U << 30;
/// What zstd makes of the largest payload at most, and a little.
inline constexpr std::uint32_t kMaxStoredBytes = kMaxPayloadBytes + (8U << 20);
inline constexpr std::size_t kHeaderBytes =
    8 + 4 + 4 + 16 + 8 + 4 + 4 + 4 + 4 + 8 + 4 + 4 + 5 * 32 + 3 * 32;
/// How deep the undos of a publisher may go.
inline constexpr std::uint32_t kMostDepth = 4096;
/// Of a message besides its part of the payload.
inline constexpr std::size_t kValueOverhead = kHeaderBytes + 32;
inline constexpr std::size_t kKeyBytes = 8 + 4;

/// What each message of a record says of it.
struct Header {
  TopicId topic{};
  std::uint64_t sequence = 0;  ///< 0 for `begin`, and for no other
  Kind kind = Kind::begin;
  std::uint32_t part = 0;  ///< of the record, below `parts`
  std::uint32_t parts = 1;
  std::uint32_t depth = 0;  ///< how many versions an undo may go back
  std::int64_t version = 0;
  std::uint32_t payload_bytes = 0;  ///< expanded
  std::uint32_t stored_bytes = 0;   ///< of all parts together
  Roots roots;                      ///< of `version`
  Digest previous{};                ///< digest of the record before; zeros for `begin`
  Digest payload_digest{};
  Digest digest{};  ///< of the record: covers the whole topic up to it

  bool operator==(const Header&) const = default;
};

/// The record's digest, from the other fields.
Digest record_digest(const Header& header) noexcept;

struct Message {
  Bytes key;
  Bytes value;
};
/// `bytes` is the part of the stored payload.
Message encode_message(const Header& header, ByteView bytes);

/// A message as it was received; `bytes` points into its value.
struct Part {
  Header header;
  ByteView bytes;
};
/// Checks everything that one message can tell. `corruption`, or `format_too_new` for a sound one
/// of a newer format.
Result<Part> decode_message(ByteView key, ByteView value);

}  // namespace flatkv::wire
