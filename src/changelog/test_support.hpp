// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/memory_files.hpp"
#include "changelog/writer.hpp"

// For the tests of this room only.
namespace flatkv::changelog::test {

inline constexpr StoreId kStore = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline constexpr StoreId kOtherStore = {0xee};

inline Digest filled(unsigned byte) {
  Digest digest;
  digest.fill(static_cast<std::uint8_t>(byte));
  return digest;
}

inline Roots roots_of(std::int64_t version, unsigned salt = 0) {
  const auto base = static_cast<unsigned>(version) * 8 + salt;
  return {filled(base), filled(base + 1), filled(base + 2), filled(base + 3), filled(base + 4)};
}

inline Bytes payload_of(std::int64_t version, std::size_t size = 20) {
  Bytes payload(size);
  for (std::size_t i = 0; i < size; ++i) {
    payload[i] = static_cast<std::uint8_t>(static_cast<std::size_t>(version) * 31 + i);
  }
  return payload;
}

/// Appends the payload in two parts, as the store does.
inline Result<Digest> append_record(Writer& writer, std::int64_t version, const Bytes& payload,
                                    unsigned salt = 0) {
  const std::size_t split = payload.size() / 3;
  const std::array<ByteView, 2> parts = {ByteView(payload).first(split),
                                         ByteView(payload).subspan(split)};
  return writer.append(version, parts, blake3::hash(payload), roots_of(version, salt));
}

/// A record with any header, without a writer.
inline Bytes raw_record(const StoreId& store, RecordHeader header, const Bytes& payload) {
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.payload_digest = blake3::hash(payload);
  const auto encoded = encode(store, header);
  // No insertion: GCC 12 warns falsely about vectors that grow.
  Bytes bytes(encoded.size() + payload.size());
  std::ranges::copy(payload, std::ranges::copy(encoded, bytes.begin()).out);
  return bytes;
}

/// A log in memory, in the directory "log".
class LogTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kOneSegment = 1ULL << 30;

  std::string name(std::int64_t first) const { return "log/" + segment_name(first); }

  void create(std::int64_t base = 0) {
    base_ = {base, base_digest(kStore, base, roots_of(base))};
    ASSERT_TRUE(create_log(files, "log", kStore, base_));
  }
  std::unique_ptr<Writer> writer(std::uint64_t segment_bytes = kOneSegment) {
    auto opened = Writer::open(files, "log", look(0, false)->tip, {kStore, segment_bytes});
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(*opened);
  }
  /// Writes records base + 1 to `last`, each of `size` bytes, and closes the log.
  void fill(std::int64_t last, std::uint64_t segment_bytes = kOneSegment, std::size_t size = 20) {
    create();
    const auto log = writer(segment_bytes);
    for (std::int64_t version = 1; version <= last; ++version) {
      ASSERT_TRUE(append_record(*log, version, payload_of(version, size)));
      ASSERT_TRUE(log->sync());
    }
  }
  Result<std::optional<LogWalk>> try_look(std::int64_t from = 0, bool check = true,
                                          const StoreId& store = kStore) {
    return walk_segments(files, "log", {store, from, check});
  }
  std::optional<LogWalk> look(std::int64_t from = 0, bool check = true) {
    auto found = try_look(from, check);
    EXPECT_TRUE(found) << found.error().to_string();
    return found ? std::move(*found) : std::nullopt;
  }
  ErrorCode refusal(std::int64_t from = 0, const StoreId& store = kStore) {
    const auto found = try_look(from, true, store);
    EXPECT_FALSE(found);
    if (found) return ErrorCode::cancelled;
    EXPECT_FALSE(found.error().path.empty());
    return found.error().code;
  }

  MemoryFiles files;
  Base base_;
};

}  // namespace flatkv::changelog::test
