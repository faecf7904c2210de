// SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#include "base/version_arithmetic.hpp"
#include "c_interface/handle.hpp"
#include "c_interface/packed.hpp"

namespace flatkv::c_interface {
namespace {

/// Runs `step` with a store, a reader or an overlay.
template <class Step>
Status with_working(void* target, Step&& step) {
  if (auto* store = held<StoreHandle>(target)) return step(*store);
  if (auto* reader = held<ReaderHandle>(target)) return step(*reader);
  if (auto* overlay = held<OverlayHandle>(target)) return step(*overlay);
  return no_handle("store, reader or overlay");
}

Status apply_packed(void* target, const uint8_t* changes, size_t size) {
  if (!good(changes, size)) return refuse("changes: no bytes");
  return with_working(target, [&](auto& working) -> Status {
    FLATKV_ASSIGN(const PackedChanges read, PackedChanges::read(view_of(changes, size)));
    return working.apply(read.change_sets());
  });
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_remedies(const char* store, flatkv_buffer** out) {
  return call([&]() -> Status {
    if (store == nullptr || out == nullptr) return refuse("store or out is null");
    FLATKV_ASSIGN(const StoreInfo info, inspect_store(store));
    Bytes lines;
    for (const std::string& remedy : info.remedies) {
      append(lines, as_bytes(remedy));
      lines.push_back('\n');
    }
    return hand_out<BufferHandle>(Result<Bytes>(std::move(lines)), out);
  });
}

flatkv_error* flatkv_create(const char* path, const flatkv_options* options) {
  return call([&]() -> Status {
    if (path == nullptr) return refuse("path is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    return CommitStore::create(path, create_options(settings));
  });
}

flatkv_error* flatkv_open(const char* path, const flatkv_options* options, flatkv_store** out) {
  return call([&]() -> Status {
    if (path == nullptr || out == nullptr) return refuse("path or out is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    return hand_out<StoreHandle>(CommitStore::open(path, store_options(settings)), out);
  });
}

flatkv_error* flatkv_open_reader(const char* path, const flatkv_options* options,
                                 flatkv_reader** out) {
  return call([&]() -> Status {
    if (path == nullptr || out == nullptr) return refuse("path or out is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    return hand_out<ReaderHandle>(ReadOnlyStore::open(path, reader_options(settings)), out);
  });
}

flatkv_error* flatkv_open_report_get(const flatkv_store* store, flatkv_open_report* out) {
  return with<StoreHandle>(store, "store", [&](const CommitStore& found) -> Status {
    const OpenReport& given = found.open_report();
    flatkv_open_report report{};
    report.clean = given.clean ? 1 : 0;
    for (const Database database : given.backfilled) {
      report.backfilled |= 1U << static_cast<std::uint32_t>(database);
    }
    report.truncated_log = given.truncated_log ? 1 : 0;
    report.lost_log_tail = given.lost_log_tail ? 1 : 0;
    report.rebuilt_working_copy = given.rebuilt_working_copy ? 1 : 0;
    report.rebuilt_metadata = given.rebuilt_metadata ? 1 : 0;
    report.replayed_blocks = given.replayed_blocks;
    return put_sized(report, out);
  });
}

flatkv_error* flatkv_close(flatkv_store* store) {
  return with<StoreHandle>(store, "store", [](CommitStore& found) { return found.close(); });
}

flatkv_error* flatkv_apply(flatkv_working* target, const uint8_t* changes, size_t size) {
  return call([&] { return apply_packed(target, changes, size); });
}

flatkv_error* flatkv_working_roots(const flatkv_working* target, flatkv_roots* out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    return with_state(target, [&](const auto& working) -> Status {
      if constexpr (std::is_same_v<std::decay_t<decltype(working)>, ReadView>) {
        return no_handle("store, reader or overlay");
      } else {
        return put_roots(working.working_roots(), out);
      }
    });
  });
}

flatkv_error* flatkv_discard(flatkv_working* target) {
  return call([&]() -> Status {
    if (auto* store = held<StoreHandle>(static_cast<void*>(target))) {
      store->discard();
    } else if (auto* reader = held<ReaderHandle>(static_cast<void*>(target))) {
      reader->discard();
    } else {
      return no_handle("store or reader");
    }
    return {};
  });
}

flatkv_error* flatkv_commit(flatkv_store* store, int64_t version, flatkv_roots* out) {
  return with<StoreHandle>(
      store, "store", [&](CommitStore& found) { return put_roots(found.commit(version), out); });
}

flatkv_error* flatkv_apply_commit(flatkv_store* store, const uint8_t* changes, size_t size,
                                  int64_t version, flatkv_roots* out) {
  return with<StoreHandle>(store, "store", [&](CommitStore& found) -> Status {
    // A refused version must not leave the writes pending.
    if (version_after(found.version()) == version) FLATKV_TRY(apply_packed(store, changes, size));
    return put_roots(found.commit(version), out);
  });
}

int64_t flatkv_version(const flatkv_state* state) {
  int64_t version = 0;
  flatkv_free(call([&] {
    return with_state(state, [&](const auto& found) -> Status {
      version = found.version();
      return {};
    });
  }));
  return version;
}

int64_t flatkv_initial_version(const flatkv_store* store) {
  const CommitStore* found = held<StoreHandle>(static_cast<const void*>(store));
  return found == nullptr ? 0 : found->initial_version();
}

uint32_t flatkv_account_rows(const flatkv_state* state) {
  AccountRows rows{};
  if (const auto* store = held<StoreHandle>(state)) rows = store->account_rows();
  if (const auto* reader = held<ReaderHandle>(state)) rows = reader->account_rows();
  if (const auto* view = held<ViewHandle>(state)) rows = view->account_rows();
  return static_cast<uint32_t>(rows);
}

flatkv_error* flatkv_committed_roots(const flatkv_state* state, flatkv_roots* out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    return with_state(state, [&](const auto& found) -> Status {
      using State = std::decay_t<decltype(found)>;
      if constexpr (std::is_same_v<State, Overlay>) {
        return no_handle("store, reader or view");
      } else if constexpr (std::is_same_v<State, CommitStore>) {
        put_roots(found.committed_roots(), *out);
      } else {
        put_roots(found.roots(), *out);
      }
      return {};
    });
  });
}

int64_t flatkv_durable_version(const flatkv_store* store) {
  const CommitStore* found = held<StoreHandle>(static_cast<const void*>(store));
  return found == nullptr ? 0 : found->durable_version();
}

flatkv_error* flatkv_wait_durable(flatkv_store* store, int64_t version) {
  return with<StoreHandle>(store, "store",
                           [&](CommitStore& found) { return found.wait_durable(version); });
}

flatkv_error* flatkv_flush(flatkv_store* store) {
  return with<StoreHandle>(store, "store", [](CommitStore& found) { return found.flush(); });
}

flatkv_error* flatkv_snapshot(flatkv_store* store) {
  return with<StoreHandle>(store, "store", [](CommitStore& found) { return found.snapshot(); });
}

flatkv_error* flatkv_rollback(flatkv_store* store, int64_t version) {
  return with<StoreHandle>(store, "store",
                           [&](CommitStore& found) { return found.rollback(version); });
}

flatkv_error* flatkv_rollback_path(const char* path, int64_t version,
                                   const flatkv_options* options) {
  return call([&]() -> Status {
    if (path == nullptr) return refuse("path is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    return rollback(path, version, rollback_options(settings));
  });
}

flatkv_error* flatkv_overlay_new(flatkv_working* below, flatkv_overlay** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    return with_working(below, [&](auto& working) -> Status {
      if constexpr (std::is_same_v<std::decay_t<decltype(working)>, Overlay>) {
        return hand_out<OverlayHandle>(working.child(), out);
      } else {
        return hand_out<OverlayHandle>(working.overlay(), out);
      }
    });
  });
}

flatkv_error* flatkv_commit_overlay(flatkv_store* store, flatkv_overlay* overlay, int64_t version,
                                    flatkv_roots* out) {
  return with<StoreHandle>(store, "store", [&](CommitStore& found) -> Status {
    Overlay* block = held<OverlayHandle>(overlay);
    if (block == nullptr) return no_handle("overlay");
    return put_roots(found.commit(*block, version), out);
  });
}
