// SPDX-License-Identifier: Apache-2.0
#include "view.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include "closable.hpp"
#include "reads.hpp"

namespace flatkv::python {

void bind_view(nb::module_& module) {
  nb::class_<View> type(module, "View", R"(The committed state at one version.

Any number of threads may use one. It outlives commits and the store it is of, and keeps that
store's files open, and its lock, until it is closed.)");
  type.def_prop_ro("version", [](const View& self) { return self.committed().version(); });
  type.def_prop_ro("roots", [](const View& self) { return self.committed().roots(); });
  type.def_prop_ro("account_rows", [](const View& self) {
    return self.committed().account_rows() == AccountRows::keep ? "keep" : "prune_empty";
  });
  type.def(
      "stats",
      [](const View& self, const std::string& name) {
        return self.committed().stats(data_database_of(name));
      },
      "database"_a, "Rows and bytes of a database, from the store's counts.");
  bind_hash(type, [](const View& self, Database database) -> Result<LtHash> {
    return self.committed().hash(database);
  });
  bind_reads(type);
  bind_closing(type, nb::sig("def __enter__(self) -> View"),
               "Later calls are `store_failed`. Closing again does nothing.");
}

}  // namespace flatkv::python
