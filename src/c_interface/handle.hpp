// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/guard.hpp"
#include "flatkv/flatkv.h"
#include "flatkv/store.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"

// What the opaque types of flatkv/flatkv.h are: objects with a mark and their kind, so that a
// pointer to another kind of handle is an error. The C names are never defined: a handle is cast.
namespace flatkv::c_interface {

enum class Kind : std::uint32_t {
  error = 1,
  options,
  stop,
  buffer,
  store,
  reader,
  view,
  overlay,
  iterator,
  changes,
  subscription,
  block,
  report,
  importer,
  repairs,
};

/// Nothing virtual: the mark must be where it is also looked for in what is no handle.
struct Handle {
  static constexpr std::uint32_t kMark = 0x464b5631;
  using Destroy = void (*)(Handle*) noexcept;
  Handle(Kind its_kind, Destroy its_destroy) noexcept : kind(its_kind), destroy(its_destroy) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  std::uint32_t mark = kMark;
  Kind kind;
  Destroy destroy;

 protected:
  ~Handle() = default;
};

/// A handle that holds one object of the C++ interface.
template <Kind kIts, class T>
struct Holding : Handle {
  static constexpr Kind kKind = kIts;
  explicit Holding(T&& object)
      : Handle(kIts, [](Handle* self) noexcept { delete static_cast<Holding*>(self); }),
        held(std::move(object)) {}
  T held;
};

struct FailedCall {
  Error error;
  std::string text;
};
struct Settings {
  static constexpr std::size_t kOptions = FLATKV_PENDING_COMPACTION_BYTES + 1;
  std::array<std::optional<std::uint64_t>, kOptions> values{};
  LogCallback log{};
  std::function<void(std::int64_t)> on_durable{};
  ProgressCallback progress{};
  std::stop_token stop{};
  std::shared_ptr<Executor> executor{};
  std::string scratch{};
  std::vector<std::string> strict_modules{};

  std::uint64_t of(std::uint32_t option, std::uint64_t otherwise) const noexcept {
    return values[option].value_or(otherwise);
  }
};

using ErrorHandle = Holding<Kind::error, FailedCall>;
using OptionsHandle = Holding<Kind::options, Settings>;
using StopHandle = Holding<Kind::stop, std::stop_source>;
using BufferHandle = Holding<Kind::buffer, Bytes>;
using StoreHandle = Holding<Kind::store, CommitStore>;
using ReaderHandle = Holding<Kind::reader, ReadOnlyStore>;
using ViewHandle = Holding<Kind::view, ReadView>;
using OverlayHandle = Holding<Kind::overlay, Overlay>;
using IteratorHandle = Holding<Kind::iterator, RowIterator>;
using ChangesHandle = Holding<Kind::changes, ChangeReader>;
using SubscriptionHandle = Holding<Kind::subscription, Subscription>;
using BlockHandle = Holding<Kind::block, ChangeEvent>;
using ReportHandle = Holding<Kind::report, VerifyReport>;
using ImporterHandle = Holding<Kind::importer, Importer>;
using RepairsHandle = Holding<Kind::repairs, std::vector<RepairReport>>;

/// The object in a handle, or null if it is none of this kind.
template <class H>
auto* held(void* handle) noexcept {
  auto* found = static_cast<Handle*>(handle);
  const bool is_it = found != nullptr && found->mark == Handle::kMark && found->kind == H::kKind;
  return is_it ? &static_cast<H*>(found)->held : nullptr;
}
template <class H>
const auto* held(const void* handle) noexcept {
  const auto* found = static_cast<const Handle*>(handle);
  const bool is_it = found != nullptr && found->mark == Handle::kMark && found->kind == H::kKind;
  return is_it ? &static_cast<const H*>(found)->held : nullptr;
}

inline Failure refuse(std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message));
}
inline Failure no_handle(const char* what) {
  return refuse(std::string("not a handle of this kind: ") + what);
}

/// The error as a handle. If there is no memory for it, one that is there already.
flatkv_error* failed(Error&& error) noexcept;

/// Runs a step that returns a Status.
template <class Step>
flatkv_error* call(Step&& step) noexcept {
  Status done = guarded(std::forward<Step>(step));
  return done ? nullptr : failed(std::move(done).error());
}

/// Runs a step with the object in a handle. `what` is the kind that it must be of.
template <class H, class Opaque, class Step>
flatkv_error* with(Opaque* handle, const char* what, Step&& step) noexcept {
  return call([&]() -> Status {
    auto* found = held<H>(handle);
    if (found == nullptr) return no_handle(what);
    return step(*found);
  });
}

/// Gives a handle to the caller. `out` has been checked.
template <class H, class Opaque>
void give(std::unique_ptr<H> handle, Opaque** out) noexcept {
  void* const given = static_cast<Handle*>(handle.release());
  *out = static_cast<Opaque*>(given);
}

/// Hands an object out. `out` has been checked.
template <class H, class T, class Opaque>
Status hand_out(Result<T>&& made, Opaque** out) {
  if (!made) return std::unexpected(std::move(made).error());
  give(std::make_unique<H>(std::move(*made)), out);
  return {};
}

inline bool good(const void* bytes, std::size_t size) noexcept {
  return (bytes != nullptr || size == 0) && size <= PTRDIFF_MAX;
}
inline ByteView view_of(const std::uint8_t* bytes, std::size_t size) noexcept {
  return size == 0 ? ByteView{} : ByteView{bytes, size};
}

void put_roots(const Roots& roots, flatkv_roots& out) noexcept;
/// Of what returns roots; `out` may be null.
Status put_roots(const Result<Roots>& roots, flatkv_roots* out);
/// Views of the caller's keys.
Result<std::vector<ByteView>> keys_of(const flatkv_bytes* keys, std::size_t count);
Result<Database> database_of(std::uint32_t number);

Options store_options(const Settings& settings);
CreateOptions create_options(const Settings& settings);
ReadOnlyOptions reader_options(const Settings& settings);
RollbackOptions rollback_options(const Settings& settings);
VerifyOptions verify_options(const Settings& settings);
ImportOptions import_options(const Settings& settings);
DigestOptions digest_options(const Settings& settings);
RepairOptions repair_options(const Settings& settings);
/// `options` may be null; nothing if it is another handle.
Result<Settings> settings_of(const flatkv_options* options);

/// Runs `step` with the store, reader, view or overlay. Those that it cannot take it refuses
/// itself.
template <class Step>
Status with_state(const void* state, Step&& step) {
  if (const auto* store = held<StoreHandle>(state)) return step(*store);
  if (const auto* reader = held<ReaderHandle>(state)) return step(*reader);
  if (const auto* view = held<ViewHandle>(state)) return step(*view);
  if (const auto* overlay = held<OverlayHandle>(state)) return step(*overlay);
  return no_handle("state");
}

template <class T>
Status check_sized(const T* given) {
  if (given != nullptr && given->size >= sizeof(std::size_t)) return {};
  return refuse("a struct that is null or does not say its size");
}
/// Copies as many bytes of a struct as the caller's version of it has.
template <class T>
Status put_sized(T value, T* out) {
  FLATKV_TRY(check_sized(out));
  const std::size_t size = std::min(out->size, sizeof(T));
  value.size = size;
  std::memcpy(out, &value, size);
  return {};
}

}  // namespace flatkv::c_interface
