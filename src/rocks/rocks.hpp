// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room: conversions between our types and RocksDB's.

#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include <string>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "rocks/db.hpp"

namespace flatkv::rocks {

/// First byte of every stored key (docs/specification.md#stored-keys).
inline constexpr char kMetaTag = '\x00';
inline constexpr char kRowTag = '\x01';
/// The first key after all rows.
inline constexpr char kBehindRows = '\x02';

inline rocksdb::Slice slice(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline ByteView view(const rocksdb::Slice& slice) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(slice.data()), slice.size()};
}

inline std::string tagged(char tag, ByteView key) {
  std::string stored;
  stored.reserve(key.size() + 1);
  stored += tag;
  stored += as_chars(key);
  return stored;
}

/// Translates a RocksDB status. A file that RocksDB expected and did not find is corruption:
/// whether a database exists at all is checked before.
Error rocks_error(const rocksdb::Status& status, std::string_view doing, const std::string& path,
                  Database which);
/// The same for a database, under the name that errors give it.
Error rocks_error(const rocksdb::Status& status, std::string_view doing, const DbOptions& options);

/// All of RocksDB's options, with the reason for each.
rocksdb::Options rocks_options(const DbOptions& options);

/// The environment of `options`, or the default one with private file modes.
rocksdb::Env* environment(const DbOptions& options);

}  // namespace flatkv::rocks
