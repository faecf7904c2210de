// SPDX-License-Identifier: Apache-2.0
#include "overlay.hpp"

#include <vector>

#include "reads.hpp"

namespace flatkv::python {

void bind_overlay(nb::module_& module) {
  nb::class_<Overlay> type(module, "Overlay", R"(A block that is not final: see `Store.overlay`.

Its writes stand on the committed state or on another overlay, and are seen through it alone. Reads
go on through it while blocks are committed below it. Once another block was committed in its place,
or what it stands on was rolled back, every call is `stale`. Its memory counts against
`overlay_memory_bytes` until it is closed. Threads may use different ones at a time, and take turns
in one. It keeps its store from being collected.)");
  type.def_prop_ro(
      "version",
      [](Overlay& self) {
        return unwrap(self.with([](const flatkv::Overlay& overlay) -> Result<std::int64_t> {
          return overlay.version();
        }));
      },
      "The version that its block would be committed as, or was.");
  type.def(
      "apply", [](Overlay& self, nb::handle writes) { apply_writes(self, writes); }, "writes"_a,
      nb::sig(kApply),
      "Adds writes, as Store.apply does. `invalid_argument` once it has children or is committed.");
  type.def(
      "working_roots",
      [](Overlay& self) {
        return unwrap(
            self.with([](const flatkv::Overlay& overlay) { return overlay.working_roots(); }));
      },
      "The roots line with its writes and those below it.");
  type.def(
      "child",
      [](Overlay& self) {
        return unwrap(self.with([&](flatkv::Overlay& overlay) -> Result<Overlay> {
          Result<flatkv::Overlay> made = overlay.child();
          if (!made) return std::unexpected(std::move(made).error());
          return Overlay(*std::move(made), self.keeps());
        }));
      },
      "An empty overlay on top of this one, which no longer changes.");
  bind_hash(type, [](Overlay& self, Database database) {
    return self.with(
        [&](const flatkv::Overlay& overlay) { return overlay.working_hash(database); });
  });
  bind_gets(type);
  bind_ranges(type);
  bind_prefetch(type, [](Overlay& self, const std::vector<ByteView>& keys) {
    return self.with([&](const flatkv::Overlay& overlay) { return overlay.prefetch(keys); });
  });
  bind_closing(
      type, nb::sig("def __enter__(self) -> Overlay"),
      "Drops the block, and frees its memory. Its children stay. Closing again does nothing.");
}

}  // namespace flatkv::python
