// SPDX-License-Identifier: Apache-2.0
#include "support/model.hpp"

#include <algorithm>

#include "support/plain_blake3.hpp"

namespace flatkv::test {
namespace {

void append_length(Bytes& to, std::size_t length) {
  for (int shift = 0; shift < 32; shift += 8) {
    to.push_back(static_cast<std::uint8_t>(length >> shift));
  }
}

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

enum class Kind { nonce, code_hash, balance, code, storage, legacy };

Kind kind_of(ByteView key) {
  if (key.size() == 21) {
    if (key[0] == 0x0a) return Kind::nonce;
    if (key[0] == 0x08) return Kind::code_hash;
    if (key[0] == 0x21) return Kind::balance;
    if (key[0] == 0x07) return Kind::code;
  }
  if (key.size() == 53 && key[0] == 0x03) return Kind::storage;
  return Kind::legacy;
}

std::size_t field_bytes(Kind kind) {
  if (kind == Kind::nonce) return 8;
  return kind == Kind::code_hash || kind == Kind::balance ? 32 : 0;
}

bool valid(const NamedChangeSet& set) {
  if (set.name.empty()) return false;
  if (set.name != "evm") return true;
  return std::all_of(set.pairs.begin(), set.pairs.end(), [](const KVPair& pair) {
    if (pair.key.empty() || pair.key.size() > 65536) return false;
    const std::size_t wanted = field_bytes(kind_of(pair.key));
    if (pair.remove) return true;
    return wanted == 0 ? pair.value.size() <= 67108864 : pair.value.size() == wanted;
  });
}

bool zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// balance(32) ‖ nonce(8) ‖ code hash(32), always 72 bytes.
Bytes expanded(const Rows& accounts, const Bytes& address) {
  const auto found = accounts.find(address);
  Bytes row = found == accounts.end() ? Bytes(40) : found->second;
  row.resize(72);
  return row;
}

}  // namespace

void PlainLtHash::mix(ByteView key, ByteView value, bool in) {
  if (key.empty() || value.empty()) return;
  Bytes message;
  append_length(message, key.size());
  message.insert(message.end(), key.begin(), key.end());
  append_length(message, value.size());
  message.insert(message.end(), value.begin(), value.end());
  std::array<std::uint8_t, 2048> element{};
  plain_blake3_xof(message, element);
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    const unsigned limb = element[2 * i] | (static_cast<unsigned>(element[2 * i + 1]) << 8);
    limbs_[i] = static_cast<std::uint16_t>(in ? limbs_[i] + limb : limbs_[i] - limb);
  }
}

PlainLtHash& PlainLtHash::operator+=(const PlainLtHash& other) {
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    limbs_[i] = static_cast<std::uint16_t>(limbs_[i] + other.limbs_[i]);
  }
  return *this;
}

std::array<std::uint8_t, 2048> PlainLtHash::serialized() const {
  std::array<std::uint8_t, 2048> all{};
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    all[2 * i] = static_cast<std::uint8_t>(limbs_[i]);
    all[2 * i + 1] = static_cast<std::uint8_t>(limbs_[i] >> 8);
  }
  return all;
}

Digest PlainLtHash::checksum() const { return plain_blake3(serialized()); }

namespace {
Roots roots_of(const PerDataDatabase<PlainLtHash>& hashes) {
  PlainLtHash sum;
  for (const PlainLtHash& hash : hashes) sum += hash;
  return {sum.checksum(), hashes[Database::account].checksum(), hashes[Database::code].checksum(),
          hashes[Database::storage].checksum(), hashes[Database::legacy].checksum()};
}
}  // namespace

Roots State::roots() const { return roots_of(hashes); }

Roots State::roots_by_scan() const {
  PerDataDatabase<PlainLtHash> found;
  for (const Database database : kDataDatabases) {
    for (const auto& [key, value] : rows[database]) found[database].add(key, value);
  }
  return roots_of(found);
}

DatabaseStats State::stats(Database database) const {
  DatabaseStats all;
  for (const auto& [key, value] : rows[database]) {
    ++all.rows;
    all.key_bytes += key.size();
    all.value_bytes += value.size();
  }
  return all;
}

std::optional<Bytes> State::get(ByteView external_key) const {
  const Kind kind = kind_of(external_key);
  const Bytes key = copy(kind == Kind::legacy ? external_key : external_key.subspan(1));
  if (field_bytes(kind) == 0) {
    const Rows& in = rows[kind == Kind::code      ? Database::code
                          : kind == Kind::storage ? Database::storage
                                                  : Database::legacy];
    const auto found = in.find(key);
    return found == in.end() ? std::nullopt : std::optional(found->second);
  }
  if (!rows[Database::account].contains(key)) return std::nullopt;
  const Bytes row = expanded(rows[Database::account], key);
  const auto part = [&row](std::ptrdiff_t from, std::ptrdiff_t to) {
    return Bytes(row.begin() + from, row.begin() + to);
  };
  if (kind == Kind::nonce) return part(32, 40);
  const Bytes field = kind == Kind::balance ? part(0, 32) : part(40, 72);
  return zero(field) ? std::nullopt : std::optional(field);
}

std::optional<Account> State::account(const Address& address) const {
  const Bytes key(address.begin(), address.end());
  if (!rows[Database::account].contains(key)) return std::nullopt;
  const Bytes row = expanded(rows[Database::account], key);
  Account account;
  std::copy_n(row.begin(), 32, account.balance.begin());
  for (std::size_t i = 32; i < 40; ++i) account.nonce = account.nonce << 8 | row[i];
  std::copy_n(row.begin() + 40, 32, account.code_hash.begin());
  return account;
}

Model::Model(AccountRows account_rows, std::int64_t initial_version)
    : prune_(account_rows == AccountRows::prune_empty) {
  committed_.version = initial_version - 1;
  working_ = committed_;
}

void Model::write(Database database, const Bytes& key, const std::optional<Bytes>& value) {
  Rows& rows = working_.rows[database];
  PlainLtHash& hash = working_.hashes[database];
  if (const auto old = rows.find(key); old != rows.end()) {
    hash.subtract(key, old->second);
    rows.erase(old);
  }
  if (!value) return;
  hash.add(key, *value);
  rows[key] = *value;
}

void Model::write_account(const Bytes& address, std::uint8_t prefix, const KVPair& pair) {
  Bytes row = expanded(working_.rows[Database::account], address);
  const std::ptrdiff_t at = prefix == 0x21 ? 0 : prefix == 0x0a ? 32 : 40;
  const Bytes value = pair.remove ? Bytes(prefix == 0x0a ? 8 : 32) : copy(pair.value);
  std::copy(value.begin(), value.end(), row.begin() + at);
  if (zero(ByteView(row).subspan(40))) row.resize(40);
  write(Database::account, address, prune_ && zero(row) ? std::nullopt : std::optional(row));
}

bool Model::apply(std::span<const NamedChangeSet> change_sets) {
  if (!std::all_of(change_sets.begin(), change_sets.end(), valid)) return false;
  for (const NamedChangeSet& set : change_sets) {
    if (set.name != "evm") {
      ++ignored_;
      continue;
    }
    for (const KVPair& pair : set.pairs) {
      const Kind kind = kind_of(pair.key);
      const Bytes key = copy(kind == Kind::legacy ? pair.key : pair.key.subspan(1));
      if (field_bytes(kind) != 0) {
        write_account(key, pair.key[0], pair);
        continue;
      }
      const Database database = kind == Kind::code      ? Database::code
                                : kind == Kind::storage ? Database::storage
                                                        : Database::legacy;
      write(database, key, pair.remove ? std::nullopt : std::optional(copy(pair.value)));
    }
  }
  return true;
}

void Model::commit() {
  ++working_.version;
  committed_ = working_;
}

void Model::go_back(const State& state) {
  committed_ = state;
  working_ = state;
}

void Model::discard() { working_ = committed_; }

}  // namespace flatkv::test
