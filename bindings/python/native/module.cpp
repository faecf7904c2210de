// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string_view.h>

#include "block.hpp"
#include "figures.hpp"
#include "flatkv/version.hpp"
#include "following.hpp"
#include "history.hpp"
#include "interpreter.hpp"
#include "overlay.hpp"
#include "rows.hpp"
#include "store.hpp"
#include "streams.hpp"
#include "upkeep.hpp"
#include "values.hpp"
#include "view.hpp"

NB_MODULE(_flatkv, module) {
  // The interpreter does not collect everything at its end; that is no news, and a library does not
  // print.
  nanobind::set_leak_warnings(false);
  module.doc() = "The part of flatkv that is written in C++.";
  module.def("library_version", &flatkv::library_version, "The version of the library.");
  flatkv::python::bind_interpreter(module);
  flatkv::python::bind_values(module);
  flatkv::python::bind_rows(module);
  flatkv::python::bind_view(module);
  flatkv::python::bind_block(module);
  flatkv::python::bind_streams(module);
  flatkv::python::bind_overlay(module);
  flatkv::python::bind_changes(module);
  flatkv::python::bind_metrics(module);
  flatkv::python::bind_upkeep(module);
  flatkv::python::bind_store(module);
  flatkv::python::bind_read_only_store(module);
  flatkv::python::bind_history(module);
  flatkv::python::bind_differences(module);
}
