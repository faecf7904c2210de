// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "change_line.hpp"
#include "codec/change_log_entry.hpp"
#include "input.hpp"

namespace flatkv::cli {

/// Change sets as protobuf: records of `uvarint length ‖ ChangelogEntry`. Memory grows with what is
/// really there, never with a length that a record claims.
class PbChangeReader : public ChangeReader {
 public:
  /// A block's payload is at most 1 GiB; the store refuses larger ones below this limit.
  static constexpr std::uint64_t kMaxRecord = std::uint64_t{2} << 30;

  explicit PbChangeReader(Source& source, Reading reading = Reading::lenient);
  Outcome<std::optional<ChangeLine>> next() override;
  std::string place(std::uint64_t number) const override;

 private:
  Outcome<bool> more();  ///< false at the end
  Outcome<std::optional<std::uint64_t>> read_length();
  Outcome<std::size_t> read_payload(std::uint64_t length, std::unique_ptr<std::uint8_t[]>& into);
  std::unexpected<Trouble> wrong(const std::string& what) const;

  Source& source_;
  codec::UnknownFields unknown_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;  ///< in the stream, of buffer_[at_]
  std::uint64_t number_ = 0;
};

}  // namespace flatkv::cli
