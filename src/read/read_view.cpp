// SPDX-License-Identifier: Apache-2.0
#include "read/read_view.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/guard.hpp"
#include "base/internals.hpp"
#include "codec/account.hpp"
#include "codec/keys.hpp"
#include "layout/generation.hpp"
#include "lthash/parts.hpp"

namespace flatkv::read {
namespace {

/// Keys from which on other threads help, since looking them up takes most of a millisecond, and
/// how many of them one thread looks up at a time.
constexpr std::size_t kManyKeys = 1024;
constexpr std::size_t kPartKeys = 256;

/// The part of an account's row that an external key of this kind names.
Result<std::optional<Bytes>> account_part(codec::Kind kind, ByteView row) {
  FLATKV_ASSIGN(const Account account, codec::decode_account(row));
  switch (kind) {
    case codec::Kind::nonce: {
      Bytes nonce(8);
      store_be(nonce.data(), account.nonce);
      return nonce;
    }
    case codec::Kind::code_hash:
      if (all_zero(account.code_hash)) return std::nullopt;
      return to_bytes(account.code_hash);
    default:
      if (all_zero(account.balance)) return std::nullopt;
      return to_bytes(account.balance);
  }
}

/// The first key after all those with the prefix; nothing if there is none.
std::optional<Bytes> after_prefix(Bytes prefix) {
  while (!prefix.empty() && prefix.back() == 0xff) prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  ++prefix.back();
  return prefix;
}

enum class From : std::uint8_t { memory, everywhere };

/// Fills `values`, which are empty and as many as the keys. Returns the keys, by their index, that
/// memory does not tell of: none if tables are read, too.
Result<std::vector<std::size_t>> read_keys(const Source& source, From from,
                                           std::span<const ByteView> external_keys,
                                           std::span<std::optional<Bytes>> values) {
  struct Place {
    codec::Kind kind;
    Database database;
    const block::BlockRow* pending;
    std::uint32_t row;
  };
  std::vector<Place> places;
  places.reserve(external_keys.size());
  PerDataDatabase<block::BlockRows> tables;
  for (const ByteView external_key : external_keys) {
    FLATKV_ASSIGN(const codec::Route route, codec::route(external_key));
    const std::uint64_t hash = memory::key_hash(route.key);
    Place place{route.kind, route.database, nullptr, 0};
    if (source.pending != nullptr) {
      place.pending = source.pending->tables()[route.database].find(route.key, hash);
    }
    if (place.pending == nullptr) place.row = tables[route.database].intern(route.key, hash);
    places.push_back(place);
  }
  memory::Arena arena;
  PerDataDatabase<std::vector<bool>> known;
  for (const Database database : kDataDatabases) {
    const std::span rows = tables[database].rows;
    known[database].resize(rows.size());
    const auto unchanged = [&, to = &known[database]](block::BlockRow& row, bool) {
      row.has_value = row.had_old;
      row.value = row.old_value;
      (*to)[static_cast<std::size_t>(&row - rows.data())] = true;
    };
    if (from == From::memory) {
      source.rows.read_memory(source.ground, database, rows, &arena, block::Values::in_place,
                              unchanged);
    } else {
      FLATKV_TRY(source.rows.read(source.ground, database, rows, &arena, block::Keep::in_cache,
                                  block::Values::in_place, unchanged));
    }
  }
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Place& place = places[i];
    if (place.pending == nullptr && !known[place.database][place.row]) {
      left.push_back(i);
      continue;
    }
    const block::BlockRow& row =
        place.pending != nullptr ? *place.pending : tables[place.database].rows[place.row];
    if (!row.has_value) continue;
    if (place.database == Database::account) {
      FLATKV_ASSIGN(values[i], account_part(place.kind, row.value));
    } else {
      values[i] = to_bytes(row.value);
    }
  }
  return left;
}

/// As `read_keys`, from memory and on several threads. These wait for no device: they are those
/// that hash.
Result<std::vector<std::size_t>> read_memory(const Source& source,
                                             std::span<const ByteView> external_keys,
                                             std::span<std::optional<Bytes>> values) {
  std::vector<Result<std::vector<std::size_t>>> parts((external_keys.size() + kPartKeys - 1) /
                                                      kPartKeys);
  lthash::run_parts(*source.share, parts.size(), [&](std::size_t part) {
    const std::size_t from = part * kPartKeys;
    const std::size_t count = std::min(kPartKeys, external_keys.size() - from);
    block::RowLookup rows = source.rows.another();
    parts[part] = read_keys({source.ground, source.pending, rows}, From::memory,
                            external_keys.subspan(from, count), values.subspan(from, count));
  });
  std::vector<std::size_t> left;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    FLATKV_ASSIGN(const auto of_part, std::move(parts[part]));
    for (const std::size_t i : of_part) left.push_back(part * kPartKeys + i);
  }
  return left;
}

}  // namespace

Status check_data_database(Database database) {
  if (database <= Database::legacy) return {};
  return fail(ErrorCode::invalid_argument, "only the four data databases have rows");
}

rocks::Bounds bounds_of(const RowRange& range) {
  rocks::Bounds bounds;
  if (!range.prefix.empty()) {
    bounds.lower = range.prefix;
    bounds.upper = after_prefix(range.prefix);
  }
  if (!range.start.empty() && (!bounds.lower || compare_bytes(range.start, *bounds.lower) > 0)) {
    bounds.lower = range.start;
  }
  if (!range.end.empty() && (!bounds.upper || compare_bytes(range.end, *bounds.upper) < 0)) {
    bounds.upper = range.end;
  }
  return bounds;
}

Result<std::optional<Bytes>> read_through(const Source& source, Database database,
                                          ByteView internal_key) {
  FLATKV_TRY(check_data_database(database));
  if (source.pending != nullptr) {
    if (const block::BlockRow* row = source.pending->find(database, internal_key)) {
      if (!row->has_value) return std::nullopt;
      return to_bytes(row->value);
    }
  }
  return source.rows.get(source.ground, database, internal_key);
}

Result<std::optional<Account>> read_account(const Source& source, const Address& address) {
  FLATKV_ASSIGN(const auto row, read_through(source, Database::account, address));
  if (!row) return std::nullopt;
  return codec::decode_account(*row);
}

Result<std::optional<Bytes>> read_external(const Source& source, ByteView external_key) {
  FLATKV_ASSIGN(const codec::Route route, codec::route(external_key));
  FLATKV_ASSIGN(auto row, read_through(source, route.database, route.key));
  if (route.database != Database::account || !row) return row;
  return account_part(route.kind, *row);
}

Result<std::vector<block::Prefetcher::Row>> rows_of(std::span<const ByteView> external_keys) {
  std::vector<block::Prefetcher::Row> rows;
  rows.reserve(external_keys.size());
  for (const ByteView external_key : external_keys) {
    FLATKV_ASSIGN(const codec::Route route, codec::route(external_key));
    rows.push_back({route.database, route.key, memory::key_hash(route.key)});
  }
  return rows;
}

Result<std::vector<std::optional<Bytes>>> read_many(const Source& source,
                                                    std::span<const ByteView> external_keys) {
  std::vector<std::optional<Bytes>> values(external_keys.size());
  if (source.share == nullptr || source.share->threads() == 1 || external_keys.size() < kManyKeys) {
    FLATKV_TRY(read_keys(source, From::everywhere, external_keys, values));
    return values;
  }
  FLATKV_ASSIGN(const std::vector<std::size_t> left, read_memory(source, external_keys, values));
  std::vector<ByteView> keys;
  for (const std::size_t i : left) keys.push_back(external_keys[i]);
  std::vector<std::optional<Bytes>> rest(keys.size());
  FLATKV_TRY(read_keys(source, From::everywhere, keys, rest));
  for (std::size_t i = 0; i < left.size(); ++i) values[left[i]] = std::move(rest[i]);
  return values;
}

}  // namespace flatkv::read

namespace flatkv {

struct RowIterator::Impl {
  std::shared_ptr<const state::State> state;  // first: destroyed after the cursor, which reads it
  memory::Arena bytes;  ///< copies of uncommitted rows, whose blocks may end before this
  std::unique_ptr<rocks::Cursor> cursor;
  std::optional<Error> thrown;  ///< ends the iteration: the cursor's position is unknown

  template <class Step>
  void move(Step step) noexcept {
    if (thrown) return;
    static_cast<void>(guarded(
        [&]() -> Status {
          step(*cursor);
          return {};
        },
        [&] { thrown = error_of_exception(); }));
  }
};

namespace read {

namespace {

/// The uncommitted rows within the bounds as they are now, in key order, with copied bytes.
std::vector<memtable::Memtable::Row> newest_rows(std::span<const block::PendingBlock* const> blocks,
                                                 Database database, const rocks::Bounds& bounds,
                                                 memory::Arena& bytes) {
  using Row = memtable::Memtable::Row;
  std::vector<Row> collected;
  for (const block::PendingBlock* block : blocks) block->collect(database, bounds, collected);
  std::vector<const Row*> order;
  order.reserve(collected.size());
  for (const Row& row : collected) order.push_back(&row);
  // Of equal keys the newest, which was collected first, comes first and stays.
  std::ranges::sort(order, [](const Row* a, const Row* b) {
    const auto by_key = compare_bytes(a->key, b->key);
    return by_key != 0 ? by_key < 0 : a < b;
  });
  std::vector<Row> rows;
  for (const Row* row : order) {
    if (!rows.empty() && equal(rows.back().key, row->key)) continue;
    rows.push_back(*row);
    rows.back().key = bytes.copy(row->key);
    rows.back().value = bytes.copy(row->value);
  }
  return rows;
}

}  // namespace

Result<RowIterator> iterate(const std::shared_ptr<const state::State>& state,
                            std::span<const block::PendingBlock* const> blocks, Database database,
                            const RowRange& range) {
  FLATKV_TRY(check_data_database(database));
  const rocks::Bounds bounds = bounds_of(range);
  auto impl = std::make_unique<Internals::Impl<RowIterator>>();
  impl->state = state;
  impl->cursor =
      state::rows_of(state, database, bounds, newest_rows(blocks, database, bounds, impl->bytes));
  impl->cursor->seek_to_first();
  return Internals::make<RowIterator>(std::move(impl));
}

ReadView make_view(std::shared_ptr<const state::State> state) {
  using Impl = Internals::Impl<ReadView>;
  return Internals::make<ReadView>(std::make_shared<const Impl>(Impl{std::move(state)}));
}

}  // namespace read

RowIterator::RowIterator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RowIterator::RowIterator(RowIterator&&) noexcept = default;
RowIterator& RowIterator::operator=(RowIterator&&) noexcept = default;
RowIterator::~RowIterator() = default;

void RowIterator::seek_to_first() noexcept {
  impl_->move([](rocks::Cursor& cursor) { cursor.seek_to_first(); });
}
void RowIterator::seek_to_last() noexcept {
  impl_->move([](rocks::Cursor& cursor) { cursor.seek_to_last(); });
}
void RowIterator::seek(ByteView key) noexcept {
  impl_->move([&](rocks::Cursor& cursor) { cursor.seek(key); });
}
void RowIterator::seek_for_previous(ByteView key) noexcept {
  impl_->move([&](rocks::Cursor& cursor) { cursor.seek_for_previous(key); });
}
void RowIterator::next() noexcept {
  if (valid()) impl_->move([](rocks::Cursor& cursor) { cursor.next(); });
}
void RowIterator::previous() noexcept {
  if (valid()) impl_->move([](rocks::Cursor& cursor) { cursor.previous(); });
}
bool RowIterator::valid() const noexcept { return !impl_->thrown && impl_->cursor->valid(); }
Status RowIterator::status() const noexcept {
  return guarded([&]() -> Status {
    if (impl_->thrown) return std::unexpected(*impl_->thrown);
    return impl_->cursor->status();
  });
}
ByteView RowIterator::key() const noexcept { return impl_->cursor->key(); }
ByteView RowIterator::value() const noexcept { return impl_->cursor->value(); }

ReadView::ReadView(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

std::int64_t ReadView::version() const noexcept { return impl_->state->version; }
const Roots& ReadView::roots() const noexcept { return impl_->state->roots; }
AccountRows ReadView::account_rows() const noexcept { return impl_->state->account_rows; }
const LtHash& ReadView::hash(Database database) const {
  FLATKV_ASSERT(database != Database::metadata);
  return *impl_->state->of(database).hash;
}
DatabaseStats ReadView::stats(Database database) const {
  FLATKV_ASSERT(database != Database::metadata);
  return impl_->state->of(database).stats;
}

Result<std::optional<Bytes>> ReadView::get(ByteView external_key) const {
  return read::get(*impl_, external_key);
}
Result<std::vector<std::optional<Bytes>>> ReadView::get_many(
    std::span<const ByteView> external_keys) const {
  return read::get_many(*impl_, external_keys);
}
Result<std::optional<Account>> ReadView::account(const Address& address) const {
  return read::account(*impl_, address);
}
Result<std::optional<Bytes>> ReadView::storage(const Address& address, const Slot& slot) const {
  return read::storage(*impl_, address, slot);
}
Result<std::optional<Bytes>> ReadView::code(const Address& address) const {
  return read::code(*impl_, address);
}
Result<std::optional<Bytes>> ReadView::row(Database database, ByteView internal_key) const {
  return read::row(*impl_, database, internal_key);
}
Result<RowIterator> ReadView::iterate(Database database, const RowRange& range) const {
  return guarded([&] { return read::iterate(impl_->state, {}, database, range); });
}

}  // namespace flatkv
