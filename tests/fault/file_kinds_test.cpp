// SPDX-License-Identifier: Apache-2.0
// Damages every kind of file in a store in every way: cut at every byte (large files: at a sample),
// random bits flipped, 512 bytes zeroed, deleted, replaced by an older copy. A table of cases says
// which outcomes are allowed. Never a wrong state, never an empty store, and a refusal changes
// nothing. FLATKV_FAULT_FULL=1: the long form; FLATKV_PART=I/M: of its cases every Mth.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iostream>

#include "base/error.hpp"
#include "fault/fault_fixture.hpp"
#include "support/fault_counts.hpp"

namespace flatkv::test {
namespace {

/// R, X and D as in the fault matrix; `f`: it opens, and both verify and reads of the damaged part
/// report it (X at first touch).
struct Kind {
  const char* row;
  const char* what;
  Start start;
  /// The file's path in a store.
  std::function<std::string(const std::string& store)> file;
  const char* cut;
  const char* flipped;
  const char* zeroed;
  const char* gone;
  const char* older;             ///< empty: it never changes
  bool without_working = false;  ///< the working copy is gone too: this file must serve
  bool in_replay = false;        ///< found by the replay, as in the fault table
};

using Pick = std::function<std::string(const std::string&)>;

/// The largest file in a directory whose name begins and ends like this.
std::string largest(const std::string& directory, std::string_view begin, std::string_view end) {
  std::string found;
  std::uint64_t size = 0;
  for (const std::string& name : names(directory, begin, end)) {
    const std::uint64_t its = stdfs::file_size(directory + "/" + name);
    if (found.empty() || its > size) {
      found = directory + "/" + name;
      size = its;
    }
  }
  return found;
}

Pick in_store(std::string name) {
  return [name](const std::string& store) { return store + "/" + name; };
}
Pick in_generation(std::string name) {
  return [name](const std::string& store) { return live_generation(store) + "/" + name; };
}
Pick in_working(std::string database, std::string begin, std::string end = "") {
  return [=](const std::string& store) { return largest(working(store, database), begin, end); };
}
Pick in_snapshot(std::string inside, std::string begin, std::string end = "") {
  return [=](const std::string& store) {
    return largest(snapshots(store).back() + inside, begin, end);
  };
}
Pick last_segment() {
  return [](const std::string& store) { return segments(store).back(); };
}
Pick sealed_segment() {
  return [](const std::string& store) { return segments(store).at(segments(store).size() - 2); };
}

const std::vector<Kind>& kinds() {
  using enum Start;
  static const std::vector<Kind> kAll = {
      // row, what, start, file, cut, flipped, zeroed, gone, older
      {"S9", "MANIFEST.json", closed, in_generation("MANIFEST.json"), "X", "X", "X", "X", ""},
      {"S12", "CURRENT", closed, in_store("CURRENT"), "R", "R", "R", "R", ""},
      {"S9", "CLEAN", closed, in_generation("CLEAN"), "R", "R", "R", "R", "R"},
      {"S6", "SNAPSHOT", closed, in_snapshot("", "SNAPSHOT"), "R", "R", "R", "R", "R"},
      {"S6", "SNAPSHOT that has to serve", closed, in_snapshot("", "SNAPSHOT"), "D", "D", "D", "D",
       "D", true},
      // Known durable: the databases have what the log loses; all are level and are kept.
      {"W1", "last segment, closed", closed, last_segment(), "RDX", "RDX", "RDX", "DX", "DX"},
      {"W2", "last segment, killed", killed, last_segment(), "RX", "RX", "RX", "R", "RX"},
      {"W3", "sealed segment, closed", closed, sealed_segment(), "R", "R", "R", "R", "R"},
      {"W3", "sealed segment, killed", killed, sealed_segment(), "X", "X", "X", "X", "X", false,
       true},
      {"S14", "table of storage", closed, in_working("storage", "", ".sst"), "D", "DRf", "DRf", "D",
       "RD"},
      {"S14", "table of account", closed, in_working("account", "", ".sst"), "D", "DRf", "DRf", "D",
       "RD"},
      {"C16", "table of metadata", closed, in_working("metadata", "", ".sst"), "D", "DRX", "DRX",
       "D", "RD"},
      {"S14", "RocksDB's MANIFEST", closed, in_working("storage", "MANIFEST-"), "RD", "RD", "RD",
       "D", "RD"},
      {"S14", "RocksDB's CURRENT", closed, in_working("storage", "CURRENT"), "D", "RD", "D", "D",
       ""},
      {"S14", "RocksDB's OPTIONS", closed, in_working("storage", "OPTIONS-"), "RD", "RD", "RD",
       "RD", ""},
      {"S14", "RocksDB's IDENTITY", closed, in_working("storage", "IDENTITY"), "RD", "RD", "RD",
       "RD", ""},
      {"C16", "MANIFEST of metadata", closed, in_working("metadata", "MANIFEST-"), "RD", "RD", "RD",
       "D", "RD"},
      {"S9", "table of a snapshot", closed, in_snapshot("/storage", "", ".sst"), "DX", "DRXf",
       "DRXf", "DX", "DX", true},
      {"S9", "MANIFEST of a snapshot", closed, in_snapshot("/storage", "MANIFEST-"), "DX", "DX",
       "DX", "DX", "DX", true},
      {"S9", "CURRENT of a snapshot", closed, in_snapshot("/storage", "CURRENT"), "DX", "DX", "DX",
       "DX", "", true},
      {"S9", "OPTIONS of a snapshot", closed, in_snapshot("/storage", "OPTIONS-"), "DX", "DX", "DX",
       "DX", "", true},
      {"S9", "metadata of a snapshot", closed, in_snapshot("/metadata", "", ".sst"), "DX", "DXf",
       "DXf", "DX", "DX", true},
  };
  return kAll;
}

class FileKinds : public ::testing::Test {
 protected:
  void put(const Kind& kind) {
    copy_tree(kind.start == Start::closed ? prepared().closed : prepared().killed, store_);
    path_ = kind.file(store_);
    if (kind.without_working) remove_tree(live_generation(store_) + "/working");
  }

  /// What was durable: all of a closed store, and of a killed one what was flushed.
  static std::int64_t lowest(const Kind& kind) {
    return kind.start == Start::closed ? kVersion : kMiddle;
  }

  /// One letter; '?' and a message for what must never happen.
  char outcome(const Kind& kind) {
    const auto before = tree_state(store_);
    auto opened = CommitStore::open(store_, fault_options());
    if (!opened) {
      std::string difference = tree_difference(before, tree_state(store_));
      if (kind.in_replay) difference = beyond_replay(difference);
      if (difference.empty() && !opened.error().message.empty()) return 'X';
      ADD_FAILURE() << opened.error().to_string() << "\nand it changed:\n" << difference;
      return '?';
    }
    const std::int64_t version = opened->version();
    if (version < lowest(kind) || version > kVersion) {
      ADD_FAILURE() << "it opened at version " << version;
      return '?';
    }
    const State& state = prepared().states.at(static_cast<std::size_t>(version));
    if (!same_roots(opened->committed_roots(), state.roots())) {
      ADD_FAILURE() << "a wrong root at version " << version;
      return '?';
    }
    if (const auto same = store_is(*opened, state); !same) return found_by_readers(*opened, state);
    const OpenReport& report = opened->open_report();
    return report.rebuilt_working_copy || report.rebuilt_metadata || report.lost_log_tail ? 'D'
                                                                                          : 'R';
  }

  /// A database is damaged: every read must be right or an error, and verify must fail.
  char found_by_readers(CommitStore& store, const State& state) {
    const auto verdict = store.verify();
    if (verdict && verdict->good()) {
      ADD_FAILURE() << "verify finds nothing";
      return '?';
    }
    for (const Database database : kDataDatabases) {
      const auto rows = all_rows(store, database);
      if (rows && *rows != state.rows[database]) {
        ADD_FAILURE() << "wrong rows without an error in " << to_string(database);
        return '?';
      }
    }
    return 'f';
  }

  void expect(const Kind& kind, const std::string& damage, std::string_view allowed) {
    SCOPED_TRACE(std::string(kind.what) + ", " + damage);
    const char came = outcome(kind);
    EXPECT_NE(allowed.find(came), std::string_view::npos) << "it came to " << came;
    ++counts_[{kind.what, damage.substr(0, damage.find(' '))}][came];
    if (HasFailure()) return;
    count_fault(kind.row, came == 'R'   ? Came::recovered
                          : came == 'D' ? Came::rebuilt
                                        : Came::refused);
  }

  TempDir directory_;
  std::string store_ = directory_.path("store");
  std::string path_;
  std::map<std::pair<std::string, std::string>, std::map<char, unsigned>> counts_;
};

TEST_F(FileKinds, DamageOfEveryKind) {
  const bool full = environment("FLATKV_FAULT_FULL", 0) != 0;
  const std::uint64_t seed = environment("FLATKV_SEED", 3);
  Random random(seed);
  std::cout << "FLATKV_SEED=" << seed << "\n";
  const Part part = part_of_cases();
  std::uint64_t cases = 0;
  for (const Kind& kind : kinds()) {
    put(kind);
    ASSERT_TRUE(stdfs::is_regular_file(path_)) << kind.what << ": " << path_;
    const Bytes good = read_file(path_);
    ASSERT_GT(good.size(), 1U) << kind.what;
    const auto after = [&](const std::string& damage, const char* allowed, const auto& inflict) {
      if (!part.has(cases++)) return;
      put(kind);
      inflict();
      expect(kind, damage, allowed);
    };

    // The long form cuts files up to 4 KiB at every byte.
    const std::uint64_t cuts = full ? 4096 : 4;
    const std::uint64_t step = (good.size() + cuts - 1) / cuts;
    for (std::uint64_t length = 0; length < good.size(); length += step) {
      after("cut to " + std::to_string(length), kind.cut, [&] { resize_file(path_, length); });
    }
    after("cut by one", kind.cut, [&] { resize_file(path_, good.size() - 1); });

    for (unsigned i = 0; i < (full ? 200U : 5U); ++i) {
      const std::uint64_t bit = below(random, 8 * good.size());
      after("flipped bit " + std::to_string(bit), kind.flipped, [&] { flip_bit(path_, bit); });
    }
    for (unsigned i = 0; i < (full ? 20U : 1U); ++i) {
      const std::uint64_t from = below(random, good.size()) / 512 * 512;
      Bytes zeroed = good;
      std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(from),
                  std::min<std::size_t>(512, good.size() - from), std::uint8_t{0});
      if (zeroed == good) continue;
      after("zeroed at " + std::to_string(from), kind.zeroed, [&] { write_file(path_, zeroed); });
    }
    after("gone", kind.gone, [&] { stdfs::remove(path_); });

    if (*kind.older != '\0') {
      const std::string past =
          kind.file(kind.start == Start::closed ? prepared().older : prepared().older_killed);
      if (!stdfs::is_regular_file(past)) continue;
      after("older", kind.older,
            [&] { stdfs::copy_file(past, path_, stdfs::copy_options::overwrite_existing); });
    }
  }
  for (const auto& [what, came] : counts_) {
    std::cout << "  " << what.first << ", " << what.second << ":";
    for (const auto& [letter, count] : came) std::cout << " " << letter << " " << count;
    std::cout << "\n";
  }
}

}  // namespace
}  // namespace flatkv::test
