// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <utility>

#include "flatkv/view.hpp"
#include "interpreter.hpp"

namespace flatkv::python {

/// A view that can be given up before Python collects it.
class View {
 public:
  explicit View(ReadView view) : view_(std::move(view)) {}
  View(View&&) = default;
  View& operator=(View&&) = delete;
  ~View() { close(); }

  /// Raises `store_failed` once it is closed, and `unsupported` in a forked child.
  const ReadView& committed() const {
    origin_.check();
    if (!view_) raise(closed("the view"));
    return *view_;
  }

  /// Reads a copy, since another thread may close this one meanwhile.
  template <class Step>
  auto read(Step&& step) const {
    std::optional<ReadView> copy = committed();
    return unlocked([&] {
      auto done = step(*copy);
      copy.reset();
      return done;
    });
  }

  void close() {
    // It may be the last that keeps a store's files open.
    std::optional<ReadView> last = std::exchange(view_, std::nullopt);
    if (!origin_.is_here()) return leave_to_parent(std::move(last));
    if (last) unlocked([&] { last.reset(); });
  }
  bool is_closed() const noexcept { return !view_; }

 private:
  Origin origin_;
  std::optional<ReadView> view_;
};

void bind_view(nb::module_& module);

}  // namespace flatkv::python
