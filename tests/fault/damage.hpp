// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/files.hpp"

// Damages the files of a store that nobody has open.
namespace flatkv::test::damage {

using Make = std::function<void(const std::string& store)>;

/// Path of the other store for swaps: the same blocks under another id.
void set_other_store(const std::string& path);
/// Paths of copies at version kMiddle, of the closed and of the killed store.
void set_older_stores(const std::string& of_closed, const std::string& of_killed);
const std::string& other_store();
/// Paths of stores with other blocks, at kVersion and above it.
void set_strangers(const std::string& at_version, const std::string& above);
const std::string& stranger();
const std::string& longer_stranger();
const std::string& older_killed_store();

std::string changelog(const std::string& store);
/// A segment's path, counted from the last (0).
std::string segment_at(const std::string& store, std::size_t from_end);
std::string largest_manifest(const std::string& database);

/// Puts back the database, or the log, as it was at kMiddle.
void put_older(const std::string& store, std::string_view database);
void put_older_log(const std::string& store);
/// Writes a valid CLEAN for another version.
void set_clean_version(const std::string& store, std::int64_t version);
Make older(std::vector<std::string> databases);
/// Puts all five databases, or one, of another store in place. CLEAN stays.
void put_strangers_copy(const std::string& store, const std::string& stranger);
void put_strangers(const std::string& store, const std::string& stranger,
                   std::string_view database);

/// Flips one bit of a metadata value, or deletes values, through RocksDB.
Make edit_meta(std::string database, std::string name, std::size_t byte);
Make drop_meta(std::vector<std::string> names);

Make remove_in_generation(std::string name);
void empty_changelog(const std::string& store);
void swap_files(const std::string& a, const std::string& b);
/// Moves the file or directory to `target` and leaves a symbolic link in its place.
void link_instead(const std::string& path, const std::string& target);
/// Puts a pipe or a device (needs root) in its place.
Make special_instead(std::string name, bool device);

/// Cuts the last bytes off the last segment, or appends more.
Make cut(std::uint64_t bytes);
Make tail(Bytes bytes);
void repeat_last_record(const std::string& store);
void append_record_of_other_store(const std::string& store);
/// Appends a record header with a valid digest and no payload.
void append_huge_length(const std::string& store, std::uint32_t length);
/// Appends a whole record of the next version with valid digests, whose payload is no block or
/// another version's.
Make forged_record(Bytes payload);
/// Writes a segment header with this format number and a valid digest.
void set_segment_format(const std::string& store, std::uint32_t format);

}  // namespace flatkv::test::damage
