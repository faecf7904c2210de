// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "flatkv/lthash.hpp"
#include "flatkv/view.hpp"
#include "interpreter.hpp"

// Rows of a database, one after another or as columns for NumPy.
namespace flatkv::python {

/// A Python iterator over rows. Reads many rows at a time, without the interpreter's lock.
class Rows {
 public:
  explicit Rows(RowIterator rows) : rows_(std::move(rows)) {}
  ~Rows();
  Rows(Rows&&) = default;
  Rows& operator=(Rows&&) = delete;

  /// The next row as (key, value); raises StopIteration after the last. The interpreter's lock
  /// guards what is here, except while rows are read.
  nb::object next();

 private:
  Status read_more();

  Origin origin_;
  /// Gone after the last row and after an error, so that it keeps nothing alive.
  std::optional<RowIterator> rows_;
  bool reading_ = false;
  Bytes bytes_;                    ///< keys and values, one after the other
  std::vector<std::size_t> ends_;  ///< of each key and each value
  std::size_t at_ = 0;             ///< next of `ends_`
};

/// The keys or the values of many rows, as one block of bytes.
class Column {
 public:
  void add(ByteView bytes) {
    data_.insert(data_.end(), bytes.begin(), bytes.end());
    offsets_.push_back(static_cast<std::int64_t>(data_.size()));
  }
  std::size_t size() const noexcept { return offsets_.size() - 1; }
  ByteView operator[](std::size_t i) const noexcept {
    const auto start = static_cast<std::size_t>(offsets_[i]);
    return ByteView(data_).subspan(start, static_cast<std::size_t>(offsets_[i + 1]) - start);
  }
  /// The length of every item, if that is one.
  std::optional<std::size_t> width() const noexcept;
  const Bytes& data() const noexcept { return data_; }
  const std::vector<std::int64_t>& offsets() const noexcept { return offsets_; }

 private:
  Bytes data_;
  std::vector<std::int64_t> offsets_{0};
};

/// The 1024 numbers of a hash, for NumPy.
nb::object to_numbers(const LtHash& hash);

/// (keys, values) of at most `limit` rows from where the iterator is.
nb::object read_columns(RowIterator rows, std::optional<std::uint64_t> limit);

void bind_rows(nb::module_& module);

}  // namespace flatkv::python
