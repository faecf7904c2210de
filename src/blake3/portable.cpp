// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cstring>

#include "base/endian.hpp"
#include "blake3/backend.hpp"
#include "blake3/constants.hpp"

// The reference that every other kernel is tested against, and the fallback.

namespace flatkv::blake3 {
namespace {

using Word = std::uint32_t;

struct State {
  Word v[16];
};

[[gnu::always_inline]] inline void mix(State& s, int a, int b, int c, int d, Word x, Word y) {
  s.v[a] += s.v[b] + x;
  s.v[d] = std::rotr(s.v[d] ^ s.v[a], 16);
  s.v[c] += s.v[d];
  s.v[b] = std::rotr(s.v[b] ^ s.v[c], 12);
  s.v[a] += s.v[b] + y;
  s.v[d] = std::rotr(s.v[d] ^ s.v[a], 8);
  s.v[c] += s.v[d];
  s.v[b] = std::rotr(s.v[b] ^ s.v[c], 7);
}

template <int kRound>
[[gnu::always_inline]] inline void diagonals(State& s, const Word* m) {
  constexpr const auto& kOrder = kSchedule[kRound];
  mix(s, 0, 5, 10, 15, m[kOrder[8]], m[kOrder[9]]);
  mix(s, 1, 6, 11, 12, m[kOrder[10]], m[kOrder[11]]);
  mix(s, 2, 7, 8, 13, m[kOrder[12]], m[kOrder[13]]);
  mix(s, 3, 4, 9, 14, m[kOrder[14]], m[kOrder[15]]);
}

template <int kRound>
[[gnu::always_inline]] inline void round(State& s, const Word* m) {
  constexpr const auto& kOrder = kSchedule[kRound];
  mix(s, 0, 4, 8, 12, m[kOrder[0]], m[kOrder[1]]);
  mix(s, 1, 5, 9, 13, m[kOrder[2]], m[kOrder[3]]);
  mix(s, 2, 6, 10, 14, m[kOrder[4]], m[kOrder[5]]);
  mix(s, 3, 7, 11, 15, m[kOrder[6]], m[kOrder[7]]);
  diagonals<kRound>(s, m);
}

[[gnu::always_inline]] inline void later_rounds(State& s, const Word* m) {
  round<1>(s, m);
  round<2>(s, m);
  round<3>(s, m);
  round<4>(s, m);
  round<5>(s, m);
  round<6>(s, m);
}

void load_message(const std::uint8_t* block, Word* m) {
  for (int i = 0; i < 16; ++i) m[i] = load_le<Word>(block + 4 * i);
}

void permute(State& s, const Word* cv, const Word* m, Word block_bytes, std::uint64_t counter,
             Word flags) {
  std::memcpy(s.v, cv, 32);
  std::memcpy(s.v + 8, kIv, 16);
  s.v[12] = static_cast<Word>(counter);
  s.v[13] = static_cast<Word>(counter >> 32);
  s.v[14] = block_bytes;
  s.v[15] = flags;
  round<0>(s, m);
  later_rounds(s, m);
}

}  // namespace

void compress_portable(std::uint32_t* cv, const std::uint8_t* block, std::uint32_t block_bytes,
                       std::uint64_t counter, std::uint32_t flags) {
  Word m[16];
  load_message(block, m);
  State s;
  permute(s, cv, m, block_bytes, counter, flags);
  for (int i = 0; i < 8; ++i) cv[i] = s.v[i] ^ s.v[i + 8];
}

void output_portable(const Root& root, std::uint64_t counter, std::uint8_t* out) {
  Word m[16];
  load_message(root.block, m);
  State s;
  permute(s, root.cv, m, root.block_bytes, counter, root.flags | kRoot);
  for (int i = 0; i < 8; ++i) {
    store_le<Word>(out + 4 * i, s.v[i] ^ s.v[i + 8]);
    store_le<Word>(out + 32 + 4 * i, s.v[i + 8] ^ root.cv[i]);
  }
}

namespace {

void hash_many(const std::uint8_t* const* inputs, std::size_t count, std::size_t blocks,
               std::uint64_t counter, bool increment, Word flags, Word first, Word last,
               Word (*cvs)[8]) {
  for (std::size_t i = 0; i < count; ++i) {
    Word cv[8];
    std::memcpy(cv, kIv, sizeof cv);
    for (std::size_t b = 0; b < blocks; ++b) {
      const Word ends = (b == 0 ? first : 0) | (b + 1 == blocks ? last : 0);
      compress_portable(cv, inputs[i] + b * kBlockBytes, kBlockBytes, counter + (increment ? i : 0),
                        flags | ends);
    }
    std::memcpy(cvs[i], cv, sizeof cv);
  }
}

// Two 16-bit limbs in each word: no carry from the lower into the upper one.
Word add_limbs(Word a, Word b) {
  constexpr Word kTop = 0x8000'8000;
  return ((a & ~kTop) + (b & ~kTop)) ^ ((a ^ b) & kTop);
}

// The output blocks of a root differ only in the counter, which enters at word 12: three of the
// first four mixing steps are the same for all of them.
void add_term(const Root& root, Word* sum) {
  Word m[16];
  load_message(root.block, m);
  State common;
  std::memcpy(common.v, root.cv, 32);
  std::memcpy(common.v + 8, kIv, 16);
  common.v[12] = 0;
  common.v[13] = 0;
  common.v[14] = root.block_bytes;
  common.v[15] = root.flags | kRoot;
  mix(common, 1, 5, 9, 13, m[2], m[3]);
  mix(common, 2, 6, 10, 14, m[4], m[5]);
  mix(common, 3, 7, 11, 15, m[6], m[7]);
  for (Word counter = 0; counter < kElementBlocks; ++counter) {
    State s = common;
    s.v[12] = counter;
    mix(s, 0, 4, 8, 12, m[0], m[1]);
    diagonals<0>(s, m);
    later_rounds(s, m);
    Word* to = sum + std::size_t{16} * counter;
    for (int i = 0; i < 8; ++i) {
      to[i] = add_limbs(to[i], s.v[i] ^ s.v[i + 8]);
      to[i + 8] = add_limbs(to[i + 8], s.v[i + 8] ^ root.cv[i]);
    }
  }
}

void add_terms(const Term* terms, std::size_t count, Word* plus, Word* minus) {
  for (std::size_t i = 0; i < count; ++i) {
    add_term(terms[i].root, terms[i].subtract ? minus : plus);
  }
}

void settle(const Word* sum, bool subtract, std::uint16_t* limbs) {
  const int sign = subtract ? -1 : 1;
  for (std::size_t i = 0; i < kElementWords; ++i) {
    const auto low = static_cast<std::uint16_t>(sum[i]);
    const auto high = static_cast<std::uint16_t>(sum[i] >> 16);
    limbs[2 * i] = static_cast<std::uint16_t>(limbs[2 * i] + sign * low);
    limbs[2 * i + 1] = static_cast<std::uint16_t>(limbs[2 * i + 1] + sign * high);
  }
}

}  // namespace

const Backend kPortable = {Kernel::portable, 1,     compress_portable, output_portable, hash_many,
                           add_terms,        settle};

}  // namespace flatkv::blake3
