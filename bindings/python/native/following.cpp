// SPDX-License-Identifier: Apache-2.0
#include "following.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "closable.hpp"
#include "flatkv/changes.hpp"
#include "values.hpp"
#include "waiting.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;
using Clock = std::chrono::steady_clock;

/// A Python iterator over events.
class Subscription : public Closable<flatkv::Subscription> {
 public:
  Subscription(flatkv::Subscription subscription, std::shared_ptr<void> store)
      : Closable(std::move(subscription), "the subscription", std::move(store)) {}

  /// The next event; nothing at the deadline, or once another thread has closed it. Looks for
  /// signals while it waits.
  std::optional<ChangeEvent> next(std::optional<Clock::time_point> deadline) {
    while (true) {
      const auto now = Clock::now();
      const bool last = deadline && *deadline <= now;
      std::chrono::milliseconds wait = kLook;
      if (deadline) {
        wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(*deadline - now),
                          std::chrono::milliseconds(-1), kLook);
      }
      auto next = with([&](flatkv::Subscription& subscription) { return subscription.next(wait); });
      if (!next && is_closed()) return std::nullopt;
      std::optional<ChangeEvent> event = unwrap(std::move(next));
      if (event || last) return event;
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }
  }
};

std::optional<ChangeEvent> next(Subscription& self, std::optional<double> seconds) {
  // A longer wait than a century would overflow the clock.
  constexpr double kCentury = 100.0 * 366 * 86'400;
  std::optional<Clock::time_point> deadline;
  if (seconds) {
    if (!(*seconds >= 0)) refuse("timeout: seconds, from 0 on");
    const std::chrono::duration<double> wait(std::min(*seconds, kCentury));
    deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(wait);
  }
  std::optional<ChangeEvent> event = self.next(deadline);
  if (!event && self.is_closed()) raise(closed(self.what()));
  return event;
}

ChangeEvent next_of_iteration(Subscription& self) {
  std::optional<ChangeEvent> event = self.next(std::nullopt);
  if (!event) throw nb::stop_iteration();
  return *std::move(event);
}

/// A Python iterator over blocks of the log.
class CommittedBlocks : public Closable<ChangeReader> {
 public:
  CommittedBlocks(ChangeReader reader, std::shared_ptr<void> store)
      : Closable(std::move(reader), "the iterator", std::move(store)) {}

  LogBlock next() {
    std::optional<LogBlock> block =
        unwrap(with([](ChangeReader& reader) { return reader.next(); }));
    if (!block) throw nb::stop_iteration();
    return *std::move(block);
  }
};

CommittedBlocks changes(Store& self, std::int64_t first, std::optional<std::int64_t> last) {
  return {unwrap(unlocked([&] {
            CommitStore& store = self.any_thread();
            return store.changes(first, last.value_or(store.version()));
          })),
          self.kept()};
}

Subscription subscribe(Store& self, const std::string& deliver, nb::handle cursor,
                       std::optional<std::int64_t> after, std::uint32_t depth,
                       const std::optional<std::string>& name) {
  SubscribeOptions options;
  if (deliver == "committed") {
    options.deliver = Deliver::committed;
  } else if (deliver != "durable") {
    refuse("deliver: 'durable' or 'committed', not '" + deliver + "'");
  }
  if (!cursor.is_none()) options.cursor = unwrap(Cursor::decode(bytes_of(cursor, "cursor")));
  options.after = after;
  options.depth = depth;
  if (name) {
    if (name->empty()) refuse("name: empty");
    options.name = *name;
  }
  return {unwrap(unlocked([&] { return self.any_thread().subscribe(options); })), self.kept()};
}

nb::dict named_cursors(Store& self) {
  nb::dict cursors;
  for (const NamedCursor& cursor :
       unwrap(unlocked([&] { return self.any_thread().named_cursors(); }))) {
    cursors[nb::str(cursor.name.c_str())] = cursor.version;
  }
  return cursors;
}

void bind_event(nb::module_& module) {
  nb::class_<ChangeEvent> event(module, "ChangeEvent",
                                "A block was committed on top, or the store went back.");
  event.def_prop_ro(
      "version", [](const ChangeEvent& self) { return self.at.version; },
      "Of the block; or where the store went back to: all blocks above are undone.");
  event.def_prop_ro(
      "chain", [](const ChangeEvent& self) { return to_bytes(self.at.chain); },
      "Tells this version from the same one of another branch.");
  event.def_prop_ro("undo", [](const ChangeEvent& self) { return !self.block.has_value(); });
  event.def_ro("block", &ChangeEvent::block, nb::sig("def block(self) -> LogBlock | None"),
               "The block with its change sets; None for an undo.");
}

void bind_subscription(nb::module_& module) {
  nb::class_<Subscription> type(
      module, "Subscription",
      R"(Every commit and every undo of a store in order: see `Store.subscribe`.

Iterating waits for each event, until Ctrl-C, or until `close`, which any thread may call; if the
store is closed, that is `store_failed`, and `log_gap` if the log no longer holds what comes next.
Otherwise it is for one thread at a time. It keeps its store from being collected.)");
  type.def(
      "__iter__", [](nb::handle self) { return nb::borrow(self); },
      nb::sig("def __iter__(self) -> Subscription"));
  type.def("__next__", &next_of_iteration, nb::sig("def __next__(self) -> ChangeEvent"));
  type.def("next", &next, "timeout"_a = nb::none(),
           nb::sig("def next(self, timeout: float | None = None) -> ChangeEvent | None"),
           "The next event; None if there was none within `timeout` seconds. Stops at Ctrl-C.");
  type.def(
      "cursor",
      [](Subscription& self) {
        const Cursor cursor = unwrap(self.with(
            [](const flatkv::Subscription& subscription) { return subscription.cursor(); }));
        return to_bytes(unwrap(cursor.encode()));
      },
      "Where the consumer stands after the last event that was delivered. Store it with the "
      "effects "
      "of that event, and hand it to the next `subscribe`. `unsupported` with "
      "deliver='committed'.");
  type.def(
      "acknowledge",
      [](Subscription& self, nb::handle cursor) {
        const Cursor stored = unwrap(Cursor::decode(bytes_of(cursor, "cursor")));
        unwrap(self.with(
            [&](flatkv::Subscription& subscription) { return subscription.acknowledge(stored); }));
      },
      "cursor"_a, nb::sig("def acknowledge(self, cursor: bytes | str) -> None"),
      "This cursor is stored: the log before it need not be kept for the name. `not_found` if the "
      "name was dropped.");
  bind_closing(
      type, nb::sig("def __enter__(self) -> Subscription"),
      "Ends the subscription, and an iteration over it. A name keeps the log all the same, "
      "until `drop_cursor`. Closing again does nothing.");
}

}  // namespace

void bind_changes(nb::module_& module) {
  bind_event(module);
  bind_subscription(module);
  nb::class_<CommittedBlocks> blocks(module, "Changes",
                                     "Committed blocks, oldest first: see `Store.changes`.");
  blocks.def(
      "__iter__", [](nb::handle self) { return nb::borrow(self); },
      nb::sig("def __iter__(self) -> Changes"));
  blocks.def("__next__", &CommittedBlocks::next, nb::sig("def __next__(self) -> LogBlock"));
}

void bind_following(nb::class_<Store>& type) {
  type.def("changes", &changes, "first"_a, "last"_a = nb::none(),
           nb::sig("def changes(self, first: int, last: int | None = None) -> Changes"),
           "The committed blocks from version `first` to `last`, both included, or to the newest, "
           "with their change sets, from the log. A rollback below ends the iteration with "
           "`version_mismatch`.");
  type.def(
      "subscribe", &subscribe, nb::kw_only(), "deliver"_a = "durable", "cursor"_a = nb::none(),
      "after"_a = nb::none(), "depth"_a = SubscribeOptions{}.depth, "name"_a = nb::none(),
      nb::sig("def subscribe(self, *, deliver: typing.Literal['durable', 'committed'] = 'durable', "
              "cursor: bytes | str | None = None, after: int | None = None, depth: int = 128, "
              "name: str | None = None) -> Subscription"),
      "Every commit and undo, first from the log, then as they happen: from where `cursor` was "
      "taken, or after version `after`, or from now on. 'durable' waits until no power cut takes "
      "the block back; 'committed' delivers at once, without a cursor. `depth` blocks may be "
      "undone while the consumer is away. The store keeps the log that the consumer `name` has "
      "not acknowledged, up to `log_keep_bytes`; one subscription at a time has the name.");
  type.def("named_cursors", &named_cursors, nb::sig("def named_cursors(self) -> dict[str, int]"),
           "The names for which the log is kept, each with the version above which it is.");
  type.def(
      "drop_cursor",
      [](Store& self, const std::string& name) {
        unwrap(unlocked([&] { return self.any_thread().drop_cursor(name); }));
      },
      "name"_a, "Keeps the log no more for this name; `not_found` if there is none.");
}

}  // namespace flatkv::python
