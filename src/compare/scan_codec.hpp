// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/error.hpp"
#include "compare/digest_tree.hpp"
#include "flatkv/account.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/tools/transfer.hpp"

// What the bytes of digests and of scans of parts have in common (docs/formats.md).
namespace flatkv::compare {

class ByteWriter {
 public:
  template <std::unsigned_integral T>
  ByteWriter& put(T value) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    store_le(bytes.data(), value);
    append(bytes_, bytes);
    return *this;
  }
  ByteWriter& raw(ByteView bytes) {
    append(bytes_, bytes);
    return *this;
  }
  ByteWriter& sized(ByteView bytes) {
    return put(static_cast<std::uint32_t>(bytes.size())).raw(bytes);
  }
  ByteWriter& put(const DatabaseStats& stats) {
    return put(stats.rows).put(stats.key_bytes).put(stats.value_bytes);
  }
  /// Magic, format number and what a scan is of.
  void begin(std::string_view magic, std::uint32_t format, AccountRows account_rows,
             std::int64_t version, const Roots& roots);
  void put_nodes(const Nodes& nodes);
  /// The digest of everything, and all bytes.
  Bytes seal();

 private:
  Bytes bytes_;
};

/// Reads from the front. Compares every length with what is left before it reads, and says
/// `corruption` with the offset. One thread.
class ByteReader {
 public:
  /// `what` it reads, for messages.
  ByteReader(ByteView all, std::string_view what) : all_(all), rest_(all), what_(what) {}

  Failure bad(const std::string& message) const;
  /// Magic, format number (or `format_too_new`), what the scan is of; and the digest over
  /// everything, which ends the bytes from now on.
  Status begin(std::string_view magic, std::uint32_t format, AccountRows& account_rows,
               std::int64_t& version, Roots& roots);
  Status end() const;

  Status take(std::size_t bytes, ByteView& into);
  template <std::unsigned_integral T>
  Status take(T& into) {
    ByteView bytes;
    FLATKV_TRY(take(sizeof(T), bytes));
    into = load_le<T>(bytes.data());
    return {};
  }
  template <std::size_t N>
  Status take(std::array<std::uint8_t, N>& into) {
    ByteView bytes;
    FLATKV_TRY(take(N, bytes));
    std::copy(bytes.begin(), bytes.end(), into.begin());
    return {};
  }
  Status take(DatabaseStats& into);
  /// With a length before them, of at most `most`.
  Status take_sized(std::size_t most, Bytes& into);
  /// The number of databases, one or all four, of which four are in order.
  Status take_databases(std::size_t& count);
  Status take_database(std::size_t place, std::size_t count, Database& into);
  /// A tree of `rows` rows, empty or with one root, whose leaves have at most `leaf_rows`.
  Status take_nodes(std::uint64_t leaf_rows, std::uint64_t rows, Nodes& nodes);

 private:
  Status take_node(std::uint64_t leaf_rows, Node& node);
  Status join(std::uint64_t leaf_rows, std::uint64_t rows, Node& node, const Node& left,
              const Node& right) const;

  ByteView all_;
  ByteView rest_;
  std::string_view what_;
};

/// All of a source; `corruption` if that is more than `most` bytes.
Result<Bytes> read_all(ByteSource& source, std::size_t most, const std::string& too_large);

}  // namespace flatkv::compare
