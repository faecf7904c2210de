// SPDX-License-Identifier: Apache-2.0
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
                  // An account database of the empty state: only the snapshot in the middle can
                  // help.
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
  // The parts that are not the stranger's still show what was durable.
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
    add_log_faults(all);
    directories(all);
    return all;
  }();
  return kAll;
}

}  // namespace flatkv::test
