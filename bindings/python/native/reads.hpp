// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "flatkv/tools/transfer.hpp"
#include "flatkv/verify.hpp"
#include "rows.hpp"
#include "streams.hpp"
#include "values.hpp"
#include "waiting.hpp"

// What can be read from a store, a read-only store and a view.
namespace flatkv::python {

using namespace nb::literals;

inline RowRange range_of(nb::handle prefix, nb::handle start, nb::handle end) {
  const auto bytes = [](nb::handle value, const char* name) {
    return value.is_none() ? Bytes{} : bytes_of(value, name);
  };
  return {
      .prefix = bytes(prefix, "prefix"), .start = bytes(start, "start"), .end = bytes(end, "end")};
}

template <class State>
RowIterator iterate(State& state, const std::string& database, nb::handle prefix, nb::handle start,
                    nb::handle end) {
  const Database which = database_of(database);
  const RowRange range = range_of(prefix, start, end);
  return unwrap(state.read([&](const auto& from) { return from.iterate(which, range); }));
}

/// Runs a step with keys that Python has in an iterable.
template <class Step>
auto with_keys(nb::handle keys, Step&& step) {
  std::vector<Bytes> owned;
  for (const nb::handle key : nb::iter(keys)) owned.push_back(bytes_of(key, "key"));
  return step(std::vector<ByteView>(owned.begin(), owned.end()));
}

template <class State>
nb::list get_many(State& state, nb::handle keys) {
  const auto read = [&](const std::vector<ByteView>& borrowed) {
    return unwrap(state.read([&](const auto& from) { return from.get_many(borrowed); }));
  };
  nb::list values;
  for (const auto& value : with_keys(keys, read)) {
    values.append(to_object(value));
  }
  return values;
}

/// Single values. `State::read` runs a step with what is to be read, without the interpreter's
/// lock.
template <class State>
void bind_gets(nb::class_<State>& type) {
  type.def(
      "get",
      [](State& self, nb::handle key) {
        const Bytes bytes = bytes_of(key, "key");
        return to_object(unwrap(self.read([&](const auto& from) { return from.get(bytes); })));
      },
      "key"_a, nb::sig("def get(self, key: bytes | str) -> bytes | None"),
      "The value of an external key (see `storage_key` and its like); None if it is absent.");
  type.def("get_many", &get_many<State>, "keys"_a,
           nb::sig("def get_many(self, keys: collections.abc.Iterable[bytes | str]) -> "
                   "list[bytes | None]"),
           "What `get` returns for each key. Faster than one by one.");
  type.def(
      "account",
      [](State& self, nb::handle address) {
        const Address key = address_of(address);
        return unwrap(self.read([&](const auto& from) { return from.account(key); }));
      },
      "address"_a, nb::sig("def account(self, address: bytes | str) -> Account | None"));
  type.def(
      "storage",
      [](State& self, nb::handle address, nb::handle slot) {
        const Address key = address_of(address);
        const Slot place = word_of(slot, "slot");
        return to_object(
            unwrap(self.read([&](const auto& from) { return from.storage(key, place); })));
      },
      "address"_a, "slot"_a,
      nb::sig("def storage(self, address: bytes | str, slot: int | bytes | str) -> bytes | None"),
      "The value of a storage slot, as it was set.");
  type.def(
      "code",
      [](State& self, nb::handle address) {
        const Address key = address_of(address);
        return to_object(unwrap(self.read([&](const auto& from) { return from.code(key); })));
      },
      "address"_a, nb::sig("def code(self, address: bytes | str) -> bytes | None"));
  type.def(
      "row",
      [](State& self, const std::string& database, nb::handle key) {
        const Database which = database_of(database);
        const Bytes bytes = bytes_of(key, "key");
        return to_object(
            unwrap(self.read([&](const auto& from) { return from.row(which, bytes); })));
      },
      "database"_a, "key"_a,
      nb::sig("def row(self, database: str, key: bytes | str) -> bytes | None"),
      "A stored row by its internal key.");
}

/// `ask` passes keys on, and returns a Status.
template <class State, class Ask>
void bind_prefetch(nb::class_<State>& type, Ask&& ask) {
  type.def(
      "prefetch",
      [ask](State& self, nb::handle keys) {
        unwrap(with_keys(
            keys, [&](const std::vector<ByteView>& borrowed) { return ask(self, borrowed); }));
      },
      "keys"_a, nb::sig("def prefetch(self, keys: collections.abc.Iterable[bytes | str]) -> None"),
      "Loads the rows of these external keys into the row cache, in the background, for a block "
      "that is going to touch them. A hint: beyond `prefetch_rows` rows are dropped, and without a "
      "row cache all are.");
}

/// `hash` gives that of a data database, or its error.
template <class State, class Hash>
void bind_hash(nb::class_<State>& type, Hash&& hash) {
  type.def(
      "lt_hash",
      [hash](State& self, const std::string& database) {
        return to_numbers(unwrap(hash(self, data_database_of(database))));
      },
      "database"_a,
      nb::sig("def lt_hash(self, database: str) -> numpy.typing.NDArray[numpy.uint16]"),
      "The lattice hash of a database, with what is not committed yet: 1024 numbers. The sum of "
      "two "
      "is that of both sets of rows, and `checksum` of it what a roots line has.");
}

/// Many rows.
template <class State>
void bind_ranges(nb::class_<State>& type) {
  type.def(
      "rows",
      [](State& self, const std::string& database, nb::handle prefix, nb::handle start,
         nb::handle end) { return Rows(iterate(self, database, prefix, start, end)); },
      "database"_a, nb::kw_only(), "prefix"_a = nb::none(), "start"_a = nb::none(),
      "end"_a = nb::none(),
      nb::sig("def rows(self, database: str, *, prefix: bytes | str | None = None, "
              "start: bytes | str | None = None, end: bytes | str | None = None) -> Rows"),
      "The rows of a database in key order: internal keys with `prefix`, from `start` on, below "
      "`end`.");
  type.def(
      "columns",
      [](State& self, const std::string& database, nb::handle prefix, nb::handle start,
         nb::handle end, std::optional<std::uint64_t> limit) {
        return read_columns(iterate(self, database, prefix, start, end), limit);
      },
      "database"_a, nb::kw_only(), "prefix"_a = nb::none(), "start"_a = nb::none(),
      "end"_a = nb::none(), "limit"_a = nb::none(),
      nb::sig("def columns(self, database: str, *, prefix: bytes | str | None = None, "
              "start: bytes | str | None = None, end: bytes | str | None = None, "
              "limit: int | None = None) -> tuple[Column, Column]"),
      "The keys and the values of the rows that `rows` gives, at most `limit`, for NumPy. "
      "Stops at Ctrl-C.");
}

/// Work on the whole committed state: `State::committed` is a view of it.
template <class State>
void bind_scans(nb::class_<State>& type) {
  type.def(
      "verify",
      [](State& self, std::optional<std::string> database, std::uint32_t threads,
         std::uint64_t rows_per_second, nb::object progress) {
        VerifyOptions options;
        options.database = database_of(database);
        options.threads = threads;
        options.rows_per_second = rows_per_second;
        const ReadView view = self.committed();
        return wait_for(
            [&](const Hooks& hooks) {
              options.stop = hooks.stop;
              options.progress = hooks.progress;
              return flatkv::verify(view, options);
            },
            progress);
      },
      nb::kw_only(), "database"_a = nb::none(), "threads"_a = 0, "rows_per_second"_a = 0,
      "progress"_a = nb::none(),
      nb::sig(
          "def verify(self, *, database: str | None = None, threads: int = 0, "
          "rows_per_second: int = 0, progress: collections.abc.Callable[[str, int, int], object] "
          "| None = None) -> VerifyReport"),
      "Reads every committed row and compares the hashes. Differences are in the report and are no "
      "errors. 0 threads is one for each core. Stops at Ctrl-C.");
  type.def(
      "export",
      [](State& self, nb::handle target, nb::object progress) {
        const ReadView view = self.committed();
        export_to(view, target, progress);
      },
      "target"_a, nb::kw_only(), "progress"_a = nb::none(),
      nb::sig("def export(self, target: str | os.PathLike[str] | typing.BinaryIO, *, progress: "
              "collections.abc.Callable[[str, int, int], object] | None = None) -> None"),
      "Writes the committed state to a file, compressed if its name ends in '.zst', or to an "
      "object with `write`. A file appears when it is complete. Stops at Ctrl-C.");
}

template <class State>
void bind_reads(nb::class_<State>& type) {
  bind_gets(type);
  bind_ranges(type);
  bind_scans(type);
}

}  // namespace flatkv::python
