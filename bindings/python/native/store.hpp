// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "flatkv/store.hpp"
#include "flatkv/tools/inspect.hpp"
#include "guarded.hpp"

namespace flatkv::python {

/// A store whose callback runs on this thread, while this lives.
class Callback {
 public:
  explicit Callback(const void* store) noexcept : before_(std::exchange(running_, store)) {}
  ~Callback() { running_ = before_; }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  static const void* running() noexcept { return running_; }

 private:
  static inline thread_local const void* running_ = nullptr;
  const void* before_;
};

/// A store that is open for writing. Threads take turns in the functions of the writer.
class Store {
 public:
  /// `name` is what its callbacks name by `Callback`.
  Store(CommitStore store, std::shared_ptr<const void> name)
      : name_(std::move(name)), handle_(std::make_shared<Guarded<CommitStore>>(std::move(store))) {}
  Store(Store&&) = default;
  Store& operator=(Store&&) = delete;
  ~Store() {
    if (!handle_) return;
    if (handle_->origin().is_here()) {
      // A close waits for a flush.
      unlocked([this] { handle_.reset(); });
    } else {
      leave_to_parent(std::move(handle_));
    }
  }

  /// Raises `invalid_argument` in a callback of the store: the writer may be waiting for that.
  /// Needs the interpreter's lock.
  Guarded<CommitStore>& writer() const {
    if (Callback::running() == name_.get()) {
      refuse("a callback of open may use version, roots, view, durable_version and metrics alone");
    }
    return *handle_;
  }
  CommitStore& any_thread() noexcept { return handle_->any_thread(); }
  /// For those that do not refuse a forked child themselves, with the interpreter's lock.
  CommitStore& known() {
    handle_->origin().check();
    return any_thread();
  }
  /// For what must not outlive the handle.
  std::shared_ptr<void> kept() const noexcept { return handle_; }

  template <class Step>
  auto read(Step&& step) {
    return writer().with([&](const CommitStore& store) { return step(store); });
  }
  ReadView committed() {
    return unwrap(unlocked([this] { return any_thread().view(); }));
  }

  void close() {
    unwrap(writer().with([](CommitStore& store) { return store.close(); }));
    closed_ = true;
  }
  bool is_closed() const noexcept { return closed_; }

 private:
  std::shared_ptr<const void> name_;
  std::shared_ptr<Guarded<CommitStore>> handle_;
  bool closed_ = false;  ///< guarded by the interpreter's lock
};

void bind_store(nb::module_& module);
void bind_read_only_store(nb::module_& module);

}  // namespace flatkv::python
