#pragma once

// Inside this room only: the ground between our types and RocksDB's.

#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include <string>

#include "base/error.hpp"
#include "engine/db.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::engine {

/// First byte of every stored key (spec §4).
inline constexpr char kMetaTag = '\x00';
inline constexpr char kRowTag = '\x01';
/// First key behind all rows.
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

/// What a RocksDB status means to us. A file that RocksDB expected and did not find is corruption:
/// whether there is a database at all is asked before.
Error rocks_error(const rocksdb::Status& status, std::string_view doing, const std::string& path,
                  Database which);
/// The same of a database, under the name that it goes by.
Error rocks_error(const rocksdb::Status& status, std::string_view doing, const DbOptions& options);

/// All of RocksDB's options, one comment per choice.
rocksdb::Options rocks_options(const DbOptions& options);

/// The environment of `options`, or the default one with private file modes.
rocksdb::Env* environment(const DbOptions& options);

}  // namespace flatkv::engine
