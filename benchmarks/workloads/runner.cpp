// SPDX-License-Identifier: Apache-2.0
#include "workloads/runner.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/stopwatch.hpp"

namespace flatkv::bench {
namespace {

/// How many blocks one subject takes before the next: enough to refill its caches, few enough that
/// the machine is the same for all.
constexpr std::size_t kSlice = 16;
constexpr double kLongestRest = 300;  // seconds
/// A small one makes many tables, which compactions rewrite many times.
constexpr std::uint64_t kLoadingWriteBuffer = std::uint64_t{256} << 20;

std::uint64_t bytes_of_tables(const std::string& directory) {
  namespace stdfs = std::filesystem;
  std::uint64_t bytes = 0;
  std::error_code error;  // a table may be deleted meanwhile
  for (stdfs::recursive_directory_iterator at(directory, error), end; at != end;
       at.increment(error)) {
    if (at->path().extension() != ".sst") continue;
    const std::uintmax_t size = at->file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

class Runner {
 public:
  Runner(Workload& workload, const RunOptions& options) : workload_(workload), options_(options) {}

  Result<RunReport> run() {
    Status done = all();
    for (Contender& contender : contenders_) {
      const Status closed = contender.subject->close();
      if (done && !closed) done = closed;
    }
    if (!done) return std::unexpected(std::move(done).error());
    return std::move(report_);
  }

 private:
  struct Contender {
    Subject* subject;
    Measured* measured;
  };

  Status all() {
    FLATKV_TRY(open());
    FLATKV_TRY(load());
    for (const Contender& contender : contenders_) FLATKV_TRY(rest(*contender.subject));
    if (options_.memory != nullptr) FLATKV_TRY(limit_memory());
    FLATKV_TRY(blocks(options_.warm_up, false));
    report_.before = store_->store().metrics();
    report_.begin = usage();
    FLATKV_TRY(blocks(options_.blocks, true));
    report_.end = usage();
    report_.after = store_->store().metrics();
    report_.roots = store_->store().committed_roots();
    FLATKV_TRY(measure_space());
    return device();
  }

  Status measure_space() {
    FLATKV_TRY(rest(*store_));
    FLATKV_ASSIGN(const ReadView view, store_->store().view());
    for (const Database database : kDataDatabases) {
      const DatabaseStats& stats = view.stats(database);
      report_.rows += stats.rows;
      report_.row_bytes += stats.key_bytes + stats.value_bytes;
    }
    report_.table_bytes = bytes_of_tables(store_path());
    return {};
  }

  Status device() {
    if (options_.device_seconds == 0) return {};
    for (const Contender& contender : contenders_) FLATKV_TRY(rest(*contender.subject));
    tell("measuring the device", 0, 0);
    auto reads = measure_device(options_.directory, options_.device_seconds);
    if (reads) {
      report_.device = *reads;
    } else {
      report_.device_trouble = reads.error().to_string();
    }
    return {};
  }

  Status open() {
    Options loading = options_.store;
    if (options_.memory != nullptr) {
      FLATKV_TRY(options_.memory->lift());
      loading.flush.write_buffer_bytes =
          std::max(loading.flush.write_buffer_bytes, kLoadingWriteBuffer);
    }
    FLATKV_ASSIGN(store_, StoreSubject::open(store_path(), loading));
    contenders_.push_back({store_.get(), &report_.store});
    if (options_.floors) {
      Options same = options_.store;
      same.cache.row_cache_bytes =
          store_->store().metrics().cache_memory;  // what "automatic" resulted in
      FLATKV_ASSIGN(raw_, RawSubject::create(options_.directory + "/raw", same));
      contenders_.push_back({raw_.get(), &report_.raw.emplace()});
      report_.hash.emplace();
    }
    if (options_.rocksdb) {
      FLATKV_ASSIGN(rocksdb_, make_rocksdb_subject(options_.directory + "/rocksdb"));
      contenders_.push_back({rocksdb_.get(), &report_.rocksdb.emplace()});
    }
    return {};
  }

  /// Opens the store anew, with the options to be measured.
  Status limit_memory() {
    FLATKV_TRY(store_->close());
    contenders_.erase(contenders_.begin());
    store_.reset();  // frees its write buffers
    FLATKV_TRY(options_.memory->restore());
    FLATKV_ASSIGN(store_, StoreSubject::open(store_path(), options_.store));
    contenders_.insert(contenders_.begin(), {store_.get(), &report_.store});
    return {};
  }

  std::string store_path() const { return options_.directory + "/store"; }

  Status load() {
    Block block;
    while (workload_.load(block)) {
      FLATKV_TRY(check_cancelled());
      for (const Contender& contender : contenders_) {
        FLATKV_ASSIGN(const PhaseTimes times, contender.subject->run(block));
        contender.measured->load_seconds += static_cast<double>(times.total()) * 1e-9;
      }
      report_.loaded_rows += block.writes.size();
      tell("loading rows", report_.loaded_rows, workload_.rows());
    }
    return {};
  }

  /// Waits until no flush or compaction is running.
  Status rest(Subject& subject) const {
    FLATKV_TRY(subject.flush());
    const Stopwatch watch;
    while (watch.seconds() < kLongestRest) {
      FLATKV_TRY(check_cancelled());
      const Background now = subject.background();
      if (!now.flushing && !now.compacting) return {};
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return {};
  }

  /// Runs `count` blocks; if that is 0 and they are measured, as many as fit into the time.
  Status blocks(std::uint64_t count, bool measured) {
    std::vector<Block> slice(kSlice);
    std::uint64_t done = 0;
    const auto enough = [&] {
      if (count != 0 || !measured) return done >= count;
      return report_.store.blocks.seconds() >= options_.seconds;
    };
    for (std::size_t round = 0; !enough(); ++round) {
      const std::size_t size =
          count == 0 ? kSlice
                     : static_cast<std::size_t>(std::min<std::uint64_t>(kSlice, count - done));
      for (std::size_t i = 0; i < size; ++i) workload_.next(slice[i]);
      for (std::size_t i = 0; i < contenders_.size(); ++i) {
        const Contender& turn = contenders_[(round + i) % contenders_.size()];
        FLATKV_TRY(take(turn, {slice.data(), size}, measured));
      }
      for (std::size_t i = 0; measured && i < size; ++i) count_block(slice[i]);
      done += size;
      tell(measured ? "measuring blocks" : "warming up, blocks", done, count);
    }
    return {};
  }

  Status take(const Contender& contender, std::span<const Block> slice, bool measured) {
    const bool is_store = contender.subject == store_.get();
    const std::uint64_t bytes_read = is_store && measured ? usage().read : 0;
    std::uint64_t switches = lost_the_core();
    for (const Block& block : slice) {
      FLATKV_TRY(check_cancelled());
      if (is_store && options_.prefetch) {
        FLATKV_TRY(store_->prefetch(block));
        std::this_thread::sleep_for(*options_.prefetch);
      }
      FLATKV_ASSIGN(const PhaseTimes times, contender.subject->run(block));
      PhaseTimes hashed{};
      const bool is_raw = contender.subject == raw_.get();
      if (is_raw) hashed.of(Phase::hash) = raw_->hash_last();
      if (!measured) continue;
      const std::uint64_t now = lost_the_core();
      contender.measured->blocks.add(times, contender.subject->background(), now - switches);
      switches = now;
      if (is_raw) report_.hash->add(hashed);
    }
    if (is_store && measured) report_.bytes_read += usage().read - bytes_read;
    return {};
  }

  void count_block(const Block& block) {
    report_.writes += block.writes.size();
    report_.reads += block.reads.size();
    for (const KVPair& pair : block.writes) {
      report_.payload_bytes += pair.key.size() + pair.value.size();
    }
  }

  Status check_cancelled() const {
    if (!options_.stop.stop_requested()) return {};
    return fail(ErrorCode::cancelled, "the benchmark was interrupted");
  }
  void tell(std::string_view what, std::uint64_t done, std::uint64_t total) const {
    if (options_.progress) options_.progress(what, done, total);
  }

  Workload& workload_;
  const RunOptions& options_;
  RunReport report_;
  std::unique_ptr<StoreSubject> store_;
  std::unique_ptr<RawSubject> raw_;
  std::unique_ptr<Subject> rocksdb_;
  std::vector<Contender> contenders_;
};

}  // namespace

Result<RunReport> run(Workload& workload, const RunOptions& options) {
  return Runner(workload, options).run();
}

}  // namespace flatkv::bench
