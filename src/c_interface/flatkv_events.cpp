// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>

#include "c_interface/handle.hpp"
#include "c_interface/packed.hpp"

namespace flatkv::c_interface {
namespace {

/// Hands the event that `next` gives out, or null if it gives none. It has a handle before it asks:
/// an event that was given would be lost without one.
template <class Next>
Status hand_out_next(flatkv_block** out, Next&& next) {
  auto handle = std::make_unique<BlockHandle>(ChangeEvent{});
  FLATKV_ASSIGN(std::optional<ChangeEvent> event, next());
  if (!event) {
    *out = nullptr;
    return {};
  }
  handle->held = *std::move(event);
  give(std::move(handle), out);
  return {};
}

/// The caller's struct, with zeros for members that it does not have. Members that are not known
/// here must be zero.
Result<flatkv_subscribe_options> read_sized(const flatkv_subscribe_options* options) {
  constexpr std::size_t kMost = 4096;  // no version of it is that large
  flatkv_subscribe_options read{};
  if (options == nullptr) return read;
  FLATKV_TRY(check_sized(options));
  if (options->size > kMost) return refuse("a struct with a size that cannot be");
  const ByteView given(reinterpret_cast<const std::uint8_t*>(options), options->size);
  const std::size_t known = std::min(given.size(), sizeof read);
  if (std::ranges::any_of(given.subspan(known), [](std::uint8_t byte) { return byte != 0; })) {
    return refuse("options of a newer version of the library");
  }
  std::memcpy(&read, given.data(), known);
  return read;
}

Result<SubscribeOptions> subscribe_options(const flatkv_subscribe_options& given) {
  SubscribeOptions options;
  if (given.committed > 1 || given.has_after > 1) return refuse("neither 0 nor 1");
  if (!good(given.cursor.data, given.cursor.size)) return refuse("cursor: no bytes");
  options.deliver = given.committed == 1 ? Deliver::committed : Deliver::durable;
  if (given.has_after == 1) options.after = given.after;
  if (given.depth != 0) options.depth = given.depth;
  if (given.name != nullptr) options.name = given.name;
  if (given.cursor.size != 0) {
    FLATKV_ASSIGN(options.cursor, Cursor::decode(view_of(given.cursor.data, given.cursor.size)));
  }
  return options;
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_block_info_get(const flatkv_block* block, flatkv_block_info* out) {
  return with<BlockHandle>(block, "block", [&](const ChangeEvent& event) -> Status {
    FLATKV_TRY(check_sized(out));
    flatkv_block_info info{};
    info.undo = event.block ? 0 : 1;
    info.version = event.at.version;
    std::ranges::copy(event.at.chain, info.chain);
    if (event.block) {
      const LogRecord& record = event.block->record;
      put_roots(record.roots, info.roots);
      info.payload_bytes = record.payload_bytes;
      std::ranges::copy(record.payload_digest, info.payload_digest);
    }
    return put_sized(info, out);
  });
}

flatkv_error* flatkv_block_changes(const flatkv_block* block, flatkv_buffer** out) {
  return with<BlockHandle>(block, "block", [&](const ChangeEvent& event) -> Status {
    if (out == nullptr) return refuse("out is null");
    Result<Bytes> packed = Bytes{};
    if (event.block) packed = pack_changes(event.block->change_sets());
    return hand_out<BufferHandle>(std::move(packed), out);
  });
}

flatkv_error* flatkv_changes_new(const flatkv_store* store, int64_t from, int64_t to,
                                 flatkv_changes** out) {
  return with<StoreHandle>(store, "store", [&](const CommitStore& found) -> Status {
    if (out == nullptr) return refuse("out is null");
    return hand_out<ChangesHandle>(found.changes(from, to), out);
  });
}

flatkv_error* flatkv_changes_next(flatkv_changes* changes, flatkv_block** out) {
  return with<ChangesHandle>(changes, "changes", [&](ChangeReader& reader) -> Status {
    if (out == nullptr) return refuse("out is null");
    return hand_out_next(out, [&]() -> Result<std::optional<ChangeEvent>> {
      FLATKV_ASSIGN(std::optional<LogBlock> block, reader.next());
      if (!block) return std::nullopt;
      const LogRecord& record = block->record;
      return ChangeEvent{.at = {record.version, record.chain}, .block = std::move(block)};
    });
  });
}

flatkv_error* flatkv_subscribe(flatkv_store* store, const flatkv_subscribe_options* options,
                               flatkv_subscription** out) {
  return with<StoreHandle>(store, "store", [&](CommitStore& found) -> Status {
    if (out == nullptr) return refuse("out is null");
    FLATKV_ASSIGN(const flatkv_subscribe_options given, read_sized(options));
    FLATKV_ASSIGN(const SubscribeOptions wanted, subscribe_options(given));
    return hand_out<SubscriptionHandle>(found.subscribe(wanted), out);
  });
}

flatkv_error* flatkv_subscription_next(flatkv_subscription* subscription, int64_t milliseconds,
                                       flatkv_block** out) {
  return with<SubscriptionHandle>(subscription, "subscription", [&](Subscription& found) -> Status {
    if (out == nullptr) return refuse("out is null");
    // A longer wait than a century would overflow the clock.
    constexpr std::int64_t kCentury = 100LL * 366 * 86'400 * 1000;
    const std::chrono::milliseconds wait(std::clamp<std::int64_t>(milliseconds, -1, kCentury));
    return hand_out_next(out, [&] { return found.next(wait); });
  });
}

flatkv_error* flatkv_subscription_cursor(const flatkv_subscription* subscription,
                                         flatkv_buffer** out) {
  return with<SubscriptionHandle>(subscription, "subscription",
                                  [&](const Subscription& found) -> Status {
                                    if (out == nullptr) return refuse("out is null");
                                    FLATKV_ASSIGN(const Cursor cursor, found.cursor());
                                    return hand_out<BufferHandle>(cursor.encode(), out);
                                  });
}

flatkv_error* flatkv_subscription_acknowledge(flatkv_subscription* subscription,
                                              const uint8_t* cursor, size_t size) {
  return with<SubscriptionHandle>(subscription, "subscription", [&](Subscription& found) -> Status {
    if (!good(cursor, size)) return refuse("cursor: no bytes");
    FLATKV_ASSIGN(const Cursor stored, Cursor::decode(view_of(cursor, size)));
    return found.acknowledge(stored);
  });
}

flatkv_error* flatkv_named_cursors(const flatkv_store* store, flatkv_buffer** out) {
  return with<StoreHandle>(store, "store", [&](const CommitStore& found) -> Status {
    if (out == nullptr) return refuse("out is null");
    FLATKV_ASSIGN(const std::vector<NamedCursor> cursors, found.named_cursors());
    Bytes packed;
    for (const NamedCursor& cursor : cursors) {
      put_number(packed, static_cast<std::uint64_t>(cursor.version));
      put_number(packed, static_cast<std::uint32_t>(cursor.name.size()));
      append(packed, as_bytes(cursor.name));
    }
    return hand_out<BufferHandle>(Result<Bytes>(std::move(packed)), out);
  });
}

flatkv_error* flatkv_drop_cursor(flatkv_store* store, const char* name) {
  return with<StoreHandle>(store, "store", [&](CommitStore& found) -> Status {
    if (name == nullptr) return refuse("name is null");
    return found.drop_cursor(name);
  });
}
