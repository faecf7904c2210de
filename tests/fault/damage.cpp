// SPDX-License-Identifier: Apache-2.0
#include "fault/damage.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <stdexcept>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "changelog/clean_marker.hpp"
#include "changelog/record.hpp"
#include "support/plain_blake3.hpp"
#include "support/tamper.hpp"

namespace flatkv::test::damage {
namespace {

std::string other;
std::string stranger_at_version;
std::string stranger_above;
std::string older_closed;
std::string older_killed;

}  // namespace

void set_other_store(const std::string& path) { other = path; }
void set_older_stores(const std::string& of_closed, const std::string& of_killed) {
  older_closed = of_closed;
  older_killed = of_killed;
}
void set_strangers(const std::string& at_version, const std::string& above) {
  stranger_at_version = at_version;
  stranger_above = above;
}
const std::string& other_store() { return other; }
const std::string& stranger() { return stranger_at_version; }
const std::string& longer_stranger() { return stranger_above; }
const std::string& older_killed_store() { return older_killed; }

std::string changelog(const std::string& store) { return live_generation(store) + "/changelog"; }

void put_older(const std::string& store, std::string_view database) {
  copy_tree(working(older_closed, database), working(store, database));
  remove_clean(store);
}

void put_older_log(const std::string& store) {
  copy_tree(changelog(older_closed), changelog(store));
  remove_clean(store);
}

void set_clean_version(const std::string& store, std::int64_t version) {
  const std::string path = live_generation(store) + "/CLEAN";
  changelog::CleanMark mark = changelog::decode_clean_mark(read_file(path)).value();
  mark.version = version;
  write_file(path, changelog::encode(mark));
}

Make older(std::vector<std::string> databases) {
  return [databases](const std::string& store) {
    for (const std::string& database : databases) put_older(store, database);
  };
}

void put_strangers_copy(const std::string& store, const std::string& stranger) {
  copy_tree(live_generation(stranger) + "/working", live_generation(store) + "/working");
}

void put_strangers(const std::string& store, const std::string& stranger,
                   std::string_view database) {
  copy_tree(working(stranger, database), working(store, database));
}

Make edit_meta(std::string database, std::string name, std::size_t byte) {
  return [=](const std::string& store) {
    Bytes value = peek(working(store, database), meta_key(name)).value();
    value.at(byte) ^= 1;
    tamper(working(store, database), {{meta_key(name), value}});
    remove_clean(store);
  };
}

Make drop_meta(std::vector<std::string> names) {
  return [names](const std::string& store) {
    std::vector<Edit> edits;
    for (const std::string& name : names) edits.push_back({meta_key(name), {}});
    tamper(working(store, "metadata"), edits);
    remove_clean(store);
  };
}

Make remove_in_generation(std::string name) {
  return [name](const std::string& store) {
    remove_tree(live_generation(store) + "/" + name);
    remove_clean(store);
  };
}

void empty_changelog(const std::string& store) {
  for (const std::string& segment : segments(store)) stdfs::remove(segment);
  remove_clean(store);
}

Make cut(std::uint64_t bytes) {
  return [bytes](const std::string& store) {
    const std::string last = segments(store).back();
    resize_file(last, stdfs::file_size(last) - bytes);
  };
}

Make tail(Bytes bytes) {
  return [bytes](const std::string& store) { append_file(segments(store).back(), bytes); };
}

/// Offset of each record in a segment, from the lengths in the headers (docs/formats.md).
static std::vector<std::uint64_t> record_offsets(const Bytes& segment) {
  std::vector<std::uint64_t> all;
  std::uint64_t at = changelog::kSegmentHeaderBytes;
  while (at + changelog::kRecordHeaderBytes <= segment.size()) {
    all.push_back(at);
    at += changelog::kRecordHeaderBytes + load_le<std::uint32_t>(segment.data() + at + 24);
  }
  return all;
}

/// Appends a copy of the last record to the last segment.
void repeat_last_record(const std::string& store) {
  const std::string last = segments(store).back();
  const Bytes content = read_file(last);
  append_file(last, ByteView(content).subspan(record_offsets(content).back()));
}

void append_record_of_other_store(const std::string& store) {
  const Bytes content = read_file(segments(other).back());
  append_file(segments(store).back(), ByteView(content).subspan(record_offsets(content).back()));
}

/// Appends a record with valid digests; the caller chooses its payload and its stated length.
static void append_record(const std::string& store, const Bytes& payload, std::uint32_t length) {
  const std::string last = segments(store).back();
  const Bytes content = read_file(last);
  changelog::StoreId id{};
  std::copy_n(content.begin() + 16, id.size(), id.begin());
  const ByteView record = ByteView(content).subspan(record_offsets(content).back());
  Bytes header = to_bytes(record.first(changelog::kRecordHeaderBytes));
  store_le<std::uint64_t>(header.data() + 8, load_le<std::uint64_t>(header.data() + 8) + 1);
  store_le<std::uint32_t>(header.data() + 24, length);
  std::copy_n(record.begin() + changelog::kRecordHeaderBytes - 32, 32, header.begin() + 32);
  std::ranges::copy(plain_blake3(payload), header.begin() + 64);
  Bytes digested(id.begin(), id.end());
  append(digested, ByteView(header).first(changelog::kRecordHeaderBytes - 32));
  const Digest digest = plain_blake3(digested);
  std::copy(digest.begin(), digest.end(), header.end() - 32);
  append(header, payload);
  append_file(last, header);
}

void append_huge_length(const std::string& store, std::uint32_t length) {
  append_record(store, {}, length);
}

Make forged_record(Bytes payload) {
  return [payload](const std::string& store) {
    append_record(store, payload, static_cast<std::uint32_t>(payload.size()));
  };
}

void set_segment_format(const std::string& store, std::uint32_t format) {
  const std::string last = segments(store).back();
  Bytes content = read_file(last);
  store_le(content.data() + 8, format);
  const std::size_t body = changelog::kSegmentHeaderBytes - 32;
  const Digest digest = plain_blake3(ByteView(content).first(body));
  std::copy(digest.begin(), digest.end(), content.begin() + static_cast<std::ptrdiff_t>(body));
  write_file(last, content);
  remove_clean(store);
}

std::string segment_at(const std::string& store, std::size_t from_end) {
  const auto all = segments(store);
  return all.at(all.size() - 1 - from_end);
}

void swap_files(const std::string& a, const std::string& b) {
  const Bytes content = read_file(a);
  write_file(a, read_file(b));
  write_file(b, content);
}

void link_instead(const std::string& path, const std::string& target) {
  stdfs::rename(path, target);
  stdfs::create_symlink(target, path);
}

Make special_instead(std::string name, bool device) {
  return [=](const std::string& store) {
    const std::string path = live_generation(store) + "/" + name;
    remove_tree(path);
    const mode_t type = device ? S_IFCHR : S_IFIFO;
    if (::mknod(path.c_str(), type | 0600, device ? makedev(1, 3) : 0) != 0) {
      throw std::runtime_error("mknod " + path);
    }
    remove_clean(store);
  };
}

std::string largest_manifest(const std::string& database) {
  const auto all = names(database, "MANIFEST-");
  return database + "/" + all.back();
}

}  // namespace flatkv::test::damage
