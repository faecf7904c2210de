// SPDX-License-Identifier: Apache-2.0
#include "rows.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "values.hpp"
#include "waiting.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;
using ByteArray = nb::ndarray<nb::numpy, const std::uint8_t, nb::ndim<1>, nb::c_contig>;
using ByteMatrix = nb::ndarray<nb::numpy, const std::uint8_t, nb::ndim<2>, nb::c_contig>;
using OwnMatrix = nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<2>, nb::c_contig>;
using Numbers = nb::ndarray<nb::numpy, std::uint16_t, nb::shape<LtHash::kLimbs>, nb::c_contig>;
using GivenNumbers =
    nb::ndarray<const std::uint16_t, nb::shape<LtHash::kLimbs>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<nb::numpy, const std::int64_t, nb::ndim<1>, nb::c_contig>;

/// What is read ahead: enough that the interpreter's lock costs nothing, and little memory.
constexpr std::size_t kRowsAhead = 256;
constexpr std::size_t kBytesAhead = 256 << 10;
/// How many rows are read before a stop is looked for.
constexpr std::size_t kRowsBetweenLooks = 1024;

/// A row's number as Python counts, from the end if it is negative.
std::size_t item_of(const Column& column, Py_ssize_t index) {
  const auto size = static_cast<Py_ssize_t>(column.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) throw nb::index_error("no such row");
  return static_cast<std::size_t>(index);
}

ByteMatrix matrix_of(nb::handle self) {
  const Column& column = nb::cast<const Column&>(self);
  const std::optional<std::size_t> width = column.width();
  if (!width && column.size() > 0) refuse("the items have several widths: use data and offsets");
  return ByteMatrix(column.data().data(), {column.size(), width.value_or(0)}, self);
}

/// Bytes `first` to `last` of every item.
OwnMatrix part_of(const Column& column, std::size_t first, std::size_t last) {
  if (first > last) refuse("part: first is above last");
  const std::size_t width = last - first;
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (column[i].size() < last) {
      refuse("part: item " + std::to_string(i) + " has " + std::to_string(column[i].size()) +
             " bytes");
    }
  }
  auto bytes = std::make_unique<Bytes>();
  bytes->reserve(column.size() * width);
  for (std::size_t i = 0; i < column.size(); ++i) {
    const ByteView item = column[i].subspan(first, width);
    bytes->insert(bytes->end(), item.begin(), item.end());
  }
  std::uint8_t* const data = bytes->data();
  const nb::capsule owner(bytes.release(),
                          [](void* owned) noexcept { delete static_cast<Bytes*>(owned); });
  return OwnMatrix(data, {column.size(), width}, owner);
}

void bind_column(nb::module_& module) {
  nb::class_<Column> column(module, "Column", R"(The keys or the values of many rows.

`data` has all bytes, item after item, and `offsets` where each begins; its last is where the last
item ends. The arrays are views of this object's memory: they cannot be written, and copy nothing.)");
  column.def("__len__", &Column::size);
  column.def(
      "__getitem__",
      [](const Column& self, Py_ssize_t index) { return to_bytes(self[item_of(self, index)]); },
      "index"_a);
  column.def(
      "__iter__", [](nb::handle self) { return nb::steal(PySeqIter_New(self.ptr())); },
      nb::sig("def __iter__(self) -> collections.abc.Iterator[bytes]"));
  column.def_prop_ro(
      "data",
      [](nb::handle self) {
        const Bytes& data = nb::cast<const Column&>(self).data();
        return ByteArray(data.data(), {data.size()}, self);
      },
      nb::sig("def data(self) -> numpy.typing.NDArray[numpy.uint8]"));
  column.def_prop_ro(
      "offsets",
      [](nb::handle self) {
        const auto& offsets = nb::cast<const Column&>(self).offsets();
        return Offsets(offsets.data(), {offsets.size()}, self);
      },
      nb::sig("def offsets(self) -> numpy.typing.NDArray[numpy.int64]"));
  column.def_prop_ro("width", &Column::width,
                     "The length of every item, or None if they differ or there is none.");
  column.def_prop_ro("matrix", &matrix_of,
                     nb::sig("def matrix(self) -> numpy.typing.NDArray[numpy.uint8]"),
                     "One row for each item; `invalid_argument` if their widths differ.");
  column.def("part", &part_of, "first"_a, "last"_a,
             nb::sig("def part(self, first: int, last: int) -> numpy.typing.NDArray[numpy.uint8]"),
             "Bytes `first` to `last`, exclusive, of every item: a copy, one row for each. "
             "`invalid_argument` if an item is shorter.");
}

/// Moves rows into the columns until there are `limit`, or no more.
Status collect(RowIterator& rows, std::uint64_t limit, const std::stop_token& stop, Column& keys,
               Column& values) {
  while (rows.valid() && keys.size() < limit) {
    if (keys.size() % kRowsBetweenLooks == 0 && stop.stop_requested()) {
      Error error;
      error.code = ErrorCode::cancelled;
      return std::unexpected(std::move(error));
    }
    keys.add(rows.key());
    values.add(rows.value());
    rows.next();
  }
  if (keys.size() == limit) return {};
  return rows.status();
}

}  // namespace

std::optional<std::size_t> Column::width() const noexcept {
  if (size() == 0) return std::nullopt;
  const std::size_t first = (*this)[0].size();
  for (std::size_t i = 1; i < size(); ++i) {
    if ((*this)[i].size() != first) return std::nullopt;
  }
  return first;
}

Rows::~Rows() {
  if (!rows_) return;
  if (origin_.is_here()) {
    // It may be the last that keeps a store's files open.
    unlocked([this] { rows_.reset(); });
  } else {
    leave_to_parent(std::move(rows_));
  }
}

Status Rows::read_more() {
  bytes_.clear();
  ends_.clear();
  at_ = 0;
  for (std::size_t i = 0; i < kRowsAhead && bytes_.size() < kBytesAhead && rows_->valid(); ++i) {
    for (const ByteView item : {rows_->key(), rows_->value()}) {
      bytes_.insert(bytes_.end(), item.begin(), item.end());
      ends_.push_back(bytes_.size());
    }
    rows_->next();
  }
  // Rows that were read before an error come first.
  if (!ends_.empty()) return {};
  Status end = rows_->status();
  rows_.reset();
  return end;
}

nb::object Rows::next() {
  origin_.check();
  if (reading_) refuse("another thread is reading from this iterator");
  if (at_ == ends_.size() && rows_) {
    reading_ = true;
    Status read = unlocked([this] { return read_more(); });
    reading_ = false;
    unwrap(std::move(read));
  }
  if (at_ == ends_.size()) throw nb::stop_iteration();
  const std::size_t start = at_ == 0 ? 0 : ends_[at_ - 1];
  const std::size_t middle = ends_[at_];
  const std::size_t end = ends_[at_ + 1];
  at_ += 2;
  const ByteView bytes(bytes_);
  return nb::make_tuple(to_bytes(bytes.subspan(start, middle - start)),
                        to_bytes(bytes.subspan(middle, end - middle)));
}

nb::object read_columns(RowIterator rows, std::optional<std::uint64_t> limit) {
  const std::uint64_t most = limit.value_or(std::numeric_limits<std::uint64_t>::max());
  Column keys;
  Column values;
  wait_for([&](const Hooks& hooks) { return collect(rows, most, hooks.stop, keys, values); });
  unlocked([&] { const RowIterator done = std::move(rows); });
  return nb::make_tuple(nb::cast(std::move(keys)), nb::cast(std::move(values)));
}

nb::object to_numbers(const LtHash& hash) {
  auto copy = std::make_unique<LtHash>(hash);
  std::uint16_t* const data = copy->limbs().data();
  const nb::capsule owner(copy.release(),
                          [](void* owned) noexcept { delete static_cast<LtHash*>(owned); });
  return nb::cast(Numbers(data, {LtHash::kLimbs}, owner));
}

void bind_rows(nb::module_& module) {
  bind_column(module);
  module.def(
      "checksum",
      [](const GivenNumbers& numbers) {
        LtHash hash;
        std::copy_n(numbers.data(), LtHash::kLimbs, hash.limbs().begin());
        return to_bytes(hash.checksum());
      },
      "lt_hash"_a.noconvert(),
      nb::sig("def checksum(lt_hash: numpy.typing.NDArray[numpy.uint16]) -> bytes"),
      "The BLAKE3 of a lattice hash (see `Store.lt_hash`): what a roots line has.");
  nb::class_<Rows> rows(module, "Rows", R"(Rows in key order, as (key, value).

Shows the state of the moment when it was made, also after the store was closed, and keeps the files
of that state open until its end. One thread at a time.)");
  rows.def(
      "__iter__", [](nb::handle self) { return nb::borrow(self); },
      nb::sig("def __iter__(self) -> Rows"));
  rows.def("__next__", &Rows::next, nb::sig("def __next__(self) -> tuple[bytes, bytes]"));
}

}  // namespace flatkv::python
