// SPDX-License-Identifier: Apache-2.0
#include "changes/cursor.hpp"

#include <algorithm>
#include <string>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/guard.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"

// docs/formats.md#cursor
namespace flatkv {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {'F', 'L', 'K', 'V', 'C', 'U', 'R', '\n'};
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kDigestBytes = std::tuple_size_v<Digest>;
constexpr std::size_t kHeaderBytes = kMagic.size() + 4 + 4 + 16 + 8;

std::size_t encoded_bytes(std::size_t blocks) { return kHeaderBytes + (blocks + 1) * kDigestBytes; }

Failure bad(std::string what) {
  return fail(ErrorCode::corruption, "the cursor is damaged: " + std::move(what));
}

Result<Cursor> decode_cursor(ByteView bytes) {
  if (bytes.size() < encoded_bytes(1) || !equal(bytes.first(kMagic.size()), kMagic)) {
    return bad("it does not begin like a cursor");
  }
  const ByteView before = bytes.first(bytes.size() - kDigestBytes);
  if (!equal(blake3::hash(before), bytes.last(kDigestBytes))) return bad("wrong digest");
  const std::uint8_t* at = bytes.data() + kMagic.size();
  if (const auto format = load_le<std::uint32_t>(at); format != kFormat) {
    if (format == 0) return bad("format 0");
    return fail(ErrorCode::format_too_new, "the cursor has format " + std::to_string(format));
  }
  const auto count = load_le<std::uint32_t>(at + 4);
  if (count == 0 || count > Cursor::kMostBlocks || bytes.size() != encoded_bytes(count)) {
    return bad(std::to_string(count) + " blocks in " + std::to_string(bytes.size()) + " bytes");
  }
  Cursor cursor;
  std::copy_n(at + 8, cursor.store.size(), cursor.store.begin());
  const auto first = load_le<std::uint64_t>(at + 24);
  if (first > static_cast<std::uint64_t>(kLastVersion) - (count - 1)) {
    return bad("version " + std::to_string(first));
  }
  cursor.blocks.resize(count);
  at = bytes.data() + kHeaderBytes;
  for (std::size_t i = 0; i < count; ++i, at += kDigestBytes) {
    cursor.blocks[i].version = static_cast<std::int64_t>(first + i);
    std::copy_n(at, kDigestBytes, cursor.blocks[i].chain.begin());
  }
  return cursor;
}

}  // namespace

Result<Bytes> Cursor::encode() const {
  return guarded([&]() -> Result<Bytes> {
    FLATKV_TRY(changes::check_cursor(*this));
    Bytes bytes(kHeaderBytes);
    std::uint8_t* at = std::ranges::copy(kMagic, bytes.data()).out;
    store_le(at, kFormat);
    store_le(at + 4, static_cast<std::uint32_t>(blocks.size()));
    at = std::ranges::copy(store, at + 8).out;
    store_le(at, static_cast<std::uint64_t>(blocks.front().version));
    bytes.reserve(encoded_bytes(blocks.size()));
    for (const ChainPosition& block : blocks) append(bytes, block.chain);
    append(bytes, blake3::hash(bytes));
    return bytes;
  });
}

Result<Cursor> Cursor::decode(ByteView bytes) {
  return guarded([&] { return decode_cursor(bytes); });
}

namespace changes {

Status check_cursor(const Cursor& cursor) {
  const auto& blocks = cursor.blocks;
  if (blocks.empty() || blocks.size() > Cursor::kMostBlocks || blocks.front().version < 0) {
    return fail(ErrorCode::invalid_argument,
                "a cursor has 1 to " + std::to_string(Cursor::kMostBlocks) +
                    " blocks of versions from 0 on, this one has " + std::to_string(blocks.size()));
  }
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    if (blocks[i].version == version_after(blocks[i - 1].version)) continue;
    return fail(ErrorCode::invalid_argument, "the blocks of a cursor have consecutive versions")
        .version(blocks[i].version);
  }
  return {};
}

void advance(Cursor& cursor, const ChainPosition& committed, std::size_t most) {
  auto& blocks = cursor.blocks;
  blocks.push_back(committed);
  if (blocks.size() > most) {
    blocks.erase(blocks.begin(), blocks.end() - static_cast<std::ptrdiff_t>(most));
  }
}

void go_back(Cursor& cursor, const ChainPosition& undone_to) {
  auto& blocks = cursor.blocks;
  std::erase_if(blocks, [&](const auto& block) { return block.version >= undone_to.version; });
  blocks.push_back(undone_to);
}

}  // namespace changes
}  // namespace flatkv
