// SPDX-License-Identifier: Apache-2.0
#include "c_interface/packed.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace flatkv::c_interface {
namespace {

constexpr std::size_t kLeastPair = 9;  // a flag and two lengths
constexpr const char* kChanges = "packed change sets";

class Input {
 public:
  explicit Input(ByteView bytes) noexcept : bytes_(bytes) {}
  bool at_end() const noexcept { return at_ == bytes_.size(); }
  std::size_t at() const noexcept { return at_; }
  std::size_t left() const noexcept { return bytes_.size() - at_; }

  std::optional<ByteView> take(std::size_t size) noexcept {
    if (size > left()) return std::nullopt;
    const ByteView found = bytes_.subspan(at_, size);
    at_ += size;
    return found;
  }
  std::optional<std::uint32_t> number() noexcept {
    const std::optional<ByteView> bytes = take(4);
    if (!bytes) return std::nullopt;
    return load_le<std::uint32_t>(bytes->data());
  }
  std::optional<ByteView> counted() noexcept {
    const std::optional<std::uint32_t> size = number();
    return size ? take(*size) : std::nullopt;
  }

 private:
  ByteView bytes_;
  std::size_t at_ = 0;
};

std::optional<KVPair> read_pair(Input& input) noexcept {
  const std::optional<ByteView> flag = input.take(1);
  if (!flag || flag->front() > 1) return std::nullopt;
  const std::optional<ByteView> key = input.counted();
  if (!key) return std::nullopt;
  const std::optional<ByteView> value = input.counted();
  const bool remove = flag->front() == 1;
  if (!value || (remove && !value->empty())) return std::nullopt;
  return KVPair{.key = *key, .value = *value, .remove = remove};
}

Failure malformed(const char* what, std::size_t offset) {
  return fail(ErrorCode::invalid_argument, std::string(what) + ": malformed or cut off")
      .offset(offset);
}

}  // namespace

Result<PackedChanges> PackedChanges::read(ByteView bytes) {
  PackedChanges found;
  Input input(bytes);
  while (!input.at_end()) {
    std::size_t begin = input.at();
    const std::optional<ByteView> name = input.counted();
    if (!name) return malformed(kChanges, begin);
    const std::optional<std::uint32_t> count = input.number();
    if (!count || *count > input.left() / kLeastPair) return malformed(kChanges, begin);
    std::vector<KVPair>& pairs = found.pairs_.emplace_back();
    pairs.reserve(*count);
    for (std::uint32_t i = 0; i < *count; ++i) {
      begin = input.at();
      const std::optional<KVPair> pair = read_pair(input);
      if (!pair) return malformed(kChanges, begin);
      pairs.push_back(*pair);
    }
    // The pairs stay where they are when the list of lists grows.
    found.sets_.push_back({.name = as_chars(*name), .pairs = pairs});
  }
  return found;
}

Result<Bytes> pack_changes(std::span<const NamedChangeSet> change_sets) {
  std::uint64_t size = 0;
  std::uint64_t most = 0;
  for (const NamedChangeSet& set : change_sets) {
    size += 8 + set.name.size();
    most = std::max<std::uint64_t>({most, set.name.size(), set.pairs.size()});
    for (const KVPair& pair : set.pairs) {
      size += kLeastPair + pair.key.size() + (pair.remove ? 0 : pair.value.size());
      most = std::max<std::uint64_t>({most, pair.key.size(), pair.value.size()});
    }
  }
  if (most > UINT32_MAX) {
    return fail(ErrorCode::invalid_argument, "a name, key or value of 4 GiB or more");
  }
  Bytes packed;
  packed.reserve(size);
  for (const NamedChangeSet& set : change_sets) {
    put_number(packed, static_cast<std::uint32_t>(set.name.size()));
    append(packed, as_bytes(set.name));
    put_number(packed, static_cast<std::uint32_t>(set.pairs.size()));
    for (const KVPair& pair : set.pairs) {
      const ByteView value = pair.remove ? ByteView{} : pair.value;
      packed.push_back(pair.remove ? 1 : 0);
      put_number(packed, static_cast<std::uint32_t>(pair.key.size()));
      append(packed, pair.key);
      put_number(packed, static_cast<std::uint32_t>(value.size()));
      append(packed, value);
    }
  }
  return packed;
}

Result<std::vector<ImportRow>> read_rows(Database database, ByteView bytes) {
  std::vector<ImportRow> rows;
  Input input(bytes);
  while (!input.at_end()) {
    const std::size_t begin = input.at();
    const std::optional<std::uint32_t> key_size = input.number();
    const std::optional<std::uint32_t> value_size = input.number();
    if (!key_size || !value_size) return malformed("packed rows", begin);
    const std::optional<ByteView> key = input.take(*key_size);
    const std::optional<ByteView> value = input.take(*value_size);
    if (!key || !value) return malformed("packed rows", begin);
    rows.push_back({.database = database, .key = *key, .value = *value});
  }
  return rows;
}

void put_row(Bytes& into, ByteView key, ByteView value) {
  put_number(into, static_cast<std::uint32_t>(key.size()));
  put_number(into, static_cast<std::uint32_t>(value.size()));
  append(into, key);
  append(into, value);
}

}  // namespace flatkv::c_interface
