// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/files.hpp"

// Damage to the files of a store that nobody has open.
namespace flatkv::test::damage {

using Make = std::function<void(const std::string& store)>;

/// Where the other store for swaps lies: the same blocks under another id.
void set_other_store(const std::string& path);
/// Where copies at version kMiddle lie, of the closed and of the killed store.
void set_older_stores(const std::string& of_closed, const std::string& of_killed);
const std::string& other_store();
/// Where stores of other blocks lie, at kVersion and above it.
void set_strangers(const std::string& at_version, const std::string& above);
const std::string& stranger();
const std::string& longer_stranger();
const std::string& older_killed_store();

std::string changelog(const std::string& store);
/// A segment's path, counted from the last (0).
std::string segment_at(const std::string& store, std::size_t from_end);
std::string largest_manifest(const std::string& database);

/// The database, or the log, as it was at kMiddle.
void put_older(const std::string& store, std::string_view database);
void put_older_log(const std::string& store);
/// CLEAN, valid, and of another version.
void set_clean_version(const std::string& store, std::int64_t version);
Make older(std::vector<std::string> databases);
/// All five databases, or one, of another store. CLEAN stays.
void put_strangers_copy(const std::string& store, const std::string& stranger);
void put_strangers(const std::string& store, const std::string& stranger,
                   std::string_view database);

/// One bit of a metadata value, or whole values, changed through RocksDB.
Make edit_meta(std::string database, std::string name, std::size_t byte);
Make drop_meta(std::vector<std::string> names);

Make remove_in_generation(std::string name);
void empty_changelog(const std::string& store);
void swap_files(const std::string& a, const std::string& b);
/// The file or directory moved to `target`, and a symbolic link in its place.
void link_instead(const std::string& path, const std::string& target);
/// A pipe or a device (as root) in its place.
Make special_instead(std::string name, bool device);

/// The last segment with its last bytes gone, or with more behind them.
Make cut(std::uint64_t bytes);
Make tail(Bytes bytes);
void repeat_last_record(const std::string& store);
void append_record_of_other_store(const std::string& store);
/// A record header with a right digest and a payload that is not there.
void append_huge_length(const std::string& store, std::uint32_t length);
/// A whole record of the next version, every digest right, whose payload is no block or another's.
Make forged_record(Bytes payload);
/// A segment header with a right digest and this format number.
void set_segment_format(const std::string& store, std::uint32_t format);

}  // namespace flatkv::test::damage
