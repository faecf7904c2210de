// SPDX-License-Identifier: Apache-2.0
#include "errors.hpp"

#include <optional>
#include <string_view>

namespace flatkv::python {
namespace {

template <class T>
nb::object number_or_none(const std::optional<T>& number) {
  return number ? nb::object(nb::int_(*number)) : nb::object(nb::none());
}

nb::object text_or_none(std::string_view text) {
  // A path need not be UTF-8: what is not comes as Python's file names have it.
  if (text.empty()) return nb::none();
  return nb::steal(
      PyUnicode_DecodeFSDefaultAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

}  // namespace

nb::str text_of(std::string_view text) {
  return nb::steal<nb::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

nb::object exception_of(const Error& error) {
  // Not kept: the interpreter has the module, and knows when it may go.
  const nb::object make = nb::module_::import_("flatkv._errors").attr("error_of");
  return make(text_of(to_string(error.code)), text_of(error.message), text_or_none(error.path),
              text_or_none(error.database ? to_string(*error.database) : std::string_view{}),
              number_or_none(error.version), number_or_none(error.offset));
}

void raise(const Error& error) {
  const nb::object exception = exception_of(error);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw nb::python_error();
}

void refuse(std::string message) {
  Error error;
  error.code = ErrorCode::invalid_argument;
  error.message = std::move(message);
  raise(error);
}

void refuse_type(const std::string& message) {
  PyErr_SetString(PyExc_TypeError, message.c_str());
  throw nb::python_error();
}

}  // namespace flatkv::python
