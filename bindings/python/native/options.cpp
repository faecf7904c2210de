// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <nanobind/stl/string.h>

#include <initializer_list>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "arguments.hpp"
#include "callbacks.hpp"

namespace flatkv::python {
namespace {

/// Arguments by name, each of which is taken once. One that is None counts as not given.
class Named {
 public:
  explicit Named(const nb::kwargs& given) {
    for (const auto& [name, value] : given) left_[name] = value;
  }

  std::optional<nb::object> take(const char* name) {
    if (!left_.contains(name)) return std::nullopt;
    nb::object value = left_[name];
    nb::del(left_[name]);
    if (value.is_none()) return std::nullopt;
    return value;
  }
  template <class T>
  std::optional<T> take(const char* name, const char* kind) {
    const std::optional<nb::object> value = take(name);
    if (!value) return std::nullopt;
    T taken{};
    if (!nb::try_cast(*value, taken)) refuse_type(std::string(name) + ": " + kind);
    return taken;
  }
  void number(const char* name, auto& into) {
    using Number = std::decay_t<decltype(into)>;
    const auto value = take<std::uint64_t>(name, "an int from 0 on");
    if (!value) return;
    if (*value > std::numeric_limits<Number>::max()) refuse(std::string(name) + ": too large");
    into = static_cast<Number>(*value);
  }
  void yes_or_no(const char* name, bool& into) {
    if (const auto value = take<bool>(name, "a bool")) into = *value;
  }
  template <class T>
  void choice(const char* name, std::initializer_list<std::pair<std::string_view, T>> all,
              T& into) {
    const auto value = take<std::string>(name, "a str");
    if (!value) return;
    std::string names;
    for (const auto& [word, meaning] : all) {
      if (word == *value) {
        into = meaning;
        return;
      }
      names += (names.empty() ? "'" : ", '") + std::string(word) + "'";
    }
    refuse(std::string(name) + ": one of " + names + ", not '" + *value + "'");
  }
  /// None of them may be left.
  void end() const {
    for (const auto& [name, value] : left_) {
      refuse_type("open() has no argument '" + nb::cast<std::string>(name) + "'");
    }
  }

 private:
  nb::dict left_;
};

void take_create(Named& named, Options& options) {
  named.yes_or_no("create", options.create_if_missing);
  options.create =
      create_options(named.take<std::string>("account_rows", "a str").value_or("keep"),
                     named.take<std::int64_t>("initial_version", "an int").value_or(1));
}

void take_strict(Named& named, Options& options) {
  named.yes_or_no("strict", options.strict);
  named.yes_or_no("strict_legacy_keys", options.strict_exceptions.legacy_keys);
  const std::optional<nb::object> modules = named.take("strict_modules");
  if (!modules) return;
  for (const nb::handle name : nb::iter(*modules)) {
    std::string module;
    if (!nb::try_cast(name, module)) refuse_type("strict_modules: names");
    options.strict_exceptions.modules.push_back(std::move(module));
  }
}

void take_durability(Named& named, Options& options) {
  named.choice<Durability>(
      "durability",
      {{"sync", Durability::sync}, {"process", Durability::process}, {"group", Durability::group}},
      options.durability);
  named.number("group_blocks", options.group_blocks);
  if (const auto call = named.take("on_durable")) {
    options.on_durable = durable_callback(*call);
  }
}

void take_scrub(Named& named, ScrubOptions& scrub) {
  named.choice<Scrub>(
      "scrub",
      {{"off", Scrub::off}, {"by_hand", Scrub::by_hand}, {"in_background", Scrub::in_background}},
      scrub.mode);
  named.number("scrub_rows_per_second", scrub.rows_per_second);
  named.number("scrub_pause_seconds", scrub.pause_seconds);
}

void take_memory(Named& named, Options& options) {
  named.number("row_cache_bytes", options.cache.row_cache_bytes);
  named.number("key_filter_bytes", options.cache.key_filter_bytes);
  named.number("block_cache_bytes", options.cache.block_cache_bytes);
  named.number("write_buffer_bytes", options.flush.write_buffer_bytes);
  named.number("max_view_bytes", options.max_view_bytes);
  named.number("overlay_memory_bytes", options.overlay_memory_bytes);
  named.number("recent_versions", options.recent_versions);
  named.number("rollback_depth", options.rollback_depth);
}

void take_disk(Named& named, Options& options) {
  named.number("max_lag_blocks", options.flush.max_lag_blocks);
  named.number("max_lag_bytes", options.flush.max_lag_bytes);
  named.number("level0_limit", options.flush.level0_limit);
  named.number("pending_compaction_bytes", options.flush.pending_compaction_limit_bytes);
  named.number("snapshot_interval", options.snapshot.interval);
  named.number("snapshot_keep", options.snapshot.keep);
  named.number("segment_bytes", options.segment_bytes);
  named.number("log_keep_bytes", options.log_keep_bytes);
  named.number("reads_in_flight", options.reads.in_flight);
  named.number("prefetch_rows", options.reads.prefetch_rows);
}

}  // namespace

const char* const kOpen =
    "def open(path: str | os.PathLike[str], *, create: bool = False, account_rows: "
    "typing.Literal['keep', 'prune_empty'] = 'keep', initial_version: int = 1, strict: bool = "
    "False, strict_legacy_keys: bool = False, strict_modules: collections.abc.Iterable[str] = "
    "(), durability: typing.Literal['sync', 'process', 'group'] = 'sync', group_blocks: int | "
    "None = None, on_durable: collections.abc.Callable[[int], object] | None = None, scrub: "
    "typing.Literal['off', 'by_hand', 'in_background'] = 'off', scrub_rows_per_second: int | "
    "None = None, scrub_pause_seconds: int | None = None, log: "
    "collections.abc.Callable[[typing.Literal['info', 'warning', 'error'], str], object] | None "
    "= None, threads: int | None = None, row_cache_bytes: int | None = None, key_filter_bytes: "
    "int | None = None, block_cache_bytes: int | None = None, write_buffer_bytes: int | None = "
    "None, max_view_bytes: int | None = None, overlay_memory_bytes: int | None = None, "
    "recent_versions: int | None = None, rollback_depth: int | None = None, max_lag_blocks: int "
    "| None = None, max_lag_bytes: int | None = None, level0_limit: int | None = None, "
    "pending_compaction_bytes: int | None = None, snapshot_interval: int | None = None, "
    "snapshot_keep: int | None = None, segment_bytes: int | None = None, log_keep_bytes: int | "
    "None = None, reads_in_flight: int | None = None, prefetch_rows: int | None = None) -> Store";

CreateOptions create_options(const std::string& account_rows, std::int64_t initial_version) {
  return {.account_rows = account_rows_of(account_rows), .initial_version = initial_version};
}

Options options_of(const nb::kwargs& given) {
  Named named(given);
  Options options;
  take_create(named, options);
  take_strict(named, options);
  take_durability(named, options);
  take_scrub(named, options.scrub);
  take_memory(named, options);
  take_disk(named, options);
  named.number("threads", options.threads);
  if (const auto call = named.take("log")) options.log = log_callback(*call);
  named.end();
  return options;
}

}  // namespace flatkv::python
