// SPDX-License-Identifier: Apache-2.0
#include "history.hpp"

#include <nanobind/stl/optional.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "flatkv/tools/inspect.hpp"
#include "guarded.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

/// A Python iterator over the blocks of a log.
class Log {
 public:
  Log(LogReader reader, std::optional<std::int64_t> last)
      : range_(reader.range()),
        last_(last),
        reader_(std::make_unique<Guarded<LogReader>>(std::move(reader))) {}

  nb::object next() {
    if (at_ && last_ && *at_ >= *last_) throw nb::stop_iteration();
    const std::optional<LogBlock> block =
        unwrap(reader_->with([](LogReader& reader) { return reader.next(); }));
    if (!block) throw nb::stop_iteration();
    at_ = block->record.version;
    if (last_ && *at_ > *last_) throw nb::stop_iteration();
    return nb::cast(*block);
  }
  const LogReader::Range& range() const noexcept { return range_; }

 private:
  LogReader::Range range_;
  std::optional<std::int64_t> last_;
  std::optional<std::int64_t> at_;  ///< guarded by the interpreter's lock
  std::unique_ptr<Guarded<LogReader>> reader_;
};

Log open_log(nb::handle path, std::optional<std::int64_t> first, std::optional<std::int64_t> last,
             bool changes) {
  const std::string place = path_of(path);
  return {unwrap(unlocked([&] { return LogReader::open(place, first, changes); })), last};
}

nb::object roots(nb::handle path, std::optional<std::int64_t> at) {
  const std::string place = path_of(path);
  const RootsAt found = unwrap(unlocked([&] { return roots_at(place, at); }));
  return nb::make_tuple(found.version, found.roots);
}

}  // namespace

void bind_history(nb::module_& module) {
  nb::class_<Log> log(module, "Log", R"(The blocks of a store's log, oldest first: see `log`.

At its end the iteration stops; iterated again, it goes on with blocks that were committed since.)");
  log.def(
      "__iter__", [](nb::handle self) { return nb::borrow(self); },
      nb::sig("def __iter__(self) -> Log"));
  log.def("__next__", &Log::next, nb::sig("def __next__(self) -> LogBlock"));
  log.def_prop_ro(
      "base", [](const Log& self) { return self.range().base; },
      "The version before the oldest block that the log held when it was opened.");
  log.def_prop_ro(
      "last", [](const Log& self) { return self.range().last; },
      "The newest version that it held then.");

  module.def("log", &open_log, "path"_a, nb::kw_only(), "first"_a = nb::none(),
             "last"_a = nb::none(), "changes"_a = false,
             nb::sig("def log(path: str | os.PathLike[str], *, first: int | None = None, last: int "
                     "| None = None, changes: bool = False) -> Log"),
             "The blocks from `first` to `last`, both included, with what they wrote if `changes` "
             "is set. Works beside a writer.");
  module.def("roots", &roots, "path"_a, nb::kw_only(), "at"_a = nb::none(),
             nb::sig("def roots(path: str | os.PathLike[str], *, at: int | None = None) -> "
                     "tuple[int, Roots]"),
             "The newest version, or `at`, and its roots line, without opening the store.");
}

}  // namespace flatkv::python
