#include "fault/fault_table.hpp"

#include <unistd.h>

#include "fault/damage.hpp"
#include "support/changes.hpp"
#include "support/files.hpp"
#include "support/tamper.hpp"

namespace flatkv::test {
namespace {

using namespace damage;
using enum Outcome;
using enum ErrorCode;

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

/// S14: databases of another store, whole and right in themselves.
void strangers(std::vector<Fault>& to) {
  const std::pair<const char*, const std::string& (*)()> kStores[] = {
      {"of the same blocks", other_store},
      {"at the same version", stranger},
      {"at a later version", longer_stranger},
  };
  for (const auto& [what, stranger_store] : kStores) {
    const std::string name = std::string("working copy of another store ") + what;
    for (const Start start : {Start::closed, Start::killed}) {
      to.push_back(
          {"S14",
           name + (start == Start::closed ? "" : ", after a kill"),
           start,
           [from = stranger_store](const std::string& store) { put_strangers_copy(store, from()); },
           rebuilt,
           {}});
    }
    to.push_back({"S14",
                  name + ", without CLEAN",
                  Start::closed,
                  [from = stranger_store](const std::string& store) {
                    put_strangers_copy(store, from());
                    remove_clean(store);
                  },
                  rebuilt,
                  {}});
  }
  to.push_back({"S14",
                "working copy of another store at a later version, the last record torn",
                Start::killed,
                [](const std::string& store) {
                  put_strangers_copy(store, longer_stranger());
                  const std::string last = segments(store).back();
                  flip_bit(last, 8 * (stdfs::file_size(last) - 1));
                },
                rebuilt,
                {},
                kVersion - 1});
  to.push_back(
      {"S14",
       "metadata database of another store",
       Start::closed,
       [](const std::string& store) { put_strangers(store, longer_stranger(), "metadata"); },
       rebuilt,
       {}});
  // What the stranger did not bring with it still tells what was durable.
  to.push_back({"S14",
                "metadata database of another store, and an older log",
                Start::closed,
                [](const std::string& store) {
                  put_strangers(store, longer_stranger(), "metadata");
                  put_older_log(store);
                },
                refused,
                {log_behind}});
  to.push_back({"S14",
                "metadata database of another store, no snapshot",
                Start::closed,
                [](const std::string& store) {
                  put_strangers(store, longer_stranger(), "metadata");
                  for (const std::string& snapshot : snapshots(store)) remove_tree(snapshot);
                },
                refused,
                {corruption}});
  to.push_back({"C16",
                "no _meta/store, as in stores made before it was",
                Start::closed,
                drop_meta({"_meta/store"}),
                recovered,
                {}});
  to.push_back({"C16",
                "_meta/store of another length",
                Start::closed,
                [](const std::string& store) {
                  tamper(working(store, "metadata"), {{meta_key("_meta/store"), bytes({1, 2})}});
                  remove_clean(store);
                },
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
  // A new log at the databases' version would give up the blocks above it.
  to.push_back({"W2",
                "flip in a record that no database needs, blocks that they lack above it",
                Start::killed,
                [](const std::string& store) {
                  std::string holds;
                  for (const std::string& segment : segments(store)) {
                    if (std::stoll(stdfs::path(segment).stem()) <= kMiddle) holds = segment;
                  }
                  constexpr std::uintmax_t kInItsFirstRecord = 104 + 200;
                  flip_bit(holds, 8 * kInItsFirstRecord);
                },
                refused,
                {corruption}});
  // A live store always has a segment: only CLEAN tells that nothing was lost with the log.
  for (const Start start : {Start::closed, Start::killed}) {
    const std::string after = start == Start::closed ? "" : " after a kill";
    to.push_back({"W7",
                  "changelog missing" + after,
                  start,
                  remove_in_generation("changelog"),
                  refused,
                  {log_behind}});
    to.push_back({"W7", "changelog empty" + after, start, empty_changelog, refused, {log_behind}});
  }
  to.push_back({"W7",
                "changelog missing, databases level, with CLEAN",
                Start::closed,
                [](const std::string& store) { remove_tree(changelog(store)); },
                rebuilt,
                {}});
  to.push_back({"W7",
                "changelog empty, databases level, with CLEAN",
                Start::closed,
                [](const std::string& store) {
                  for (const std::string& segment : segments(store)) stdfs::remove(segment);
                },
                rebuilt,
                {}});
  to.push_back({"W7",
                "changelog and metadata database missing, with CLEAN",
                Start::closed,
                [](const std::string& store) {
                  remove_tree(changelog(store));
                  remove_tree(working(store, "metadata"));
                },
                rebuilt,
                {}});
  to.push_back({"W7",
                "changelog missing, with a CLEAN of another version",
                Start::closed,
                [](const std::string& store) {
                  remove_tree(changelog(store));
                  set_clean_version(store, kMiddle);
                },
                refused,
                {log_behind}});
  to.push_back({"W7",
                "changelog missing, databases uneven",
                Start::closed,
                [](const std::string& store) {
                  put_older(store, "code");
                  remove_in_generation("changelog")(store);
                },
                refused,
                {log_behind, log_gap}});
  to.push_back({"W8",
                "log of an older backup, databases as of the kill",
                Start::killed,
                [](const std::string& store) {
                  copy_tree(changelog(older_killed_store()), changelog(store));
                },
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
                  copy_tree(changelog(other_store()), changelog(store));
                  remove_clean(store);
                },
                refused,
                {foreign_store}});
  to.push_back({"W11",
                "last segment of another store",
                Start::closed,
                [](const std::string& store) {
                  stdfs::copy_file(segments(other_store()).back(), segments(store).back(),
                                   stdfs::copy_options::overwrite_existing);
                  remove_clean(store);
                },
                refused,
                {foreign_store, corruption}});
}

/// R3: records that are whole and right in every digest, and hold no block that can be.
void forged_records(std::vector<Fault>& to) {
  const std::pair<const char*, Bytes> kPayloads[] = {
      {"garbage", Bytes(300, 0xff)},
      {"nothing at all", {}},
      {"a change set longer than the record", bytes({8, kVersion + 1, 18, 127, 1})},
      {"another version", bytes({8, 5})},
      {"a key of no length",
       bytes({8, kVersion + 1, 18, 11, 10, 4, 10, 2, 18, 0, 18, 3, 'e', 'v', 'm'})},
      {"rows that give another root", bytes({8, kVersion + 1, 18, 15, 10, 8, 10, 6, 18, 1, 'k', 26,
                                             1, 'v', 18, 3, 'e', 'v', 'm'})},
  };
  for (const auto& [what, payload] : kPayloads) {
    to.push_back({"R3",
                  std::string("a record with ") + what,
                  Start::killed,
                  forged_record(payload),
                  refused,
                  {corruption},
                  kVersion,
                  true});
  }
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
  for (const char* name : {"working", "changelog", "working/storage", "working/storage/CURRENT"}) {
    for (const bool device : {false, true}) {
      if (device && ::geteuid() != 0) continue;
      to.push_back({"S7",
                    std::string(name) + (device ? " is a device" : " is a pipe"),
                    Start::closed,
                    special_instead(name, device),
                    refused,
                    {corruption, io, permission}});
    }
  }
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
                "SNAPSHOT of the newest has a flipped bit, working copy gone",
                Start::closed,
                [](const std::string& store) {
                  flip_bit(snapshots(store).back() + "/SNAPSHOT", 8 * 30);
                  remove_in_generation("working")(store);
                },
                rebuilt,
                {}});
  for (const bool copy_gone : {false, true}) {
    to.push_back({"S6",
                  std::string("a snapshot of another store above the log") +
                      (copy_gone ? ", working copy gone" : ""),
                  Start::killed,
                  [copy_gone](const std::string& store) {
                    const std::string theirs = snapshots(longer_stranger()).back();
                    copy_tree(theirs, live_generation(store) + "/" +
                                          stdfs::path(theirs).filename().string());
                    if (copy_gone) remove_in_generation("working")(store);
                  },
                  copy_gone ? rebuilt : recovered,
                  {}});
  }
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
    strangers(all);
    log_files(all);
    forged_records(all);
    directories(all);
    return all;
  }();
  return kAll;
}

}  // namespace flatkv::test
