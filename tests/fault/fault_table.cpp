#include "fault/fault_table.hpp"

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "changelog/record.hpp"
#include "support/changes.hpp"
#include "support/files.hpp"
#include "support/plain_blake3.hpp"
#include "support/tamper.hpp"

namespace flatkv::test {
namespace {

std::string other_store;
std::string older_store;
std::string older_killed_store;

using enum Outcome;
using enum ErrorCode;
using Make = std::function<void(const std::string&)>;

std::string changelog(const std::string& store) { return live_generation(store) + "/changelog"; }

/// The database as it was at kMiddle.
void put_older(const std::string& store, std::string_view database) {
  copy_tree(working(older_store, database), working(store, database));
  remove_clean(store);
}

void put_older_log(const std::string& store) {
  copy_tree(changelog(older_store), changelog(store));
  remove_clean(store);
}

Make older(std::vector<std::string> databases) {
  return [databases](const std::string& store) {
    for (const std::string& database : databases) put_older(store, database);
  };
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

/// The last segment with its last `bytes` bytes gone.
Make cut(std::uint64_t bytes) {
  return [bytes](const std::string& store) {
    const std::string last = segments(store).back();
    resize_file(last, stdfs::file_size(last) - bytes);
  };
}

Make tail(Bytes bytes) {
  return [bytes](const std::string& store) { append_file(segments(store).back(), bytes); };
}

/// Offset of each record in a segment, by the lengths in the headers (docs/formats.md).
std::vector<std::uint64_t> record_offsets(const Bytes& segment) {
  std::vector<std::uint64_t> all;
  std::uint64_t at = changelog::kSegmentHeaderBytes;
  while (at + changelog::kRecordHeaderBytes <= segment.size()) {
    all.push_back(at);
    at += changelog::kRecordHeaderBytes + load_le<std::uint32_t>(segment.data() + at + 24);
  }
  return all;
}

/// The last record of the last segment, once more behind itself.
void repeat_last_record(const std::string& store) {
  const std::string last = segments(store).back();
  const Bytes content = read_file(last);
  append_file(last, ByteView(content).subspan(record_offsets(content).back()));
}

void append_record_of_other_store(const std::string& store) {
  const Bytes content = read_file(segments(other_store).back());
  append_file(segments(store).back(), ByteView(content).subspan(record_offsets(content).back()));
}

/// A record header with a right digest and a payload that is not there.
void append_huge_length(const std::string& store, std::uint32_t length) {
  const std::string last = segments(store).back();
  const Bytes content = read_file(last);
  changelog::StoreId id{};
  std::copy_n(content.begin() + 16, id.size(), id.begin());
  const ByteView record = ByteView(content).subspan(record_offsets(content).back());
  Bytes header = to_bytes(record.first(changelog::kRecordHeaderBytes));
  store_le<std::uint64_t>(header.data() + 8, load_le<std::uint64_t>(header.data() + 8) + 1);
  store_le<std::uint32_t>(header.data() + 24, length);
  std::copy_n(record.begin() + changelog::kRecordHeaderBytes - 32, 32, header.begin() + 32);
  Bytes digested(id.begin(), id.end());
  append(digested, ByteView(header).first(changelog::kRecordHeaderBytes - 32));
  const Digest digest = plain_blake3(digested);
  std::copy(digest.begin(), digest.end(), header.end() - 32);
  append_file(last, header);
}

/// A segment header with a right digest and this format number.
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

std::string largest_manifest(const std::string& database) {
  const auto all = names(database, "MANIFEST-");
  return database + "/" + all.back();
}

/// Rows C of the matrix: databases against each other and against the log.
void databases(std::vector<Fault>& to) {
  const std::vector<std::string> all = {"account", "code", "storage", "legacy", "metadata"};
  for (const std::string& one : all) {
    to.push_back({"C10", one + " is behind", Start::closed, older({one}), recovered, {}, kVersion});
    std::vector<std::string> others;
    for (const std::string& name : all) {
      if (name != one) others.push_back(name);
    }
    to.push_back(
        {"C10", "all but " + one + " are behind", Start::closed, older(others), recovered, {}});
  }
  to.push_back({"C6", "log behind level databases", Start::closed, put_older_log, rebuilt, {}});
  to.push_back({"C6",
                "log behind uneven databases",
                Start::closed,
                [](const std::string& store) {
                  put_older_log(store);
                  put_older(store, "storage");
                },
                refused,
                {log_behind}});
  to.push_back({"C14",
                "account behind and the log does not reach, no snapshot that helps",
                Start::closed,
                [](const std::string& store) {
                  put_older(store, "account");
                  for (const std::string& snapshot : snapshots(store)) remove_tree(snapshot);
                  const auto files = segments(store);
                  for (std::size_t i = 0; i + 1 < files.size(); ++i) stdfs::remove(files[i]);
                },
                refused,
                {log_gap}});
  to.push_back({"C14",
                "account behind and the log starts at the newest snapshot",
                Start::closed,
                [](const std::string& store) {
                  // An account database of the empty state: only the snapshot in the middle helps.
                  copy_tree(snapshots(store).front() + "/account", working(store, "account"));
                  const auto files = segments(store);
                  for (std::size_t i = 0; i + 1 < files.size(); ++i) {
                    const std::string name = stdfs::path(files[i + 1]).stem();
                    if (std::stoll(name) <= kMiddle + 1) stdfs::remove(files[i]);
                  }
                  remove_clean(store);
                },
                rebuilt,
                {}});
  to.push_back({"C15",
                "_meta/hash has a flipped bit",
                Start::closed,
                edit_meta("metadata", "_meta/hash", 7),
                refused,
                {corruption}});
  for (const char* name : {"account", "code", "storage", "legacy"}) {
    to.push_back({"C15",
                  std::string("_meta/hash/") + name + " has a flipped bit",
                  Start::closed,
                  edit_meta("metadata", std::string("_meta/hash/") + name, 1000),
                  refused,
                  {corruption}});
    to.push_back({"S14",
                  std::string("LocalMeta of ") + name + " is a stranger's",
                  Start::closed,
                  edit_meta(name, "local", 500),
                  rebuilt,
                  {}});
  }
  to.push_back({"C16",
                "metadata database is gone",
                Start::closed,
                remove_in_generation("working/metadata"),
                rebuilt,
                {}});
  to.push_back({"C16",
                "metadata database is an empty directory",
                Start::closed,
                [](const std::string& store) {
                  remove_in_generation("working/metadata")(store);
                  stdfs::create_directory(working(store, "metadata"));
                },
                rebuilt,
                {}});
  for (const char* name : {"_meta/version", "_meta/hash", "_meta/hash/storage"}) {
    to.push_back(
        {"C16", std::string(name) + " is gone", Start::closed, drop_meta({name}), rebuilt, {}});
  }
  to.push_back({"C16",
                "metadata database is gone after a kill",
                Start::killed,
                remove_in_generation("working/metadata"),
                rebuilt,
                {}});
}

/// Rows W: files of the changelog.
void log_files(std::vector<Fault>& to) {
  to.push_back({"W1",
                "last record cut by one byte, not known durable",
                Start::killed,
                cut(1),
                recovered,
                {},
                kVersion - 1});
  to.push_back(
      {"W1", "last record cut by one byte, known durable", Start::closed, cut(1), rebuilt, {}});
  to.push_back({"W3",
                "flip in a sealed segment that replay needs",
                Start::killed,
                [](const std::string& store) {
                  const std::string file = segment_at(store, 1);
                  flip_bit(file, 8 * (stdfs::file_size(file) - 3));
                },
                refused,
                {corruption}});
  to.push_back({"W3",
                "flip in a sealed segment that nothing needs",
                Start::closed,
                [](const std::string& store) {
                  const std::string file = segments(store).front();
                  flip_bit(file, 8 * (stdfs::file_size(file) - 3));
                },
                recovered,
                {}});
  to.push_back({"W3",
                "the same after an unclean close",
                Start::closed,
                [](const std::string& store) {
                  const std::string file = segments(store).front();
                  flip_bit(file, 8 * (stdfs::file_size(file) - 3));
                  remove_clean(store);
                },
                recovered,
                {}});
  for (const std::size_t zeros : {1UL, 100UL, 4096UL, 100'000UL}) {
    to.push_back({"W4",
                  std::to_string(zeros) + " zeros at the end",
                  Start::killed,
                  tail(Bytes(zeros)),
                  recovered,
                  {}});
    to.push_back({"W4",
                  std::to_string(zeros) + " zeros at the end of a closed log",
                  Start::closed,
                  tail(Bytes(zeros)),
                  recovered,
                  {}});
  }
  to.push_back({"W4",
                "half a record and zeros",
                Start::killed,
                [](const std::string& store) {
                  cut(40)(store);
                  tail(Bytes(5000))(store);
                },
                recovered,
                {},
                kVersion - 1});
  to.push_back({"W5", "garbage at the end", Start::killed, tail(Bytes(777, 0xa5)), recovered, {}});
  to.push_back(
      {"W5", "one byte of garbage at the end", Start::killed, tail(bytes({7})), recovered, {}});
  to.push_back(
      {"W5", "an old record again at the end", Start::killed, repeat_last_record, recovered, {}});
  to.push_back({"W5",
                "a record of another store at the end",
                Start::killed,
                append_record_of_other_store,
                recovered,
                {}});
  to.push_back({"W5",
                "garbage at the end of a closed log",
                Start::closed,
                tail(Bytes(777, 0xa5)),
                recovered,
                {}});
  to.push_back({"W6",
                "segment missing in the middle of what replay needs",
                Start::killed,
                [](const std::string& store) { stdfs::remove(segment_at(store, 1)); },
                refused,
                {log_gap, corruption}});
  to.push_back(
      {"W6",
       "two segments with their names exchanged",
       Start::killed,
       [](const std::string& store) { swap_files(segment_at(store, 1), segment_at(store, 2)); },
       refused,
       {log_gap, corruption}});
  to.push_back({"W6",
                "a segment also under another name",
                Start::killed,
                [](const std::string& store) {
                  stdfs::copy_file(segment_at(store, 1),
                                   changelog(store) + "/00000000000000000999.log");
                },
                refused,
                {log_gap, corruption}});
  to.push_back({"W7",
                "changelog missing, databases level",
                Start::closed,
                remove_in_generation("changelog"),
                rebuilt,
                {}});
  to.push_back({"W7",
                "changelog empty, databases level",
                Start::closed,
                [](const std::string& store) {
                  remove_in_generation("changelog")(store);
                  stdfs::create_directory(changelog(store));
                },
                rebuilt,
                {}});
  to.push_back({"W7",
                "changelog missing, databases uneven",
                Start::closed,
                [](const std::string& store) {
                  put_older(store, "code");
                  remove_in_generation("changelog")(store);
                },
                refused,
                {log_behind, log_gap}});
  to.push_back(
      {"W8",
       "log of an older backup, databases as of the kill",
       Start::killed,
       [](const std::string& store) { copy_tree(changelog(older_killed_store), changelog(store)); },
       recovered,
       {},
       kMiddle});
  for (const std::uint32_t length : {0xffffffffU, 1U << 30, (1U << 30) + 1, 1U << 20}) {
    to.push_back({"W9",
                  "record of " + std::to_string(length) + " bytes that are not there",
                  Start::killed,
                  [length](const std::string& store) { append_huge_length(store, length); },
                  recovered,
                  {}});
  }
  to.push_back({"W10",
                "segment of a newer format",
                Start::closed,
                [](const std::string& store) { set_segment_format(store, 2); },
                refused,
                {format_too_new}});
  to.push_back({"W11",
                "log of another store",
                Start::closed,
                [](const std::string& store) {
                  copy_tree(changelog(other_store), changelog(store));
                  remove_clean(store);
                },
                refused,
                {foreign_store}});
  to.push_back({"W11",
                "last segment of another store",
                Start::closed,
                [](const std::string& store) {
                  stdfs::copy_file(segments(other_store).back(), segments(store).back(),
                                   stdfs::copy_options::overwrite_existing);
                  remove_clean(store);
                },
                refused,
                {foreign_store, corruption}});
}

/// Rows S: directories, pointers and manifests.
void directories(std::vector<Fault>& to) {
  for (const char* name : {"working", "changelog", "working/storage"}) {
    to.push_back({"S7",
                  std::string(name) + " is a symbolic link",
                  Start::closed,
                  [name](const std::string& store) {
                    link_instead(live_generation(store) + "/" + name, store + "-moved");
                  },
                  refused,
                  {corruption, permission, io, unsupported}});
  }
  to.push_back(
      {"S7",
       "the generation is a symbolic link",
       Start::closed,
       [](const std::string& store) { link_instead(live_generation(store), store + "-moved"); },
       refused,
       {corruption, permission, io, unsupported}});
  to.push_back({"S7",
                "changelog is a file",
                Start::closed,
                [](const std::string& store) {
                  remove_tree(changelog(store));
                  write_file(changelog(store), bytes({1}));
                  remove_clean(store);
                },
                refused,
                {corruption, io}});
  to.push_back({"S9",
                "MANIFEST.json has a flipped bit",
                Start::closed,
                [](const std::string& store) {
                  flip_bit(live_generation(store) + "/MANIFEST.json", 8 * 20);
                },
                refused,
                {corruption}});
  to.push_back(
      {"S9",
       "MANIFEST.json is gone",
       Start::closed,
       [](const std::string& store) { stdfs::remove(live_generation(store) + "/MANIFEST.json"); },
       refused,
       {corruption, not_found}});
  to.push_back(
      {"S9",
       "MANIFEST.json is empty",
       Start::closed,
       [](const std::string& store) { write_file(live_generation(store) + "/MANIFEST.json", {}); },
       refused,
       {corruption}});
  to.push_back(
      {"S9",
       "CLEAN has a flipped bit",
       Start::closed,
       [](const std::string& store) { flip_bit(live_generation(store) + "/CLEAN", 8 * 15 + 1); },
       recovered,
       {}});
  to.push_back({"S12",
                "CURRENT is gone",
                Start::closed,
                [](const std::string& store) { stdfs::remove(store + "/CURRENT"); },
                recovered,
                {}});
  to.push_back({"S12",
                "CURRENT is empty",
                Start::closed,
                [](const std::string& store) { write_file(store + "/CURRENT", {}); },
                recovered,
                {}});
  to.push_back({"S12",
                "CURRENT is torn",
                Start::closed,
                [](const std::string& store) {
                  resize_file(store + "/CURRENT", stdfs::file_size(store + "/CURRENT") / 2);
                },
                recovered,
                {}});
  to.push_back({"S12",
                "CURRENT is gone and there are two generations",
                Start::closed,
                [](const std::string& store) {
                  copy_tree(live_generation(store), store + "/gen-00000099");
                  stdfs::remove(store + "/CURRENT");
                },
                refused,
                {corruption}});
  to.push_back({"S12",
                "a generation that CURRENT does not name, and one half made",
                Start::closed,
                [](const std::string& store) {
                  const std::string live = live_generation(store);
                  copy_tree(live, store + "/gen-00000099");
                  copy_tree(live, store + "/gen-00000098-rollback-tmp");
                },
                recovered,
                {}});
  for (const char* name : {"account", "code", "storage", "legacy"}) {
    to.push_back({"S14",
                  std::string(name) + " is gone",
                  Start::closed,
                  remove_in_generation(std::string("working/") + name),
                  rebuilt,
                  {}});
    to.push_back({"S14",
                  std::string(name) + ": RocksDB's CURRENT is gone",
                  Start::closed,
                  remove_in_generation(std::string("working/") + name + "/CURRENT"),
                  rebuilt,
                  {}});
    to.push_back({"S14",
                  std::string(name) + ": RocksDB's MANIFEST lost its tail",
                  Start::closed,
                  [name](const std::string& store) {
                    const std::string manifest = largest_manifest(working(store, name));
                    resize_file(manifest, stdfs::file_size(manifest) - 100);
                    remove_clean(store);
                  },
                  recovered,
                  {}});
  }
  to.push_back({"S9",
                "SNAPSHOT of the newest is gone, working copy too",
                Start::closed,
                [](const std::string& store) {
                  stdfs::remove(snapshots(store).back() + "/SNAPSHOT");
                  remove_in_generation("working")(store);
                },
                rebuilt,
                {}});
  to.push_back({"S6",
                "no snapshot and no working copy",
                Start::closed,
                [](const std::string& store) {
                  for (const std::string& snapshot : snapshots(store)) remove_tree(snapshot);
                  remove_in_generation("working")(store);
                },
                refused,
                {corruption, log_gap, not_found}});
}

}  // namespace

const std::vector<Fault>& fault_table() {
  static const std::vector<Fault> kAll = [] {
    std::vector<Fault> all;
    databases(all);
    log_files(all);
    directories(all);
    return all;
  }();
  return kAll;
}

void set_other_store(const std::string& path) { other_store = path; }
void set_older_stores(const std::string& of_closed, const std::string& of_killed) {
  older_store = of_closed;
  older_killed_store = of_killed;
}

}  // namespace flatkv::test
