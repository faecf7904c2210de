// SPDX-License-Identifier: Apache-2.0
#include "store.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "figures.hpp"
#include "following.hpp"
#include "options.hpp"
#include "overlay.hpp"
#include "reads.hpp"
#include "upkeep.hpp"
#include "view.hpp"

namespace flatkv::python {
namespace {

void create(nb::handle path, const std::string& account_rows, std::int64_t initial_version) {
  const std::string place = path_of(path);
  const CreateOptions options = create_options(account_rows, initial_version);
  unwrap(unlocked([&] { return CommitStore::create(place, options); }));
}

/// Says on each thread that runs the callback whose it is.
template <class... Told>
void name_callback(std::function<void(Told...)>& callback,
                   const std::shared_ptr<const void>& store) {
  if (!callback) return;
  callback = [call = std::move(callback), store](Told... told) {
    const Callback running(store.get());
    call(told...);
  };
}

Store open(nb::handle path, const nb::kwargs& named) {
  const std::string place = path_of(path);
  Options options = options_of(named);
  const std::shared_ptr<const void> name = std::make_shared<char>();
  name_callback(options.log, name);
  name_callback(options.on_durable, name);
  return {unwrap(unlocked([&] { return CommitStore::open(place, options); })), name};
}

void apply(Store& self, nb::handle writes) {
  apply_writes(self.writer(), writes, [](CommitStore& store, std::span<const NamedChangeSet> sets) {
    return store.apply(sets);
  });
}

Roots commit(Store& self, std::optional<std::int64_t> version) {
  return unwrap(self.writer().with(
      [&](CommitStore& store) { return store.commit(version.value_or(store.version() + 1)); }));
}

Overlay overlay(Store& self) {
  return {unwrap(unlocked([&] { return self.any_thread().overlay(); })), self.kept()};
}

Roots commit_overlay(Store& self, Overlay& overlay, std::optional<std::int64_t> version) {
  return unwrap(with_both(self.writer(), overlay.handle(),
                          [&](CommitStore& store, Overlay::Handle& block) -> Result<Roots> {
                            if (!block) return std::unexpected(closed(overlay.what()));
                            return version ? store.commit(*block, *version) : store.commit(*block);
                          }));
}

View view(Store& self, std::optional<std::int64_t> version) {
  return View(unwrap(unlocked(
      [&] { return version ? self.any_thread().view(*version) : self.any_thread().view(); })));
}

void bind_state(nb::class_<Store>& type) {
  type.def_prop_ro(
      "version", [](Store& self) { return self.known().version(); },
      "The last committed version; one below the initial version for a new store.");
  type.def_prop_ro("initial_version", [](Store& self) { return self.known().initial_version(); });
  type.def_prop_ro(
      "durable_version", [](Store& self) { return self.known().durable_version(); },
      "The highest version that is known to survive a power cut.");
  type.def(
      "wait_durable",
      [](Store& self, std::int64_t version) {
        unwrap(unlocked([&] { return self.any_thread().wait_durable(version); }));
      },
      "version"_a, "Waits until `durable_version` is at least this: see `durability` of `open`.");
  type.def_prop_ro("account_rows", [](Store& self) {
    return self.known().account_rows() == AccountRows::keep ? "keep" : "prune_empty";
  });
  type.def_prop_ro(
      "roots", [](Store& self) { return self.known().committed_roots(); },
      "The committed roots line.");
  type.def_prop_ro(
      "has_pending",
      [](Store& self) {
        return self.writer().with([](CommitStore& store) { return store.has_pending(); });
      },
      "Whether the pending block writes any row.");
  type.def(
      "working_roots",
      [](Store& self) {
        return unwrap(self.writer().with([](CommitStore& store) { return store.working_roots(); }));
      },
      "The roots line with the pending block on top.");
  type.def("view", &view, "version"_a = nb::none(),
           nb::sig("def view(self, version: int | None = None) -> View"),
           "The committed state, or that of one of the last `recent_versions` versions.");
  bind_reads(type);
  bind_hash(type, [](Store& self, Database database) {
    return self.writer().with([&](CommitStore& store) { return store.working_hash(database); });
  });
}

void bind_writes(nb::class_<Store>& type) {
  type.def("apply", &apply, "writes"_a, nb::sig(kApply),
           "Adds writes to the pending block: all of them or, on an error, none. Takes a Block or "
           "change sets: (\"evm\", pairs), each pair a key and a value, of which None removes.");
  type.def("commit", &commit, "version"_a = nb::none(),
           nb::sig("def commit(self, version: int | None = None) -> Roots"),
           "Commits the pending block as the next version, which `version` may name.");
  type.def(
      "overlay", &overlay,
      "An empty overlay on the committed state: a block of its own, beside the pending one and "
      "any number of others.");
  type.def(
      "commit_overlay", &commit_overlay, "overlay"_a, "version"_a = nb::none(),
      nb::sig("def commit_overlay(self, overlay: Overlay, version: int | None = None) -> Roots"),
      "Commits an overlay and, before it, the uncommitted ones below it, each as a version of its "
      "own. `version`, which may be named, is the overlay's. Overlays on other branches are stale "
      "then.");
  bind_prefetch(type, [](Store& self, const std::vector<ByteView>& keys) {
    return unlocked([&] { return self.any_thread().prefetch(keys); });
  });
  type.def(
      "discard",
      [](Store& self) { self.writer().with([](CommitStore& store) { store.discard(); }); },
      "Drops the pending block.");
  type.def(
      "flush",
      [](Store& self) {
        unwrap(self.writer().with([](CommitStore& store) { return store.flush(); }));
      },
      "Writes all committed rows into the databases.");
  type.def(
      "snapshot",
      [](Store& self) {
        unwrap(self.writer().with([](CommitStore& store) { return store.snapshot(); }));
      },
      "Writes a snapshot of the committed state, from which older versions can be read.");
  type.def(
      "rollback",
      [](Store& self, std::int64_t version) {
        unwrap(self.writer().with([&](CommitStore& store) { return store.rollback(version); }));
      },
      "version"_a,
      "Goes back to an older version; what is above is lost. From `metrics().undo_floor` on that "
      "is "
      "an undo, and takes milliseconds: see `rollback_depth` of `open`. Below, it builds the state "
      "from a snapshot.");
  bind_closing(
      type, nb::sig("def __enter__(self) -> Store"),
      "Makes the store durable and releases it. Views stay readable, and keep its lock until "
      "they are closed. Drops the pending block. Closing again does nothing.");
}

}  // namespace

void bind_store(nb::module_& module) {
  nb::class_<Store> type(module, "Store", R"(A store that is open for writing: see `open`.

Threads take turns in its functions. For reading beside a writer, take a `view`: any number of
threads may use one, and they wait for nobody. After `close`, calls are `store_failed`.)");
  bind_state(type);
  bind_writes(type);
  bind_following(type);
  bind_figures(type);
  bind_upkeep(type);

  module.def("create", &create, "path"_a, nb::kw_only(), "account_rows"_a = "keep",
             "initial_version"_a = 1,
             nb::sig("def create(path: str | os.PathLike[str], *, account_rows: "
                     "typing.Literal['keep', 'prune_empty'] = 'keep', initial_version: int = 1) "
                     "-> None"),
             "Creates an empty store.");
  module.def(
      "open", &open, "path"_a, "options"_a, nb::sig(kOpen),
      "Opens a store for writing, and recovers it if needed. `create` makes one where there is "
      "none; `account_rows` and `initial_version` are used only then. `strict` refuses what is "
      "probably a mistake. `log` and `on_durable` are called by threads of the library; of the "
      "store they may use `version`, `roots`, `view`, `durable_version` and `metrics` alone. The "
      "others are as in flatkv/options.hpp, and as there if None.");
}

}  // namespace flatkv::python
