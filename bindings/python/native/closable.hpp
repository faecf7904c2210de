// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "arguments.hpp"
#include "block.hpp"
#include "guarded.hpp"

namespace flatkv::python {

/// An object that one thread at a time may use, and that can be given up before Python collects it.
/// Until then it may keep another one, which its calls need.
template <class T>
class Closable {
 public:
  using Handle = std::optional<T>;

  /// `what` is for the error of calls after the close.
  Closable(T object, const char* what, std::shared_ptr<void> keeps = {})
      : what_(what), state_(std::make_unique<State>(std::move(object), std::move(keeps))) {}
  Closable(Closable&&) = default;
  Closable& operator=(Closable&&) = delete;
  ~Closable() {
    if (!state_) return;
    close();
    if (!is_here()) leave_to_parent(std::move(state_));
  }

  /// Runs a step that returns a Status or a Result; `store_failed` once it is closed.
  template <class Step>
  auto with(Step&& step) {
    return state_->handle.with([&](Handle& handle) -> decltype(step(*handle)) {
      if (!handle) return std::unexpected(closed(what_));
      return step(*handle);
    });
  }
  template <class Step>
  auto read(Step&& step) {
    return with([&](const T& object) { return step(object); });
  }
  Guarded<Handle>& handle() noexcept { return state_->handle; }
  const char* what() const noexcept { return what_; }
  /// Within a step.
  const std::shared_ptr<void>& keeps() const noexcept { return state_->keeps; }

  void close() {
    state_->closed = true;
    if (!is_here()) return;
    state_->handle.with([this](Handle& handle) {
      handle.reset();
      state_->keeps.reset();
    });
  }
  /// Set before the close waits for its turn.
  bool is_closed() const noexcept { return state_->closed; }

 private:
  struct State {
    State(T object, std::shared_ptr<void> kept)
        : keeps(std::move(kept)), handle(std::move(object)) {}
    std::shared_ptr<void> keeps;
    Guarded<Handle> handle;
    std::atomic<bool> closed = false;
  };
  bool is_here() const noexcept { return state_->handle.origin().is_here(); }

  const char* what_;
  std::unique_ptr<State> state_;
};

/// Makes a context manager of a type. `enter` is the signature of that function.
template <class T>
void bind_closing(nb::class_<T>& type, const nb::sig& enter, const char* about_close) {
  type.def("close", [](T& self) { self.close(); }, about_close);
  type.def_prop_ro("closed", [](const T& self) { return self.is_closed(); });
  type.def("__enter__", [](nb::handle self) { return nb::borrow(self); }, enter);
  type.def(
      "__exit__", [](T& self, nb::args) { self.close(); },
      nb::sig("def __exit__(self, *_: object) -> None"));
}

inline constexpr const char* kApply =
    "def apply(self, writes: Block | collections.abc.Iterable[tuple[str, "
    "collections.abc.Iterable[tuple[bytes | str, bytes | str | None]]]]) -> None";

/// Passes a Block or change sets to `add`, which takes the target and them.
template <class Target, class Add>
void apply_writes(Guarded<Target>& target, nb::handle writes, Add&& add) {
  if (nb::isinstance<Block>(writes)) {
    auto& block = nb::cast<Block&>(writes);
    unwrap(with_both(target, block.builder(), [&](Target& to, BlockBuilder& builder) -> Status {
      return add(to, builder.change_sets());
    }));
    return;
  }
  const Changes changes(writes);
  unwrap(target.with([&](Target& to) -> Status { return add(to, changes.sets()); }));
}

template <class T>
void apply_writes(Closable<T>& target, nb::handle writes) {
  apply_writes(target.handle(), writes,
               [&](std::optional<T>& object, std::span<const NamedChangeSet> sets) -> Status {
                 if (!object) return std::unexpected(closed(target.what()));
                 return object->apply(sets);
               });
}

}  // namespace flatkv::python
