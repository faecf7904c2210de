// SPDX-License-Identifier: Apache-2.0
#include "c_interface/handle.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <new>

#include "flatkv/version.hpp"

namespace flatkv::c_interface {
namespace {

static_assert(static_cast<std::uint32_t>(ErrorCode::invalid_argument) + 1 ==
              FLATKV_INVALID_ARGUMENT);
static_assert(static_cast<std::uint32_t>(ErrorCode::stale) + 1 == FLATKV_STALE);
static_assert(static_cast<std::uint32_t>(Database::metadata) == FLATKV_METADATA);

/// For when there is no memory for an error. Its texts are short enough to need none. Never freed,
/// not even when the process ends, since other threads may still look at it.
ErrorHandle& without_memory() noexcept {
  alignas(ErrorHandle) static std::array<std::byte, sizeof(ErrorHandle)> place;
  static ErrorHandle& error =
      *new (place.data()) ErrorHandle{FailedCall{.error = {.code = ErrorCode::out_of_memory,
                                                           .message = "out of memory",
                                                           .path = {},
                                                           .database = {},
                                                           .version = {},
                                                           .offset = {}},
                                                 .text = "out of memory"}};
  return error;
}

void* opaque(Handle& handle) noexcept { return &handle; }

}  // namespace

flatkv_error* failed(Error&& error) noexcept {
  try {
    FailedCall call{.error = std::move(error), .text = {}};
    call.text = call.error.to_string();
    return static_cast<flatkv_error*>(opaque(*new ErrorHandle(std::move(call))));
  } catch (...) {
    return static_cast<flatkv_error*>(opaque(without_memory()));
  }
}

void put_roots(const Roots& roots, flatkv_roots& out) noexcept {
  std::memcpy(out.root, roots.root.data(), sizeof out.root);
  std::memcpy(out.account, roots.account.data(), sizeof out.account);
  std::memcpy(out.code, roots.code.data(), sizeof out.code);
  std::memcpy(out.storage, roots.storage.data(), sizeof out.storage);
  std::memcpy(out.legacy, roots.legacy.data(), sizeof out.legacy);
}

Status put_roots(const Result<Roots>& roots, flatkv_roots* out) {
  if (!roots) return std::unexpected(roots.error());
  if (out != nullptr) put_roots(*roots, *out);
  return {};
}

Result<std::vector<ByteView>> keys_of(const flatkv_bytes* keys, std::size_t count) {
  if (keys == nullptr && count != 0) return refuse("keys is null");
  if (count > PTRDIFF_MAX / sizeof(flatkv_bytes)) return refuse("too many keys");
  std::vector<ByteView> found(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!good(keys[i].data, keys[i].size)) return refuse("a key without bytes");
    found[i] = view_of(keys[i].data, keys[i].size);
  }
  return found;
}

Result<Database> database_of(std::uint32_t number) {
  if (number > FLATKV_METADATA) return refuse("there is no database " + std::to_string(number));
  return static_cast<Database>(number);
}

}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

void flatkv_free(void* handle) {
  auto* found = static_cast<Handle*>(handle);
  if (found == nullptr || found->mark != Handle::kMark || found == &without_memory()) return;
  found->destroy(found);
}

const char* flatkv_version_text() { return library_version().data(); }

uint32_t flatkv_error_code(const flatkv_error* error) {
  const FailedCall* call = held<ErrorHandle>(error);
  if (call == nullptr) return FLATKV_OK;
  return static_cast<uint32_t>(call->error.code) + 1;
}

const char* flatkv_code_name(uint32_t code) {
  if (code < FLATKV_INVALID_ARGUMENT || code > FLATKV_STALE) return "";
  return to_string(static_cast<ErrorCode>(code - 1)).data();
}

const char* flatkv_error_message(const flatkv_error* error) {
  const FailedCall* call = held<ErrorHandle>(error);
  return call == nullptr ? "" : call->error.message.c_str();
}

const char* flatkv_error_text(const flatkv_error* error) {
  const FailedCall* call = held<ErrorHandle>(error);
  return call == nullptr ? "" : call->text.c_str();
}

const char* flatkv_error_path(const flatkv_error* error) {
  const FailedCall* call = held<ErrorHandle>(error);
  return call == nullptr ? "" : call->error.path.c_str();
}

uint32_t flatkv_error_database(const flatkv_error* error, uint32_t* database) {
  const FailedCall* call = held<ErrorHandle>(error);
  if (call == nullptr || !call->error.database) return 0;
  if (database != nullptr) *database = static_cast<uint32_t>(*call->error.database);
  return 1;
}

uint32_t flatkv_error_version(const flatkv_error* error, int64_t* version) {
  const FailedCall* call = held<ErrorHandle>(error);
  if (call == nullptr || !call->error.version) return 0;
  if (version != nullptr) *version = *call->error.version;
  return 1;
}

uint32_t flatkv_error_offset(const flatkv_error* error, uint64_t* offset) {
  const FailedCall* call = held<ErrorHandle>(error);
  if (call == nullptr || !call->error.offset) return 0;
  if (offset != nullptr) *offset = *call->error.offset;
  return 1;
}

const uint8_t* flatkv_buffer_data(const flatkv_buffer* buffer) {
  const Bytes* bytes = held<BufferHandle>(buffer);
  return bytes == nullptr ? nullptr : bytes->data();
}

size_t flatkv_buffer_size(const flatkv_buffer* buffer) {
  const Bytes* bytes = held<BufferHandle>(buffer);
  return bytes == nullptr ? 0 : bytes->size();
}
