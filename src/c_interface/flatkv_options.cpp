// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <memory>
#include <new>

#include "c_interface/handle.hpp"

namespace flatkv::c_interface {
namespace {

constexpr std::uint64_t kMost64 = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMostVersion = std::numeric_limits<std::int64_t>::max();

/// The greatest number that fits; 0 for what is no option.
std::uint64_t most(std::uint32_t option) noexcept {
  switch (option) {
    case FLATKV_CREATE_IF_MISSING:
    case FLATKV_ACCOUNT_ROWS:
    case FLATKV_STRICT:
    case FLATKV_STRICT_LEGACY_KEYS:
    case FLATKV_REPLACE:
      return 1;
    case FLATKV_DURABILITY:
    case FLATKV_SCRUB:
      return 2;
    case FLATKV_ONE_DATABASE:
      return FLATKV_METADATA;
    case FLATKV_INITIAL_VERSION:
    case FLATKV_AT_VERSION:
      return kMostVersion;
    case FLATKV_GROUP_BLOCKS:
    case FLATKV_SNAPSHOT_KEEP:
    case FLATKV_SCRUB_PAUSE_SECONDS:
    case FLATKV_RECENT_VERSIONS:
    case FLATKV_ROLLBACK_DEPTH:
    case FLATKV_THREADS:
    case FLATKV_READS_IN_FLIGHT:
    case FLATKV_LEVEL0_LIMIT:
      return kMost32;
    case FLATKV_WRITE_BUFFER_BYTES:
    case FLATKV_MAX_LAG_BLOCKS:
    case FLATKV_MAX_LAG_BYTES:
    case FLATKV_ROW_CACHE_BYTES:
    case FLATKV_KEY_FILTER_BYTES:
    case FLATKV_BLOCK_CACHE_BYTES:
    case FLATKV_SNAPSHOT_INTERVAL:
    case FLATKV_SCRUB_ROWS_PER_SECOND:
    case FLATKV_SEGMENT_BYTES:
    case FLATKV_LOG_KEEP_BYTES:
    case FLATKV_MAX_VIEW_BYTES:
    case FLATKV_OVERLAY_MEMORY_BYTES:
    case FLATKV_ROWS_PER_SECOND:
    case FLATKV_PREFETCH_ROWS:
    case FLATKV_PENDING_COMPACTION_BYTES:
      return kMost64;
    default:
      return 0;
  }
}

/// Threads of the caller's.
class CallbackExecutor : public Executor {
 public:
  CallbackExecutor(std::uint32_t threads, flatkv_run_callback callback, void* user)
      : threads_(threads), callback_(callback), user_(user) {}

  std::uint32_t threads() const noexcept override { return threads_; }
  void run(std::function<void()> task) override {
    auto owned = std::make_unique<std::function<void()>>(std::move(task));
    if (callback_(user_, &step, owned.get()) != 0) throw std::bad_alloc();
    static_cast<void>(owned.release());  // the step's, which may be over
  }

 private:
  static void step(void* task) {
    const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(task));
    (*owned)();
  }

  std::uint32_t threads_;
  flatkv_run_callback callback_;
  void* user_;
};

/// Puts the value of an option, if it was set, where it belongs.
template <class T>
void put(const Settings& settings, flatkv_option option, T& into) {
  if (const std::optional<std::uint64_t>& value = settings.values[option]) {
    into = static_cast<T>(*value);
  }
}

/// Of work that builds a generation: a rollback, a repair.
template <class Own>
Own rebuilding_options(const Settings& settings) {
  Own options;
  put(settings, FLATKV_BLOCK_CACHE_BYTES, options.block_cache_bytes);
  put(settings, FLATKV_WRITE_BUFFER_BYTES, options.write_buffer_bytes);
  put(settings, FLATKV_THREADS, options.threads);
  options.stop = settings.stop;
  options.progress = settings.progress;
  options.log = settings.log;
  return options;
}

}  // namespace

CreateOptions create_options(const Settings& settings) {
  CreateOptions options;
  put(settings, FLATKV_ACCOUNT_ROWS, options.account_rows);
  put(settings, FLATKV_INITIAL_VERSION, options.initial_version);
  return options;
}

Options store_options(const Settings& settings) {
  Options options;
  options.create = create_options(settings);
  put(settings, FLATKV_CREATE_IF_MISSING, options.create_if_missing);
  put(settings, FLATKV_STRICT, options.strict);
  put(settings, FLATKV_STRICT_LEGACY_KEYS, options.strict_exceptions.legacy_keys);
  options.strict_exceptions.modules = settings.strict_modules;
  put(settings, FLATKV_DURABILITY, options.durability);
  put(settings, FLATKV_GROUP_BLOCKS, options.group_blocks);
  put(settings, FLATKV_WRITE_BUFFER_BYTES, options.flush.write_buffer_bytes);
  put(settings, FLATKV_MAX_LAG_BLOCKS, options.flush.max_lag_blocks);
  put(settings, FLATKV_MAX_LAG_BYTES, options.flush.max_lag_bytes);
  put(settings, FLATKV_LEVEL0_LIMIT, options.flush.level0_limit);
  put(settings, FLATKV_PENDING_COMPACTION_BYTES, options.flush.pending_compaction_limit_bytes);
  put(settings, FLATKV_ROW_CACHE_BYTES, options.cache.row_cache_bytes);
  put(settings, FLATKV_KEY_FILTER_BYTES, options.cache.key_filter_bytes);
  put(settings, FLATKV_BLOCK_CACHE_BYTES, options.cache.block_cache_bytes);
  put(settings, FLATKV_READS_IN_FLIGHT, options.reads.in_flight);
  put(settings, FLATKV_PREFETCH_ROWS, options.reads.prefetch_rows);
  put(settings, FLATKV_SNAPSHOT_INTERVAL, options.snapshot.interval);
  put(settings, FLATKV_SNAPSHOT_KEEP, options.snapshot.keep);
  put(settings, FLATKV_SCRUB, options.scrub.mode);
  put(settings, FLATKV_SCRUB_ROWS_PER_SECOND, options.scrub.rows_per_second);
  put(settings, FLATKV_SCRUB_PAUSE_SECONDS, options.scrub.pause_seconds);
  put(settings, FLATKV_SEGMENT_BYTES, options.segment_bytes);
  put(settings, FLATKV_LOG_KEEP_BYTES, options.log_keep_bytes);
  put(settings, FLATKV_MAX_VIEW_BYTES, options.max_view_bytes);
  put(settings, FLATKV_RECENT_VERSIONS, options.recent_versions);
  put(settings, FLATKV_OVERLAY_MEMORY_BYTES, options.overlay_memory_bytes);
  put(settings, FLATKV_ROLLBACK_DEPTH, options.rollback_depth);
  put(settings, FLATKV_THREADS, options.threads);
  options.executor = settings.executor;
  options.on_durable = settings.on_durable;
  options.log = settings.log;
  return options;
}

ReadOnlyOptions reader_options(const Settings& settings) {
  ReadOnlyOptions options;
  if (settings.values[FLATKV_AT_VERSION]) {
    options.at = static_cast<std::int64_t>(*settings.values[FLATKV_AT_VERSION]);
  }
  put(settings, FLATKV_BLOCK_CACHE_BYTES, options.block_cache_bytes);
  put(settings, FLATKV_WRITE_BUFFER_BYTES, options.write_buffer_bytes);
  put(settings, FLATKV_THREADS, options.threads);
  put(settings, FLATKV_STRICT, options.strict);
  put(settings, FLATKV_STRICT_LEGACY_KEYS, options.strict_exceptions.legacy_keys);
  options.strict_exceptions.modules = settings.strict_modules;
  options.scratch = settings.scratch;
  options.stop = settings.stop;
  options.log = settings.log;
  return options;
}

RollbackOptions rollback_options(const Settings& settings) {
  return rebuilding_options<RollbackOptions>(settings);
}

VerifyOptions verify_options(const Settings& settings) {
  VerifyOptions options;
  put(settings, FLATKV_THREADS, options.threads);
  put(settings, FLATKV_ROWS_PER_SECOND, options.rows_per_second);
  if (settings.values[FLATKV_ONE_DATABASE]) {
    options.database = static_cast<Database>(*settings.values[FLATKV_ONE_DATABASE]);
  }
  options.stop = settings.stop;
  options.progress = settings.progress;
  return options;
}

ImportOptions import_options(const Settings& settings) {
  ImportOptions options;
  put(settings, FLATKV_REPLACE, options.force);
  put(settings, FLATKV_ACCOUNT_ROWS, options.account_rows);
  options.log = settings.log;
  return options;
}

DigestOptions digest_options(const Settings& settings) {
  const VerifyOptions scan = verify_options(settings);
  return {.database = scan.database,
          .range = {},
          .threads = scan.threads,
          .rows_per_second = scan.rows_per_second,
          .stop = scan.stop,
          .progress = scan.progress};
}

RepairOptions repair_options(const Settings& settings) {
  return rebuilding_options<RepairOptions>(settings);
}

Result<Settings> settings_of(const flatkv_options* options) {
  if (options == nullptr) return Settings{};
  const Settings* settings = held<OptionsHandle>(options);
  if (settings == nullptr) return no_handle("options");
  return *settings;
}

}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_options_new(flatkv_options** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    return hand_out<OptionsHandle>(Result<Settings>(Settings{}), out);
  });
}

flatkv_error* flatkv_options_set(flatkv_options* options, uint32_t option, uint64_t value) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    const std::uint64_t limit = most(option);
    if (limit == 0) return refuse("there is no option " + std::to_string(option));
    if (value > limit) {
      return refuse("option " + std::to_string(option) + " takes at most " + std::to_string(limit));
    }
    settings.values[option] = value;
    return {};
  });
}

flatkv_error* flatkv_options_scratch(flatkv_options* options, const char* directory) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    settings.scratch = directory == nullptr ? "" : directory;
    return {};
  });
}

flatkv_error* flatkv_options_strict_module(flatkv_options* options, const char* name) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    if (name == nullptr) {
      settings.strict_modules.clear();
    } else {
      settings.strict_modules.emplace_back(name);
    }
    return {};
  });
}

flatkv_error* flatkv_options_log(flatkv_options* options, flatkv_log_callback callback,
                                 void* user) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    settings.log = {};
    if (callback == nullptr) return {};
    settings.log = [callback, user](LogLevel level, std::string_view text) {
      callback(user, static_cast<uint32_t>(level), text.data(), text.size());
    };
    return {};
  });
}

flatkv_error* flatkv_options_on_durable(flatkv_options* options, flatkv_durable_callback callback,
                                        void* user) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    settings.on_durable = {};
    if (callback == nullptr) return {};
    settings.on_durable = [callback, user](std::int64_t version) { callback(user, version); };
    return {};
  });
}

flatkv_error* flatkv_options_progress(flatkv_options* options, flatkv_progress_callback callback,
                                      void* user) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    settings.progress = {};
    if (callback == nullptr) return {};
    settings.progress = [callback, user](std::string_view step, std::uint64_t done,
                                         std::uint64_t total) {
      callback(user, step.data(), step.size(), done, total);
    };
    return {};
  });
}

flatkv_error* flatkv_stop_new(flatkv_stop** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    return hand_out<StopHandle>(Result<std::stop_source>(std::stop_source{}), out);
  });
}

void flatkv_stop_request(flatkv_stop* stop) {
  if (std::stop_source* source = held<StopHandle>(stop)) source->request_stop();
}

flatkv_error* flatkv_options_stop(flatkv_options* options, const flatkv_stop* stop) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    const std::stop_source* source = held<StopHandle>(stop);
    if (source == nullptr) return no_handle("stop");
    settings.stop = source->get_token();
    return {};
  });
}

flatkv_error* flatkv_options_executor(flatkv_options* options, uint32_t threads,
                                      flatkv_run_callback run, void* user) {
  return with<OptionsHandle>(options, "options", [&](Settings& settings) -> Status {
    settings.executor = {};
    if (run == nullptr) return {};
    if (threads == 0) return refuse("an executor has at least one thread");
    settings.executor = std::make_shared<CallbackExecutor>(threads, run, user);
    return {};
  });
}
