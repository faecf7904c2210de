// SPDX-License-Identifier: Apache-2.0
#include "recovery/replay.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "base/worker.hpp"
#include "layout/generation.hpp"

namespace flatkv::recovery {
namespace {

/// What a window holds at most, but for its last block.
struct Limits {
  std::size_t blocks = 256;
  std::size_t writes = std::size_t{32} << 10;
  std::uint64_t bytes = std::uint64_t{8} << 20;
};

/// Tests can set how many blocks a window holds.
Limits limits() {
  Limits most;
#ifdef FLATKV_FAILPOINTS
  if (const char* text = std::getenv("FLATKV_TEST_REPLAY_WINDOW"); text != nullptr) {
    most.blocks = std::stoul(text);
    most.writes = std::numeric_limits<std::size_t>::max();
  }
#endif
  return most;
}

/// Blocks of the log, and what comes after them.
struct Window {
  std::unique_ptr<block::ReplayWindow> blocks;
  std::vector<changelog::RecordHeader> headers;
  std::optional<Error> end;  ///< why no block comes
};

/// Two windows take turns: one is staged on a thread of its own (read from the log, decoded, its
/// old values looked up) while the calling thread publishes the blocks of the other.
class Replay {
 public:
  Replay(commit::Core& core, changelog::Reader& reader, const std::string& directory,
         std::int64_t until, const ReplayOptions& options)
      : core_(core),
        reader_(reader),
        directory_(directory),
        first_(core.state()->version),
        until_(until),
        options_(options),
        limits_(limits()),
        read_(first_) {
    for (const Database database : kDataDatabases) {
      versions_[database] = core.state()->of(database).version;
    }
    for (Window& window : windows_) window.blocks = core.new_replay_window();
  }

  Result<std::int64_t> run();

 private:
  void start();
  void stage_all(const std::stop_token& stop) noexcept;
  void stage(std::size_t number) noexcept;
  Status fill(Window& window, const block::ReplayWindow* below);
  Status read(Window& window);
  Status publish(Window& window);

  Window& window(std::size_t number) { return windows_[number % windows_.size()]; }

  commit::Core& core_;
  changelog::Reader& reader_;
  const std::string& directory_;
  const std::int64_t first_;
  const std::int64_t until_;
  const ReplayOptions& options_;
  const Limits limits_;
  PerDataDatabase<std::int64_t> versions_;  ///< of each database before the replay
  std::int64_t read_;                       ///< the last version read; of whoever stages
  std::array<Window, 2> windows_;

  std::mutex mutex_;  ///< guards the two numbers
  std::condition_variable_any changed_;
  std::size_t staged_ = 0;     ///< windows
  std::size_t published_ = 0;  ///< windows
  Worker worker_;              ///< last: it uses all other members
};

Result<std::int64_t> Replay::run() {
  if (first_ < until_) start();
  for (std::size_t number = 0; core_.state()->version < until_; ++number) {
    if (worker_.started()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, options_.stop, [&] { return staged_ > number; });
    } else {
      stage(number);
    }
    if (options_.stop.stop_requested()) {
      return fail(ErrorCode::cancelled, "stopped before a block was replayed")
          .path(directory_)
          .version(core_.state()->version + 1);
    }
    FLATKV_TRY(publish(window(number)));
    const std::lock_guard lock(mutex_);
    ++published_;
    changed_.notify_all();
  }
  return core_.state()->version - first_;
}

void Replay::start() {
  try {
    worker_.start("flatkv-replay", [this](const std::stop_token& stop) { stage_all(stop); });
  } catch (const std::system_error&) {
    return;  // no thread to have: each window is staged when its turn comes
  }
}

void Replay::stage_all(const std::stop_token& stop) noexcept {
  for (std::size_t number = 0; read_ < until_; ++number) {
    {
      std::unique_lock lock(mutex_);
      // Beside a window with a huge block none is staged.
      const bool alone = number > 0 && window(number - 1).blocks->bytes() > 2 * limits_.bytes;
      const std::size_t most = alone ? 1 : windows_.size();
      if (!changed_.wait(lock, stop, [&] { return number < published_ + most; })) return;
    }
    stage(number);
    const std::lock_guard lock(mutex_);
    ++staged_;
    changed_.notify_all();
    if (window(number).end) return;
  }
}

void Replay::stage(std::size_t number) noexcept {
  Window& next = window(number);
  next.blocks->clear();
  next.headers.clear();
  next.end.reset();
  const auto* below = number == 0 ? nullptr : window(number - 1).blocks.get();
  Status filled = guarded([&] { return fill(next, below); }, [&] { next.blocks->clear(); });
  if (!filled) next.end = std::move(filled).error();
}

Status Replay::fill(Window& window, const block::ReplayWindow* below) {
  Status done = read(window);
  // An error there is of an earlier block.
  FLATKV_TRY(window.blocks->prepare(*core_.state(), below));
  return done;
}

Status Replay::read(Window& window) {
  block::ReplayWindow& blocks = *window.blocks;
  while (read_ < until_ && blocks.size() < limits_.blocks && blocks.writes() < limits_.writes &&
         blocks.bytes() < limits_.bytes && !worker_.stopping()) {
    FLATKV_ASSIGN(auto record, reader_.next());
    if (!record) {
      return fail(ErrorCode::log_gap, "the changelog ends before the version that replay needs")
          .path(directory_)
          .version(read_ + 1);
    }
    read_ = record->header.version;
    PerDataDatabase<bool> take;
    for (const Database database : kDataDatabases) take[database] = versions_[database] < read_;
    FLATKV_TRY(blocks.add(read_, std::move(record->payload), take));
    window.headers.push_back(record->header);
  }
  return {};
}

Status Replay::publish(Window& window) {
  constexpr std::int64_t kBetweenReports = 16;
  block::ReplayWindow& blocks = *window.blocks;
  blocks.finish();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (options_.stop.stop_requested()) return {};
    FLATKV_TRY(core_.replay_block(window.headers[i], blocks[i]));
    FLATKV_FAILPOINT("open.block_replayed");
    const std::int64_t done = core_.state()->version - first_;
    if (options_.progress && (done % kBetweenReports == 0 || first_ + done == until_)) {
      options_.progress(static_cast<std::uint64_t>(done),
                        static_cast<std::uint64_t>(until_ - first_));
    }
  }
  if (window.end) return std::unexpected(*std::move(window.end));
  return {};
}

}  // namespace

Options replay_options(Options options) {
  options.snapshot.interval = 0;
  options.recent_versions = 0;
  options.rollback_depth = 0;
  options.flush.level0_limit = std::numeric_limits<std::uint32_t>::max();
  options.flush.pending_compaction_limit_bytes = std::numeric_limits<std::uint64_t>::max();
  return options;
}

Result<std::int64_t> replay_records(commit::Core& core, changelog::Reader& reader,
                                    const std::string& directory, std::int64_t until,
                                    const ReplayOptions& options) {
  return Replay(core, reader, directory, until, options).run();
}

Result<std::int64_t> replay_log(const state::Environment& environment, commit::Core& core,
                                const std::string& generation, const changelog::LogWalk& survey,
                                std::int64_t until, const ReplayOptions& options) {
  const std::int64_t from = core.state()->version;
  if (from >= until) return 0;
  if (options.progress) options.progress(0, static_cast<std::uint64_t>(until - from));
  FLATKV_ASSIGN(auto reader,
                changelog::Reader::open(*environment.files, layout::changelog_path(generation),
                                        survey, core.setup().manifest.store, from + 1, true));
  return replay_records(core, reader, layout::changelog_path(generation), until, options);
}

}  // namespace flatkv::recovery
