// SPDX-License-Identifier: Apache-2.0
#include "pb_stream.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace flatkv::cli {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 18;
constexpr std::size_t kFirstAllocation = std::size_t{1} << 20;

}  // namespace

PbChangeReader::PbChangeReader(Source& source, Reading reading)
    : source_(source),
      unknown_(reading == Reading::strict ? codec::UnknownFields::refuse
                                          : codec::UnknownFields::skip),
      buffer_(kChunk) {}

std::string PbChangeReader::place(std::uint64_t number) const {
  return "record " + std::to_string(number);
}

std::unexpected<Trouble> PbChangeReader::wrong(const std::string& what) const {
  return trouble(ExitCode::usage,
                 place(number_) + ": " + what + " [offset " + std::to_string(offset_) + "]",
                 "fix the file, or check that it is protobuf (`--format pb`); blocks before this "
                 "one stay committed");
}

Outcome<bool> PbChangeReader::more() {
  if (at_ < end_) return true;
  FLATKV_ASSIGN(end_, source_.read(buffer_));
  at_ = 0;
  return end_ > 0;
}

Outcome<std::optional<std::uint64_t>> PbChangeReader::read_length() {
  std::uint64_t length = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    FLATKV_ASSIGN(const bool there, more());
    if (!there) {
      if (shift == 0) return std::nullopt;
      return wrong("the file ends in the middle of a length");
    }
    const auto byte = static_cast<std::uint8_t>(buffer_[at_++]);
    ++offset_;
    if (shift == 63 && byte > 1) break;
    length |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return length;
  }
  return wrong("the length is not a varint");
}

Outcome<std::size_t> PbChangeReader::read_payload(std::uint64_t length,
                                                  std::unique_ptr<std::uint8_t[]>& into) {
  std::size_t capacity = std::min<std::size_t>(length, kFirstAllocation);
  into = std::make_unique_for_overwrite<std::uint8_t[]>(std::max<std::size_t>(capacity, 1));
  std::size_t have = 0;
  while (have < length) {
    FLATKV_ASSIGN(const bool there, more());
    if (!there) {
      return wrong("the file ends after " + std::to_string(have) + " of " + std::to_string(length) +
                   " bytes");
    }
    if (have == capacity) {
      capacity = std::min<std::size_t>(length, 2 * capacity);
      auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
      std::memcpy(larger.get(), into.get(), have);
      into = std::move(larger);
    }
    const std::size_t take = std::min(end_ - at_, capacity - have);
    std::memcpy(into.get() + have, buffer_.data() + at_, take);
    have += take;
    at_ += take;
    offset_ += take;
  }
  return have;
}

Outcome<std::optional<ChangeLine>> PbChangeReader::next() {
  ++number_;
  FLATKV_ASSIGN(const auto length, read_length());
  if (!length) return std::nullopt;
  if (*length > kMaxRecord) {
    return wrong("the length " + std::to_string(*length) + " is above " +
                 std::to_string(kMaxRecord));
  }
  ChangeLine line;
  line.number = number_;
  FLATKV_ASSIGN(line.bytes_size, read_payload(*length, line.bytes));
  auto entry = codec::decode_changelog_entry({line.bytes.get(), line.bytes_size}, unknown_);
  if (!entry) return wrong("not a ChangelogEntry: " + entry.error().to_string());
  if (entry->version < 1) {
    return wrong("version " + std::to_string(entry->version) + " is below 1");
  }
  line.version = entry->version;
  std::size_t count = 0;
  for (const auto& set : entry->changesets) count += set.pairs.size();
  line.pairs.reserve(count);
  for (const auto& set : entry->changesets) {
    const KVPair* begin = line.pairs.data() + line.pairs.size();
    line.pairs.insert(line.pairs.end(), set.pairs.begin(), set.pairs.end());
    line.sets.push_back({set.name, {begin, set.pairs.size()}});
  }
  return line;
}

}  // namespace flatkv::cli
