// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "fs/files.hpp"
#include "fs/test_directory.hpp"
#include "rocks/db.hpp"

namespace flatkv::rocks {

using Rows = std::map<std::string, std::optional<std::string>>;  // nothing: deleted
using RowList = std::vector<std::pair<std::string, std::string>>;

inline std::string text(ByteView bytes) { return std::string(as_chars(bytes)); }

/// Unwraps, or fails the test with the error's text.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}
inline void must(Status status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

inline DbOptions options_for(std::string path) {
  DbOptions options;
  options.path = std::move(path);
  options.which = Database::storage;
  return options;
}

inline std::shared_ptr<Db> open_db(const std::string& path, Db::Mode mode) {
  return must(Db::open(options_for(path), mode));
}

/// Writes one table: metadata, then rows.
inline void write_table(const std::string& path, const Rows& rows,
                        const std::map<std::string, std::string>& meta = {}) {
  auto writer = must(TableWriter::create(options_for(path), path));
  for (const auto& [name, value] : meta) must(writer.put_meta(name, as_bytes(value)));
  for (const auto& [key, value] : rows) {
    must(value ? writer.put(as_bytes(key), as_bytes(*value)) : writer.remove(as_bytes(key)));
  }
  must(writer.finish());
}

inline void ingest_rows(Db& db, const std::string& table, const Rows& rows,
                        const std::map<std::string, std::string>& meta = {}) {
  write_table(table, rows, meta);
  must(db.ingest({table}));
  std::filesystem::remove(table);
}

inline RowList walk(Cursor& cursor) {
  RowList rows;
  for (cursor.seek_to_first(); cursor.valid(); cursor.next()) {
    rows.emplace_back(text(cursor.key()), text(cursor.value()));
  }
  must(cursor.status());
  return rows;
}

inline RowList walk_back(Cursor& cursor) {
  RowList rows;
  for (cursor.seek_to_last(); cursor.valid(); cursor.previous()) {
    rows.emplace_back(text(cursor.key()), text(cursor.value()));
  }
  must(cursor.status());
  return rows;
}

inline RowList all_rows(Db& db) { return walk(*must(db.snapshot())->cursor({})); }

inline RowList live(const Rows& rows) {
  RowList list;
  for (const auto& [key, value] : rows) {
    if (value) list.emplace_back(key, *value);
  }
  return list;
}

inline std::optional<std::string> get(const PinnedDatabase& snapshot, std::string_view key) {
  const auto value = must(snapshot.get(as_bytes(key)));
  return value ? std::optional(text(*value)) : std::nullopt;
}

/// What the database says of each key, which must ascend.
inline std::vector<std::optional<std::string>> get_many(
    const PinnedDatabase& snapshot, std::span<const ByteView> keys,
    PinnedDatabase::AtOnce at_once = PinnedDatabase::AtOnce::many) {
  std::vector<std::optional<std::string>> values(keys.size());
  std::vector<int> shown(keys.size());
  must(snapshot.multi_get(keys, at_once, [&](std::size_t i, std::optional<ByteView> value) {
    ++shown[i];
    if (value) values[i] = text(*value);
  }));
  EXPECT_EQ(shown, std::vector<int>(keys.size(), 1));
  return values;
}

/// What read-only work must leave as it was: names, sizes, times of change, modes, contents.
inline std::map<std::string, std::string> fingerprint(const std::string& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    std::string say = std::to_string(entry.last_write_time().time_since_epoch().count());
    if (entry.is_regular_file()) {
      say += text(must(fs::read_file(fs::posix(), entry.path().string(), 1 << 28)));
    }
    all[entry.path().string()] = std::move(say);
  }
  all["."] = std::to_string(std::filesystem::last_write_time(directory).time_since_epoch().count());
  return all;
}

inline std::vector<std::string> files_with(const std::string& directory, std::string_view part) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().find(part) != std::string::npos) {
      found.push_back(entry.path().string());
    }
  }
  return found;
}

}  // namespace flatkv::rocks
