// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "broker/place.hpp"

namespace flatkv::broker {

/// Whether the topic is fit for a log: one partition, since there is an order in no more; and
/// `cleanup.policy=delete`, since compaction would eat parts and the records of undone blocks.
/// `unsupported` says what it has instead, `not_found` that there is none. Where the broker does
/// not tell this user (`permission`), the policy passes with a warning.
Status check_topic(const Place& place, std::chrono::milliseconds timeout);

/// Makes it so, kept for ever, with the broker's own number of copies; one that is there stays.
Status create_topic(const Place& place, std::chrono::milliseconds timeout);

}  // namespace flatkv::broker
