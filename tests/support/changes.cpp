// SPDX-License-Identifier: Apache-2.0
#include "support/changes.hpp"

#include "base/bytes.hpp"
#include "base/endian.hpp"

namespace flatkv::test {

Changes& Changes::module(std::string name) {
  sets_.push_back({std::move(name), {}});
  return *this;
}

Changes::Set& Changes::last() {
  if (sets_.empty()) module(std::string(kEvmModule));
  return sets_.back();
}

Changes& Changes::set(ByteView key, ByteView value) {
  last().pairs.push_back({to_bytes(key), to_bytes(value), false});
  return *this;
}

Changes& Changes::remove(ByteView key) {
  last().pairs.push_back({to_bytes(key), {}, true});
  return *this;
}

Changes& Changes::nonce(const Address& address, std::uint64_t nonce) {
  std::array<std::uint8_t, 8> value{};
  store_be(value.data(), nonce);
  return set(nonce_key(address), value);
}

std::span<const NamedChangeSet> Changes::sets() const {
  borrowed_pairs_.clear();
  borrowed_.clear();
  for (const Set& set : sets_) {
    auto& pairs = borrowed_pairs_.emplace_back();
    for (const Pair& pair : set.pairs) pairs.push_back({pair.key, pair.value, pair.remove});
    borrowed_.push_back({set.name, pairs});
  }
  return borrowed_;
}

Bytes bytes(std::initializer_list<int> values) {
  Bytes all;
  for (const int value : values) all.push_back(static_cast<std::uint8_t>(value));
  return all;
}

Bytes text(std::string_view characters) { return to_bytes(as_bytes(characters)); }
Bytes hex(std::string_view digits) { return from_hex(digits).value(); }

namespace {
template <class Array>
Array ending_in(std::uint64_t number) {
  Array all{};
  store_be(all.data() + all.size() - 8, number);
  return all;
}
}  // namespace

Address address(std::uint64_t number) { return ending_in<Address>(number); }
Slot slot(std::uint64_t number) { return ending_in<Slot>(number); }
Word word(std::uint64_t number) { return ending_in<Word>(number); }

}  // namespace flatkv::test
