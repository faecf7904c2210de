// SPDX-License-Identifier: Apache-2.0
// Writes, damages and walks a log as the input says. Whatever was done to it: the walk changes
// nothing; what it calls valid can be read; after a reseal the log is complete and ends where the
// walk said; and it goes on from there.
#include <algorithm>

#include "blake3/blake3.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/memory_files.hpp"
#include "changelog/reader.hpp"
#include "changelog/writer.hpp"
#include "input.hpp"

namespace {

using namespace flatkv;
using namespace flatkv::changelog;
using fuzz::check;
using fuzz::Input;

constexpr StoreId kStore = {1, 2, 3};
constexpr std::uint64_t kSegmentBytes = 1500;

Result<Digest> append_block(Writer& writer, ByteView payload) {
  const std::int64_t version = writer.tip().version + 1;
  return writer.append(version, {&payload, 1}, blake3::hash(payload), Roots{});
}

class Log {
 public:
  Log() { check(create_log(files, "log", kStore, {0, {}}).has_value()); }

  std::optional<LogWalk> look(std::int64_t from = 0) {
    auto found = walk_segments(files, "log", {kStore, from, true});
    return found ? std::move(*found) : std::nullopt;
  }

  std::unique_ptr<Writer> writer() {
    const auto found = look();
    if (!found || found->damage) return nullptr;
    auto writer = Writer::open(files, "log", found->tip, {kStore, kSegmentBytes});
    check(writer.has_value());
    return std::move(*writer);
  }

  /// The path of a segment; empty if there is none.
  std::string segment(std::size_t which) {
    std::vector<std::string> paths;
    for (const auto& [path, content] : files.everything()) {
      if (path.ends_with(".log")) paths.push_back(path);
    }
    return paths.empty() ? std::string() : paths[which % paths.size()];
  }

  test::MemoryFiles files;
};

void write_blocks(Log& log, Input& input) {
  const auto writer = log.writer();
  if (!writer) return;
  for (unsigned blocks = input.byte() % 5U; blocks > 0; --blocks) {
    check(append_block(*writer, input.take(input.byte() * 4U)).has_value());
    if (input.byte() % 2 == 0) check(writer->sync().has_value());
  }
}

void damage(Log& log, Input& input) {
  const unsigned how = input.byte() % 8U;
  const std::string path = log.segment(input.byte());
  if (path.empty()) return;
  Bytes& bytes = log.files.content(path);
  const std::size_t at = bytes.empty() ? 0 : input.number() % bytes.size();
  const auto position = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (how) {
    case 0:
      if (!bytes.empty()) bytes[at] ^= static_cast<std::uint8_t>(1U << (input.byte() % 8U));
      break;
    case 1:
      bytes.resize(at);
      break;
    case 2:
      bytes.resize(bytes.size() + input.byte());
      break;
    case 3:
      append(bytes, input.take(input.byte()));
      break;
    case 4:
      append(bytes, Bytes(position, bytes.end()));  // stale bytes, maybe whole records
      break;
    case 5:
      bytes.erase(position, position + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                           input.number(), bytes.size() - at)));
      break;
    case 6:
      std::fill(position, bytes.end(), std::uint8_t{0});
      break;
    default:
      log.files.erase(path);
  }
}

/// Checks everything that must hold for a log in any state.
void examine(Log& log, std::int64_t from) {
  const auto before = log.files.everything();
  const auto found = log.look(from);
  check(log.files.everything() == before);
  if (!found) return;
  check(!found->segments.empty() && found->segments.front().header.base == found->base);
  check(found->tip.version >= found->base.version);
  check(found->tip.segment == found->segments.back().name);
  check(found->tip.end_offset <= found->segments.back().file_bytes);
  check(!found->damage || found->damage->version == found->tip.version + 1);

  auto reader = Reader::open(log.files, "log", *found, kStore, found->base.version + 1, false);
  check(reader.has_value());
  for (std::int64_t version = found->base.version + 1; version <= found->tip.version; ++version) {
    const auto record = reader->next();
    check(record && *record && (*record)->header.version == version);
  }
  const auto end = reader->next();
  check(end && !*end);
}

void reseal_and_go_on(Log& log) {
  const auto found = log.look();
  if (!found) return;
  check(reseal(log.files, "log", found->tip).has_value());
  log.files.power_cut();
  const auto again = log.look();
  check(again && !again->damage);
  check(again->tip.version == found->tip.version && again->tip.digest == found->tip.digest);
  const auto writer = log.writer();
  check(writer && append_block(*writer, {}).has_value());
  check(log.look()->tip.version == found->tip.version + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(ByteView(data, size));
  Log log;
  for (int steps = 0; steps < 20 && !input.empty(); ++steps) {
    switch (input.byte() % 4U) {
      case 0:
        write_blocks(log, input);
        break;
      case 1:
        damage(log, input);
        break;
      case 2:
        examine(log, input.byte());
        break;
      default:
        if (log.look()) static_cast<void>(prune(log.files, "log", input.byte()));
    }
  }
  log.files.settle();
  examine(log, 0);
  reseal_and_go_on(log);
  return 0;
}
