// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "wire/message.hpp"

namespace flatkv::follow {

inline constexpr std::string_view kTopicFile = "TOPIC";
inline constexpr std::size_t kMaxTopicBytes = 4U << 10;

/// TOPIC of a generation (docs/formats.md#store-directory): the topic that its state is from.
Bytes encode_mark(const wire::TopicId& topic);
/// `corruption`, or `format_too_new`.
Result<wire::TopicId> decode_mark(ByteView bytes);

/// What a directory tells of the replica in it.
struct Replica {
  bool there = false;  ///< a store is here, or may be: only what cannot be one is not
  /// Unset where nothing tells: no replica, one of an older program, or a damaged mark.
  std::optional<wire::TopicId> topic;
};
Replica look_at(const std::string& store);

/// The live generation's state is from this topic; durable on return. It goes with the generation:
/// whatever else is imported here has no mark.
Status remember(const std::string& store, const wire::TopicId& topic);

/// Renames the directory to one beside it that there is not yet, whose name it returns.
Result<std::string> put_aside(const std::string& store);

}  // namespace flatkv::follow
