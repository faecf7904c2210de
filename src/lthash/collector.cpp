// SPDX-License-Identifier: Apache-2.0
#include "lthash/collector.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"
#include "base/endian.hpp"
#include "blake3/blake3.hpp"
#include "blake3/constants.hpp"
#include "blake3/tree.hpp"

namespace flatkv::lthash {

using blake3::kBlockBytes;
using blake3::kMaxLanes;

void Collector::begin(const blake3::Backend& backend) noexcept {
  backend_ = &backend;
  batch_ = std::clamp<std::size_t>(backend.lanes, 4, kMaxLanes);
  std::memset(counts_, 0, sizeof counts_);
  added_ = false;
  subtracted_ = false;
}

std::uint8_t* Collector::slot(std::size_t blocks, std::size_t index) noexcept {
  const std::size_t groups_before = kMaxLanes * (blocks - 1) * blocks / 2;
  return slots_ + (groups_before + index * blocks) * kBlockBytes;
}

void Collector::add(ByteView key, ByteView value, bool subtract) noexcept {
  if (key.empty() || value.empty()) return;
  FLATKV_ASSERT(key.size() <= UINT32_MAX && value.size() <= UINT32_MAX);
  const std::size_t size = 4 + key.size() + 4 + value.size();
  if (size > blake3::kChunkBytes) return add_large(key, value, subtract);

  const std::size_t blocks = (size + kBlockBytes - 1) / kBlockBytes;
  Group& group = groups_[blocks];
  const std::size_t index = counts_[blocks];
  std::uint8_t* to = slot(blocks, index);
  std::uint8_t* last_block = to + (blocks - 1) * kBlockBytes;
  std::memset(last_block, 0, kBlockBytes);
  store_le(to, static_cast<std::uint32_t>(key.size()));
  to += 4;
  std::memcpy(to, key.data(), key.size());
  to += key.size();
  store_le(to, static_cast<std::uint32_t>(value.size()));
  std::memcpy(to + 4, value.data(), value.size());
  group.last_block_bytes[index] = static_cast<std::uint32_t>(size - (blocks - 1) * kBlockBytes);
  group.subtract[index] = subtract;
  if (++counts_[blocks] == batch_) hash_group(blocks);
}

void Collector::add_large(ByteView key, ByteView value, bool subtract) noexcept {
  blake3::OwnedRoot root;
  std::uint8_t head[blake3::kChunkBytes];
  if (8 + key.size() < sizeof head) {
    store_le(head, static_cast<std::uint32_t>(key.size()));
    std::memcpy(head + 4, key.data(), key.size());
    store_le(head + 4 + key.size(), static_cast<std::uint32_t>(value.size()));
    blake3::find_root(*backend_, {head, 8 + key.size()}, value, root);
  } else {
    std::uint8_t key_size[4];
    std::uint8_t value_size[4];
    store_le(key_size, static_cast<std::uint32_t>(key.size()));
    store_le(value_size, static_cast<std::uint32_t>(value.size()));
    blake3::Hasher()
        .update(key_size)
        .update(key)
        .update(value_size)
        .update(value)
        .find_root(*backend_, root);
  }
  const blake3::Term term = {root.root, subtract};
  add_terms(&term, 1);
}

void Collector::add_terms(const blake3::Term* terms, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    bool& used = terms[i].subtract ? subtracted_ : added_;
    if (!used) std::memset(terms[i].subtract ? minus_ : plus_, 0, sizeof plus_);
    used = true;
  }
  backend_->add_terms(terms, count, plus_, minus_);
}

void Collector::hash_group(std::size_t blocks) noexcept {
  Group& group = groups_[blocks];
  const std::size_t count = counts_[blocks];
  counts_[blocks] = 0;
  if (count == 0) return;

  std::uint32_t cvs[kMaxLanes][8];
  if (blocks > 1) {
    const std::uint8_t* inputs[kMaxLanes];
    for (std::size_t i = 0; i < count; ++i) inputs[i] = slot(blocks, i);
    backend_->hash_many(inputs, count, blocks - 1, 0, false, blake3::kNone, blake3::kChunkStart,
                        blake3::kNone, cvs);
  }
  blake3::Term terms[kMaxLanes];
  for (std::size_t i = 0; i < count; ++i) {
    auto& root = terms[i].root;
    std::memcpy(root.cv, blocks > 1 ? cvs[i] : blake3::kIv, sizeof root.cv);
    root.block = slot(blocks, i) + (blocks - 1) * kBlockBytes;
    root.block_bytes = group.last_block_bytes[i];
    root.flags = blake3::kChunkEnd | (blocks == 1 ? blake3::kChunkStart : blake3::kNone);
    terms[i].subtract = group.subtract[i];
  }
  add_terms(terms, count);
}

void Collector::finish(LtHash& to) noexcept {
  for (std::size_t blocks = 1; blocks <= kMostBlocks; ++blocks) hash_group(blocks);
  if (added_) backend_->settle(plus_, false, to.limbs().data());
  if (subtracted_) backend_->settle(minus_, true, to.limbs().data());
}

}  // namespace flatkv::lthash
