// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/change_set.hpp"
#include "outcome.hpp"

namespace flatkv::cli {

/// One `apply` call of one block, as read from a file. Owns all bytes that its change sets point
/// to; moving it keeps them where they are.
struct ChangeLine {
  std::int64_t version = 0;
  std::uint64_t number = 0;  ///< of the line or record in its file, from 1
  std::vector<NamedChangeSet> sets;

  std::uint64_t rows() const noexcept { return pairs.size(); }
  /// Memory that it takes, roughly.
  std::uint64_t weight() const noexcept {
    return sizeof(ChangeLine) + bytes_size + pairs.size() * sizeof(KVPair) +
           sets.size() * sizeof(NamedChangeSet);
  }

  std::unique_ptr<std::uint8_t[]> bytes;
  std::size_t bytes_size = 0;
  std::vector<KVPair> pairs;
};

/// What is done about members and fields that the format does not name, and about JSON pairs with
/// neither value nor delete.
enum class Reading : std::uint8_t {
  lenient,  ///< skipped; the empty value
  strict,   ///< malformed
};

/// Yields the lines of a file of change sets in order. One thread.
class ChangeReader {
 public:
  virtual ~ChangeReader() = default;
  /// Nothing at the end. Malformed input is wrong use, with line and version in the message.
  virtual Outcome<std::optional<ChangeLine>> next() = 0;
  /// "line 12" or "record 12", for messages.
  virtual std::string place(std::uint64_t number) const = 0;
};

}  // namespace flatkv::cli
