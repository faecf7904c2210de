// SPDX-License-Identifier: Apache-2.0
// A store as a node has it, for scripts/day: blocks at a steady pace, some of them undone, with
// snapshots, a pruned log, a scrub and readers, until SIGTERM. Whatever it prints is a JSON object
// a line. PAGE says between which versions it may be found after a kill.
//
//   day_leader STORE PAGE MAINNET ACCOUNTS SEED
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <deque>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "base/bytes.hpp"
#include "base/stopwatch.hpp"
#include "flatkv/store.hpp"
#include "read_ahead.hpp"
#include "signals.hpp"
#include "workloads/erc20.hpp"
#include "workloads/series.hpp"

namespace flatkv::day {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr std::uint32_t kDepth = 16;         ///< of undos
constexpr std::int64_t kEveryUndo = 150;     ///< blocks
constexpr std::int64_t kEveryMainnet = 40;   ///< one block of the recorded ones
constexpr std::int64_t kEveryRoot = 1000;    ///< blocks whose root is printed
constexpr std::uint64_t kTransactions = 60;  ///< a block
constexpr auto kPace = std::chrono::milliseconds(50);
constexpr auto kWindow = std::chrono::seconds(5);
constexpr int kReaders = 3;

Options node_options() {
  Options options;
  options.create_if_missing = true;
  options.durability = Durability::process;
  options.flush.write_buffer_bytes = 16ULL << 20;
  options.cache = {.row_cache_bytes = 32ULL << 20,
                   .key_filter_bytes = 16ULL << 20,
                   .block_cache_bytes = 32ULL << 20};
  options.snapshot = {.interval = 2000, .keep = 2};
  options.scrub = {.mode = Scrub::in_background, .rows_per_second = 20'000, .pause_seconds = 5};
  options.segment_bytes = 8ULL << 20;
  options.log_keep_bytes = 512ULL << 20;  // what the second store is behind, and more
  options.recent_versions = 32;
  options.rollback_depth = kDepth;
  options.threads = 2;
  options.log = [](LogLevel level, std::string_view message) {
    if (level == LogLevel::info) return;
    fmt::print("{}\n", Json{{"log", message}}.dump());
    std::fflush(stdout);
  };
  return options;
}

/// Where a kill may leave the store.
struct Page {
  std::atomic<std::int64_t> lowest;
  std::atomic<std::int64_t> highest;
};
Page& page_at(const char* path) {
  const int file = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Page)) != 0) {
    std::perror(path);
    std::exit(1);
  }
  void* map = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return *static_cast<Page*>(map);
}

/// A failure ends the process: nothing may fail here.
template <class T>
T must(Result<T> result, const char* doing) {
  if (!result) {
    std::cerr << doing << ": " << result.error().to_string() << "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Each line of the file as a block.
std::vector<cli::ChangeLine> recorded(const char* path, const cli::Interrupts& interrupts) {
  std::vector<cli::ChangeLine> blocks;
  auto input = cli::ChangeInput::open(path, cli::Format::jsonl, interrupts);
  while (input) {
    auto line = (*input)->next();
    if (line && *line) {
      blocks.push_back(*std::move(*line));
      continue;
    }
    if (line) return blocks;
    break;
  }
  std::cerr << path << ": no recorded blocks\n";
  std::exit(1);
}

class Leader {
 public:
  Leader(CommitStore& store, Page& page, bench::Shape shape, std::vector<cli::ChangeLine> recorded)
      : store_(store),
        page_(page),
        shape_(shape),
        workload_(bench::make_erc20(shape)),
        recorded_(std::move(recorded)),
        random_(shape.stream) {}

  void run(const cli::Interrupts& interrupts) {
    load();
    std::vector<std::jthread> readers;
    for (int i = 0; i < kReaders; ++i) {
      readers.emplace_back([this, i](const std::stop_token& stop) { read(i, stop); });
    }
    auto due = Clock::now();
    auto window = due + kWindow;
    while (!interrupts.requested()) {
      block();
      if (++blocks_ % kEveryUndo == 0) undo();
      const auto now = Clock::now();
      if (now >= window) {
        report();
        window = now + kWindow;
      }
      due = std::max(due + kPace, now - std::chrono::seconds(1));
      std::this_thread::sleep_until(due);
    }
    report();
  }

 private:
  /// The load's blocks are the first of the chain; after a kill it goes on with them.
  void load() {
    bench::Block block;
    for (std::int64_t version = 1; workload_->load(block); ++version) {
      if (version <= store_.version()) continue;
      const NamedChangeSet set{kEvmModule, block.writes};
      commit({&set, 1});
    }
  }

  void block() {
    const std::int64_t version = store_.version() + 1;
    if (version % kEveryMainnet == 0) {
      const auto at = static_cast<std::size_t>(version / kEveryMainnet) % recorded_.size();
      commit(recorded_[at].sets);
      return;
    }
    bench::Block block;
    workload_->next(block);
    const NamedChangeSet set{kEvmModule, block.writes};
    times_.push_back(commit({&set, 1}));
  }

  std::uint64_t commit(std::span<const NamedChangeSet> sets) {
    const std::int64_t version = store_.version() + 1;
    page_.highest = version;
    const Stopwatch watch;
    must(store_.apply(sets), "apply");
    const Roots roots = must(store_.commit(version), "commit");
    const std::uint64_t took = watch.nanoseconds();
    page_.lowest = version;
    if (version % kEveryRoot == 0) roots_.emplace_back(version, roots.root);
    while (!roots_.empty() && roots_.front().first + kDepth < version) {
      say({{"root_at", roots_.front().first}, {"root", to_hex(roots_.front().second)}});
      roots_.pop_front();
    }
    return took;
  }

  void undo() {
    const std::int64_t tip = store_.version();
    const std::int64_t floor = std::max(store_.metrics().undo_floor, tip - kDepth);
    if (floor >= tip) return;
    const std::int64_t to =
        tip - 1 - static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(tip - floor));
    while (!roots_.empty() && roots_.back().first > to) roots_.pop_back();
    page_.lowest = to;
    must(store_.rollback(to), "undo");
    page_.highest = to;
    ++undos_;
    undone_ += tip - to;
  }

  /// Reads what blocks read, of the newest state and of one that is held.
  void read(int number, const std::stop_token& stop) {
    bench::Shape shape = shape_;
    shape.stream = shape_.stream * kReaders + static_cast<std::uint64_t>(number) + 1'000'000;
    const auto workload = bench::make_erc20(shape);
    bench::Block block;
    while (!stop.stop_requested()) {
      auto view = must(store_.view(), "view");
      workload->next(block);
      const auto first = must(view.get_many(block.reads), "read");
      reads_ += block.reads.size();
      if (number == 0) {
        // Held while blocks are committed, undone and flushed: it must not change.
        for (int i = 0; i < 20 && !stop.stop_requested(); ++i) {
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        if (must(view.get_many(block.reads), "read again") != first) {
          std::cerr << "a view of version " << view.version() << " changed\n";
          std::exit(1);
        }
        auto rows = must(view.iterate(Database::storage), "iterate");
        rows.seek(block.reads.back().subspan(1));
        for (int i = 0; i < 1000 && rows.valid(); ++i) rows.next();
        must(rows.status(), "iterate");
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }

  void report() {
    if (times_.empty()) return;
    const bench::Summary took = bench::summarize(std::exchange(times_, {}));
    const StoreMetrics metrics = store_.metrics();
    const auto scrub = must(store_.scrub_status(), "scrub status");
    say({{"version", store_.version()},
         {"blocks", blocks_},
         {"undos", undos_},
         {"undone", undone_},
         {"reads", reads_.load()},
         {"p50_us", took.p50 / 1000},
         {"p99_us", took.p99 / 1000},
         {"max_us", took.max / 1000},
         {"flushes", metrics.flushes},
         {"buffers", metrics.buffer_memory + metrics.view_memory + metrics.recent_memory},
         {"scrub_rows", scrub->rows},
         {"scrub_round", scrub->progress.round},
         {"findings", scrub->findings.size()}});
  }

 public:
  static void say(const Json& what) {
    fmt::print("{}\n", what.dump());
    std::fflush(stdout);
  }

 private:
  CommitStore& store_;
  Page& page_;
  const bench::Shape shape_;
  const std::unique_ptr<bench::Workload> workload_;
  const std::vector<cli::ChangeLine> recorded_;
  std::mt19937_64 random_;
  std::deque<std::pair<std::int64_t, Digest>> roots_;  ///< of blocks that may still be undone
  std::vector<std::uint64_t> times_;
  std::int64_t blocks_ = 0;
  std::int64_t undos_ = 0;
  std::int64_t undone_ = 0;
  std::atomic<std::uint64_t> reads_ = 0;
};

int run(char** arguments) {
  const cli::Interrupts interrupts;
  auto blocks = recorded(arguments[3], interrupts);
  const Stopwatch watch;
  CommitStore store = must(CommitStore::open(arguments[1], node_options()), "open");
  const OpenReport& report = store.open_report();
  Leader::say({{"opened", store.version()},
               {"seconds", static_cast<double>(watch.nanoseconds()) / 1e9},
               {"clean", report.clean},
               {"replayed", report.replayed_blocks}});
  Page& page = page_at(arguments[2]);
  page.lowest = page.highest = store.version();
  bench::Shape shape =
      bench::complete("erc20", {.rows = std::stoull(arguments[4]), .writes = kTransactions});
  shape.stream = std::stoull(arguments[5]);
  Leader(store, page, shape, std::move(blocks)).run(interrupts);
  must(store.close(), "close");
  Leader::say({{"closed", store.version()}});
  return 0;
}

}  // namespace
}  // namespace flatkv::day

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "usage: day_leader STORE PAGE MAINNET ACCOUNTS SEED\n";
    return 2;
  }
  return flatkv::day::run(arguments);
}
