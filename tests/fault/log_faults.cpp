// SPDX-License-Identifier: Apache-2.0
#include "fault/damage.hpp"
#include "fault/fault_table.hpp"
#include "support/changes.hpp"
#include "support/files.hpp"
#include "support/tamper.hpp"

// Rows of the table for the files of the changelog.
namespace flatkv::test {

namespace {

using namespace damage;
using enum Outcome;
using enum ErrorCode;

/// R3: whole records with valid digests that hold no valid block.
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

}  // namespace

void add_log_faults(std::vector<Fault>& to) {
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
  // A new log at the databases' version would lose the blocks above it.
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
  // A live store always has a segment: only CLEAN proves that nothing was lost with the log.
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
  forged_records(to);
}

}  // namespace flatkv::test
