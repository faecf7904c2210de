// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <type_traits>

#include "c_interface/handle.hpp"
#include "flatkv/lthash.hpp"

namespace flatkv::c_interface {
namespace {

static_assert(FLATKV_HASH_BYTES == LtHash::kBytes);

LtHash hash_of(const std::uint8_t* bytes) noexcept {
  return LtHash::deserialize(std::span<const std::uint8_t, LtHash::kBytes>(bytes, LtHash::kBytes));
}

Status put_hash(const LtHash& hash, std::uint8_t* out) {
  std::ranges::copy(hash.serialize(), out);
  return {};
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_hash(const flatkv_state* state, uint32_t database, uint8_t* out) {
  return call([&]() -> Status {
    if (out == nullptr) return refuse("out is null");
    FLATKV_ASSIGN(const Database which, database_of(database));
    if (which == Database::metadata) return refuse("the metadata database has no hash");
    return with_state(state, [&](const auto& found) -> Status {
      using State = std::decay_t<decltype(found)>;
      if constexpr (std::is_same_v<State, ReadView>) {
        return put_hash(found.hash(which), out);
      } else if constexpr (std::is_same_v<State, ReadOnlyStore>) {
        return no_handle("store, view or overlay");
      } else {
        FLATKV_ASSIGN(const LtHash hash, found.working_hash(which));
        return put_hash(hash, out);
      }
    });
  });
}

flatkv_error* flatkv_hash_add(uint8_t* into, const uint8_t* other) {
  return call([&]() -> Status {
    if (into == nullptr || other == nullptr) return refuse("into or other is null");
    return put_hash(hash_of(into) + hash_of(other), into);
  });
}

flatkv_error* flatkv_hash_subtract(uint8_t* from, const uint8_t* other) {
  return call([&]() -> Status {
    if (from == nullptr || other == nullptr) return refuse("from or other is null");
    return put_hash(hash_of(from) - hash_of(other), from);
  });
}

flatkv_error* flatkv_hash_checksum(const uint8_t* hash, uint8_t* out) {
  return call([&]() -> Status {
    if (hash == nullptr || out == nullptr) return refuse("hash or out is null");
    std::ranges::copy(hash_of(hash).checksum(), out);
    return {};
  });
}
