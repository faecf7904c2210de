// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "wire/record.hpp"

namespace flatkv::topic {

/// No follower uses a marker that names a longer place (docs/formats.md).
inline constexpr std::uint32_t kMaxPlaceBytes = 4096;

/// A whole record.
struct Seen {
  wire::Header header;
  std::int64_t next_offset = 0;  ///< where the messages behind it begin
  Bytes payload;                 ///< of `begin` and of markers that may be used

  /// Whether it says the state that the topic was in after it: all but markers do.
  bool is_state() const noexcept { return header.kind != wire::Kind::marker; }
  /// Only where `is_state`.
  wire::Position position() const noexcept {
    return {header.topic, header.sequence, header.digest, header.version};
  }
};

/// Sorts the records of a part of a topic, among which messages of others may lie: each chain of
/// records that continue one another is collected by itself.
class Chains {
 public:
  /// In the order of their offsets. One that came before is left out.
  void add(Seen seen);

  /// The records of the topic that the longest chain is of, in order: the chain that ends last, and
  /// before it those that lie before something that was lost. Leaves nothing.
  std::vector<Seen> merge();

 private:
  std::map<Digest, std::vector<Seen>> chains_;  ///< by the digests of their last records
};

}  // namespace flatkv::topic
