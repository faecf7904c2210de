// SPDX-License-Identifier: Apache-2.0
#include "callbacks.hpp"

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "interpreter.hpp"

namespace flatkv::python {
namespace {

/// A function of Python. The last copy may die on any thread.
class Function {
 public:
  explicit Function(nb::object function) {
    if (PyCallable_Check(function.ptr()) == 0) refuse_type("a callback is something to call");
    function_ = std::shared_ptr<PyObject>(function.release().ptr(), [](PyObject* held) {
      with_interpreter([held] { Py_DECREF(held); });
    });
  }

  /// `arguments` makes a tuple of them, with the interpreter's lock.
  void operator()(const std::function<nb::tuple()>& arguments) const {
    with_interpreter([&] {
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

}  // namespace flatkv::python
