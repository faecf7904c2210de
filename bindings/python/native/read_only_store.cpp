// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "callbacks.hpp"
#include "closable.hpp"
#include "overlay.hpp"
#include "reads.hpp"
#include "store.hpp"
#include "view.hpp"

namespace flatkv::python {
namespace {

/// A clone of a store. Its handle is for one thread at a time; threads take turns. Overlays keep
/// it.
class ReadOnly : public Closable<std::shared_ptr<ReadOnlyStore>> {
 public:
  explicit ReadOnly(ReadOnlyStore store)
      : Closable(std::make_shared<ReadOnlyStore>(std::move(store)), "the read-only store") {}

  template <class Step>
  auto with(Step&& step) {
    return Closable::with(
        [&](const std::shared_ptr<ReadOnlyStore>& store) { return step(*store); });
  }
  template <class Step>
  auto read(Step&& step) {
    return with([&](const ReadOnlyStore& store) { return step(store); });
  }
  ReadView committed() {
    return unwrap(with([](ReadOnlyStore& store) -> Result<ReadView> { return store.view(); }));
  }
  Overlay overlay() {
    using Made = Result<Overlay>;
    return unwrap(Closable::with([](const std::shared_ptr<ReadOnlyStore>& store) -> Made {
      Result<flatkv::Overlay> made = store->overlay();
      if (!made) return std::unexpected(std::move(made).error());
      return Overlay(*std::move(made), store);
    }));
  }
};

ReadOnly open_read_only(nb::handle path, std::optional<std::int64_t> at, nb::handle scratch,
                        std::uint32_t threads, bool strict, nb::object log) {
  ReadOnlyOptions options;
  options.at = at;
  if (!scratch.is_none()) options.scratch = path_of(scratch);
  options.threads = threads;
  options.strict = strict;
  if (!log.is_none()) options.log = log_callback(std::move(log));
  const std::string place = path_of(path);
  return ReadOnly(wait_for([&](const Hooks& hooks) {
    options.stop = hooks.stop;
    return ReadOnlyStore::open(place, options);
  }));
}

void apply(ReadOnly& self, nb::handle writes) {
  apply_writes(self.handle(), writes,
               [&](ReadOnly::Handle& store, std::span<const NamedChangeSet> sets) -> Status {
                 if (!store) return std::unexpected(closed(self.what()));
                 return (*store)->apply(sets);
               });
}

void bind_what_if(nb::class_<ReadOnly>& type) {
  type.def("apply", &apply, "writes"_a, nb::sig(kApply),
           "Adds writes to a block that is never committed, to ask what would be.");
  type.def("overlay", &ReadOnly::overlay,
           "An empty overlay on this state, for blocks that build on one another. It cannot be "
           "committed, and keeps the clone until it is closed.");
  type.def(
      "working_roots",
      [](ReadOnly& self) {
        return unwrap(self.with([](ReadOnlyStore& store) { return store.working_roots(); }));
      },
      "The roots line with these writes.");
  type.def(
      "discard",
      [](ReadOnly& self) {
        unwrap(self.with([](ReadOnlyStore& store) -> Status {
          store.discard();
          return {};
        }));
      },
      "Drops these writes.");
}

}  // namespace

void bind_read_only_store(nb::module_& module) {
  nb::class_<ReadOnly> type(module, "ReadOnlyStore",
                            R"(A private clone of a store at one version: see `open_read_only`.

Threads take turns in its functions; its views are for any number of them.)");
  type.def_prop_ro("version", [](ReadOnly& self) { return self.committed().version(); });
  type.def_prop_ro("roots", [](ReadOnly& self) { return self.committed().roots(); });
  type.def(
      "view", [](ReadOnly& self) { return View(self.committed()); },
      "The state without the writes of `apply`.");
  bind_reads(type);
  bind_what_if(type);
  bind_closing(
      type, nb::sig("def __enter__(self) -> ReadOnlyStore"),
      "Removes the clone when its last view and overlay are closed. Closing again does nothing.");

  module.def("open_read_only", &open_read_only, "path"_a, nb::kw_only(), "at"_a = nb::none(),
             "scratch"_a = nb::none(), "threads"_a = 0, "strict"_a = false, "log"_a = nb::none(),
             nb::sig("def open_read_only(path: str | os.PathLike[str], *, at: int | None = None, "
                     "scratch: str | os.PathLike[str] | None = None, threads: int = 0, strict: "
                     "bool = False, log: "
                     "collections.abc.Callable[[typing.Literal['info', 'warning', 'error'], str], "
                     "object] | None = None) -> ReadOnlyStore"),
             "Opens a store for reading, at its newest version or at `at`, without changing it, "
             "also beside a writer in this or another process. The clone lies in `scratch`, or in "
             "the store's folder. Stops at Ctrl-C.");
}

}  // namespace flatkv::python
