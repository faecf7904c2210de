// SPDX-License-Identifier: Apache-2.0
#include "callbacks.hpp"

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "waiting.hpp"

namespace flatkv::python {
namespace {

/// Who enters it may wait for the interpreter's lock. Once the interpreter ends, that would be for
/// ever, so its end waits for those inside, and lets in nobody else.
class Gate {
 public:
  template <class Step>
  void with(Step&& step) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      ++inside_;
    }
    const Leave leave{*this};
    const nb::gil_scoped_acquire acquired;
    step();
  }

  void close() {
    unlocked([this] {
      std::unique_lock lock(mutex_);
      closed_ = true;
      empty_.wait(lock, [this] { return inside_ == 0; });
    });
  }

 private:
  struct Leave {
    Gate& gate;
    ~Leave() {
      const std::lock_guard lock(gate.mutex_);
      if (--gate.inside_ == 0) gate.empty_.notify_all();
    }
  };

  std::mutex mutex_;
  std::condition_variable empty_;
  bool closed_ = false;
  int inside_ = 0;
};

/// Never destroyed: a store that nobody closed may still log when the process ends.
Gate& gate() {
  static Gate& made = *new Gate;
  return made;
}

/// A function of Python. The last copy may die on any thread.
class Function {
 public:
  explicit Function(nb::object function) {
    if (PyCallable_Check(function.ptr()) == 0) refuse_type("a callback is something to call");
    function_ = std::shared_ptr<PyObject>(
        function.release().ptr(), [](PyObject* held) { gate().with([held] { Py_DECREF(held); }); });
  }

  /// `arguments` makes a tuple of them, with the interpreter's lock.
  void operator()(const std::function<nb::tuple()>& arguments) const {
    gate().with([&] {
      try {
        nb::handle(function_.get())(*arguments());
      } catch (nb::python_error& error) {
        error.discard_as_unraisable("a callback of flatkv.open");
      }
    });
  }

 private:
  std::shared_ptr<PyObject> function_;
};

}  // namespace

LogCallback log_callback(nb::object function) {
  return [call = Function(std::move(function))](LogLevel level, std::string_view message) {
    static constexpr std::array kNames{"info", "warning", "error"};
    call([&] {
      return nb::make_tuple(kNames.at(static_cast<std::size_t>(level)), text_of(message));
    });
  };
}

std::function<void(std::int64_t)> durable_callback(nb::object function) {
  return [call = Function(std::move(function))](std::int64_t version) {
    call([version] { return nb::make_tuple(version); });
  };
}

void bind_end(nb::module_& /*module*/) {
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] { gate().close(); }));
}

}  // namespace flatkv::python
