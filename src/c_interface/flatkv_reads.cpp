// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>

#include "c_interface/handle.hpp"
#include "c_interface/packed.hpp"

namespace flatkv::c_interface {
namespace {

using Found = Result<std::optional<Bytes>>;

/// Runs `read` with the state, and copies what it finds if there is room for it.
template <class Read>
flatkv_error* copy_out(const void* state, std::uint8_t* into, std::size_t capacity,
                       std::int64_t* size, Read&& read) noexcept {
  return call([&]() -> Status {
    if (size == nullptr || !good(into, capacity)) return refuse("size or into is null");
    return with_state(state, [&](const auto& found) -> Status {
      const Found value = read(found);
      if (!value) return std::unexpected(value.error());
      *size = *value ? static_cast<std::int64_t>((*value)->size()) : FLATKV_ABSENT;
      if (*value && (*value)->size() <= capacity) std::ranges::copy(**value, into);
      return {};
    });
  });
}

template <std::size_t kSize>
std::array<std::uint8_t, kSize> fixed(const std::uint8_t* bytes) noexcept {
  std::array<std::uint8_t, kSize> copy{};
  std::copy_n(bytes, kSize, copy.begin());
  return copy;
}

Result<Bytes> pack_values(const std::vector<std::optional<Bytes>>& values) {
  std::size_t size = 8 * values.size();
  for (const std::optional<Bytes>& value : values) size += value ? value->size() : 0;
  Bytes packed;
  packed.reserve(size);
  for (const std::optional<Bytes>& value : values) {
    put_number<std::uint64_t>(packed, value ? value->size() : ~0ULL);
    if (value) append(packed, *value);
  }
  return packed;
}

Status move(RowIterator& rows, std::uint32_t how, flatkv_bytes key) {
  if (!good(key.data, key.size)) return refuse("key: no bytes");
  const ByteView wanted = view_of(key.data, key.size);
  switch (how) {
    case FLATKV_FIRST:
      rows.seek_to_first();
      break;
    case FLATKV_LAST:
      rows.seek_to_last();
      break;
    case FLATKV_NEXT:
      if (rows.valid()) rows.next();
      break;
    case FLATKV_PREVIOUS:
      if (rows.valid()) rows.previous();
      break;
    case FLATKV_SEEK:
      rows.seek(wanted);
      break;
    case FLATKV_SEEK_FOR_PREVIOUS:
      rows.seek_for_previous(wanted);
      break;
    default:
      return refuse("there is no move " + std::to_string(how));
  }
  return rows.status();
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_view_new(const flatkv_state* state, flatkv_view** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    if (const auto* store = held<StoreHandle>(state)) {
      return hand_out<ViewHandle>(store->view(), out);
    }
    const auto* reader = held<ReaderHandle>(state);
    if (reader == nullptr) return no_handle("store or reader");
    return hand_out<ViewHandle>(Result<ReadView>(reader->view()), out);
  });
}

flatkv_error* flatkv_view_at(const flatkv_store* store, int64_t version, flatkv_view** out) {
  return with<StoreHandle>(store, "store", [&](const CommitStore& found) -> Status {
    if (out == nullptr) return refuse("out is null");
    return hand_out<ViewHandle>(found.view(version), out);
  });
}

flatkv_error* flatkv_get(const flatkv_state* state, const uint8_t* key, size_t key_size,
                         uint8_t* into, size_t capacity, int64_t* size) {
  return copy_out(state, into, capacity, size, [&](const auto& found) -> Found {
    if (!good(key, key_size)) return refuse("key: no bytes");
    return found.get(view_of(key, key_size));
  });
}

flatkv_error* flatkv_row(const flatkv_state* state, uint32_t database, const uint8_t* key,
                         size_t key_size, uint8_t* into, size_t capacity, int64_t* size) {
  return copy_out(state, into, capacity, size, [&](const auto& found) -> Found {
    if (!good(key, key_size)) return refuse("key: no bytes");
    FLATKV_ASSIGN(const Database which, database_of(database));
    return found.row(which, view_of(key, key_size));
  });
}

flatkv_error* flatkv_storage(const flatkv_state* state, const uint8_t address[20],
                             const uint8_t slot[32], uint8_t* into, size_t capacity,
                             int64_t* size) {
  return copy_out(state, into, capacity, size, [&](const auto& found) -> Found {
    if (address == nullptr || slot == nullptr) return refuse("address or slot is null");
    return found.storage(fixed<20>(address), fixed<32>(slot));
  });
}

flatkv_error* flatkv_code(const flatkv_state* state, const uint8_t address[20], uint8_t* into,
                          size_t capacity, int64_t* size) {
  return copy_out(state, into, capacity, size, [&](const auto& found) -> Found {
    if (address == nullptr) return refuse("address is null");
    return found.code(fixed<20>(address));
  });
}

flatkv_error* flatkv_account(const flatkv_state* state, const uint8_t address[20],
                             flatkv_account_fields* out, uint32_t* exists) {
  return call([&]() -> Status {
    if (address == nullptr || out == nullptr || exists == nullptr) {
      return refuse("address, out or exists is null");
    }
    return with_state(state, [&](const auto& found) -> Status {
      FLATKV_ASSIGN(const std::optional<Account> read, found.account(fixed<20>(address)));
      const Account account = read.value_or(Account{});
      *exists = read.has_value() ? 1 : 0;
      std::ranges::copy(account.balance, out->balance);
      std::ranges::copy(account.code_hash, out->code_hash);
      out->nonce = account.nonce;
      return {};
    });
  });
}

flatkv_error* flatkv_get_many(const flatkv_state* state, const flatkv_bytes* keys, size_t count,
                              flatkv_buffer** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    FLATKV_ASSIGN(const std::vector<ByteView> wanted, keys_of(keys, count));
    return with_state(state, [&](const auto& found) -> Status {
      FLATKV_ASSIGN(const std::vector<std::optional<Bytes>> values, found.get_many(wanted));
      return hand_out<BufferHandle>(pack_values(values), out);
    });
  });
}

flatkv_error* flatkv_prefetch(const flatkv_working* target, const flatkv_bytes* keys,
                              size_t count) {
  return call([&]() -> Status {
    FLATKV_ASSIGN(const std::vector<ByteView> wanted, keys_of(keys, count));
    if (const auto* store = held<StoreHandle>(target)) return store->prefetch(wanted);
    if (const auto* overlay = held<OverlayHandle>(target)) return overlay->prefetch(wanted);
    return no_handle("store or overlay");
  });
}

flatkv_error* flatkv_iterate(const flatkv_state* state, uint32_t database, flatkv_bytes prefix,
                             flatkv_bytes start, flatkv_bytes end, flatkv_iterator** out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    for (const flatkv_bytes& limit : {prefix, start, end}) {
      if (!good(limit.data, limit.size)) return refuse("a limit without bytes");
    }
    FLATKV_ASSIGN(const Database which, database_of(database));
    return with_state(state, [&](const auto& found) -> Status {
      const RowRange range{.prefix = to_bytes(view_of(prefix.data, prefix.size)),
                           .start = to_bytes(view_of(start.data, start.size)),
                           .end = to_bytes(view_of(end.data, end.size))};
      return hand_out<IteratorHandle>(found.iterate(which, range), out);
    });
  });
}

flatkv_error* flatkv_iterator_move(flatkv_iterator* iterator, uint32_t how, flatkv_bytes key,
                                   uint32_t* valid) {
  return with<IteratorHandle>(iterator, "iterator", [&](RowIterator& rows) -> Status {
    Status moved = move(rows, how, key);
    if (moved && valid != nullptr) *valid = rows.valid() ? 1 : 0;
    return moved;
  });
}

flatkv_error* flatkv_iterator_row(const flatkv_iterator* iterator, flatkv_bytes* key,
                                  flatkv_bytes* value, uint32_t* valid) {
  return with<IteratorHandle>(iterator, "iterator", [&](const RowIterator& rows) -> Status {
    if (Status status = rows.status(); !status) return status;
    const bool there = rows.valid();
    const ByteView its_key = there ? rows.key() : ByteView{};
    const ByteView its_value = there ? rows.value() : ByteView{};
    if (key != nullptr) *key = {its_key.data(), its_key.size()};
    if (value != nullptr) *value = {its_value.data(), its_value.size()};
    if (valid != nullptr) *valid = there ? 1 : 0;
    return {};
  });
}

flatkv_error* flatkv_iterator_batch(flatkv_iterator* iterator, uint32_t rows, size_t bytes,
                                    flatkv_buffer** out) {
  return with<IteratorHandle>(iterator, "iterator", [&](RowIterator& from) -> Status {
    if (out == nullptr) return refuse("out is null");
    if (rows == 0) return refuse("rows is 0");
    Bytes packed;
    for (std::uint32_t i = 0; i < rows && from.valid(); ++i) {
      if (i > 0 && packed.size() >= bytes) break;
      put_row(packed, from.key(), from.value());
      from.next();
    }
    if (Status status = from.status(); !status) return status;
    return hand_out<BufferHandle>(Result<Bytes>(std::move(packed)), out);
  });
}
