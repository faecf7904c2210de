// SPDX-License-Identifier: Apache-2.0
#include "topic/scan.hpp"

#include <algorithm>
#include <utility>

#include "base/stopwatch.hpp"

namespace flatkv::topic {
namespace {

constexpr std::int64_t kFirstLook = 16;  // the beginning is mostly the first message
constexpr std::int64_t kFirstWindow = 1024;
constexpr std::int64_t kLargestWindow = 65'536;
constexpr std::chrono::seconds kAnswer{5};
constexpr std::chrono::milliseconds kSlice{500};
/// Without a message for so long, the broker is taken for away.
constexpr double kSilenceSeconds = 30;

Status check_going_on(const broker::Consumer& consumer, const std::stop_token& stop,
                      const Stopwatch& silence) {
  if (stop.stop_requested()) return fail(ErrorCode::cancelled, "stopped while reading the topic");
  if (silence.seconds() < kSilenceSeconds) return {};
  return fail(ErrorCode::io, "reading the topic: the broker sends nothing")
      .path(consumer.place().address());
}

/// The records whose last messages lie in the offsets [from, to).
Result<std::vector<Seen>> scan(broker::Consumer& consumer, std::int64_t from, std::int64_t to,
                               const std::stop_token& stop, std::uint64_t& refused) {
  FLATKV_TRY(consumer.seek(from));
  Chains chains;
  std::uint64_t seen_records = 0;
  Stopwatch silence;
  while (true) {
    FLATKV_ASSIGN(const auto message, consumer.next(kSlice));
    if (!message) {
      if (consumer.at_end()) break;
      FLATKV_TRY(check_going_on(consumer, stop, silence));
      continue;
    }
    silence = {};
    if (message->offset() >= to) break;
    const auto part = wire::decode_message(message->key(), message->value());
    if (!part && part.error().code == ErrorCode::format_too_new) {
      return fail(ErrorCode::format_too_new, part.error().message)
          .path(consumer.place().address())
          .offset(static_cast<std::uint64_t>(message->offset()));
    }
    if (!part) {
      ++refused;
      continue;
    }
    const wire::Header& header = part->header;
    if (header.part + 1 != header.parts) continue;
    Seen seen{.header = header, .next_offset = message->offset() + 1, .payload = {}};
    // A window keeps what it expands: a gigabyte of one byte is a small message.
    if (header.kind != wire::Kind::block && header.parts == 1 &&
        header.payload_bytes <= kMaxPlaceBytes) {
      auto payload = wire::payload_of(header, part->bytes);
      if (!payload) {
        ++refused;
        continue;
      }
      seen.payload = *std::move(payload);
    }
    ++seen_records;
    chains.add(std::move(seen));
  }
  auto window = chains.merge();
  refused += seen_records - window.size();
  return window;
}

}  // namespace

Status scan_back(broker::Consumer& consumer, const std::stop_token& stop,
                 const std::function<bool(std::vector<Seen> window)>& window,
                 std::uint64_t* refused) {
  FLATKV_ASSIGN(const auto bounds, consumer.bounds(kAnswer));
  std::uint64_t left_out = 0;
  std::int64_t size = kFirstWindow;
  for (std::int64_t to = bounds.high; to > bounds.low;) {
    const std::int64_t from = std::max(bounds.low, to - size);
    FLATKV_ASSIGN(auto found, scan(consumer, from, to, stop, left_out));
    if (refused != nullptr) *refused = left_out;
    if (!window(std::move(found))) return {};
    to = from;
    size = std::min(size * 2, kLargestWindow);
  }
  return {};
}

Result<std::optional<Seen>> find_begin(broker::Consumer& consumer, const std::stop_token& stop) {
  FLATKV_ASSIGN(const auto bounds, consumer.bounds(kAnswer));
  std::uint64_t refused = 0;
  // Any number of messages that are none of ours, or of transactions that came to nothing, may lie
  // before the first record.
  std::int64_t size = kFirstLook;
  for (std::int64_t from = bounds.low; from < bounds.high;) {
    const std::int64_t to = std::min(from + size, bounds.high);
    FLATKV_ASSIGN(const auto window, scan(consumer, from, to, stop, refused));
    if (!window.empty()) {
      const bool begins = window.front().header.kind == wire::Kind::begin;
      return begins ? std::optional(window.front()) : std::nullopt;
    }
    from = to;
    size = std::min(size * 2, kLargestWindow);
  }
  return std::optional<Seen>{};
}

Result<Tail> read_tail(broker::Consumer& consumer, std::uint32_t depth,
                       const std::stop_token& stop) {
  std::vector<Seen> records;
  Tail tail;
  std::uint64_t refused = 0;
  const auto older = [&](std::vector<Seen> window) {
    window.insert(window.end(), records.begin(), records.end());
    records = std::move(window);
    tail = {};
    std::int64_t highest = 0;
    for (const Seen& seen : records) {
      tail.depth = seen.header.depth;
      if (!seen.is_state()) {
        if (tail.last) tail.last->sequence = seen.header.sequence;
        if (tail.last) tail.last->digest = seen.header.digest;
        continue;
      }
      tail.last = seen.position();
      const std::int64_t version = seen.header.version;
      highest = std::max(highest, version);
      tail.branch.erase(tail.branch.upper_bound(version), tail.branch.end());
      tail.branch.insert_or_assign(version, seen.header.roots);
    }
    if (!tail.last) return true;
    // No undo goes below the floor; what one took away does not lower it.
    const std::int64_t floor = std::min(highest - std::int64_t{depth}, tail.last->version);
    const bool more = tail.branch.begin()->first > floor;
    tail.branch.erase(tail.branch.begin(), tail.branch.lower_bound(floor));
    return more;
  };
  FLATKV_TRY(scan_back(consumer, stop, older, &refused));
  if (!tail.last && refused > 0) {
    return fail(ErrorCode::foreign_store, "the topic has messages, and none is of FlatKV")
        .path(consumer.place().address());
  }
  return tail;
}

}  // namespace flatkv::topic
