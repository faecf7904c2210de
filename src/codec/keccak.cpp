// SPDX-License-Identifier: Apache-2.0
#include "codec/keccak.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/endian.hpp"

// Keccak-f[1600] with a rate of 1088 bits, written from the Keccak reference (version 3.0). Lane
// (x, y) of the state is `lanes[x + 5 * y]`, little-endian.
namespace flatkv::codec {
namespace {

constexpr std::size_t kRateBytes = 136;
constexpr std::size_t kRounds = 24;
using Lanes = std::array<std::uint64_t, 25>;

/// Bit 2^j − 1 of round i is bit j + 7 i of the LFSR x^8 + x^6 + x^5 + x^4 + 1.
constexpr std::array<std::uint64_t, kRounds> round_constants() {
  std::array<std::uint64_t, kRounds> constants{};
  unsigned lfsr = 1;
  for (std::uint64_t& constant : constants) {
    for (unsigned j = 0; j <= 6; ++j) {
      if ((lfsr & 1U) != 0) constant |= 1ULL << ((1U << j) - 1U);
      lfsr = (lfsr << 1U) ^ ((lfsr >> 7U) * 0x171U);
    }
  }
  return constants;
}
constexpr auto kRoundConstants = round_constants();
static_assert(kRoundConstants[0] == 1 && kRoundConstants[23] == 0x8000000080008008);

/// Where rho and pi take the lanes, along the cycle of pi from lane 1 on: to `lane[t]`, turned by
/// `turn[t]`, which is (t + 1) (t + 2) / 2.
struct Path {
  std::array<std::size_t, 24> lane{};
  std::array<int, 24> turn{};
};
constexpr Path path() {
  Path path;
  std::size_t x = 1;
  std::size_t y = 0;
  int turn = 0;
  for (int t = 0; t < 24; ++t) {
    const std::size_t next = (2 * x + 3 * y) % 5;
    x = y;
    y = next;
    turn = (turn + t + 1) % 64;
    path.lane.at(static_cast<std::size_t>(t)) = x + 5 * y;
    path.turn.at(static_cast<std::size_t>(t)) = turn;
  }
  return path;
}
constexpr Path kPath = path();

void permute(Lanes& lanes) noexcept {
  for (const std::uint64_t constant : kRoundConstants) {
    // theta
    std::array<std::uint64_t, 5> parity{};
    for (std::size_t x = 0; x < 5; ++x) {
      parity[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
    }
    for (std::size_t x = 0; x < 5; ++x) {
      const std::uint64_t both = parity[(x + 4) % 5] ^ std::rotl(parity[(x + 1) % 5], 1);
      for (std::size_t y = 0; y < 25; y += 5) lanes[x + y] ^= both;
    }
    // rho and pi
    std::uint64_t carried = lanes[1];
    for (std::size_t t = 0; t < 24; ++t) {
      carried = std::exchange(lanes[kPath.lane[t]], std::rotl(carried, kPath.turn[t]));
    }
    // chi
    for (std::size_t y = 0; y < 25; y += 5) {
      const std::array<std::uint64_t, 5> old{lanes[y], lanes[y + 1], lanes[y + 2], lanes[y + 3],
                                             lanes[y + 4]};
      for (std::size_t x = 0; x < 5; ++x) {
        lanes[x + y] = old[x] ^ (~old[(x + 1) % 5] & old[(x + 2) % 5]);
      }
    }
    lanes[0] ^= constant;  // iota
  }
}

void absorb(Lanes& lanes, ByteView block) noexcept {
  for (std::size_t i = 0; i < kRateBytes / 8; ++i) {
    lanes[i] ^= load_le<std::uint64_t>(block.data() + 8 * i);
  }
  permute(lanes);
}

}  // namespace

Word keccak256(ByteView bytes) noexcept {
  Lanes lanes{};
  for (; bytes.size() >= kRateBytes; bytes = bytes.subspan(kRateBytes)) {
    absorb(lanes, bytes.first(kRateBytes));
  }
  std::array<std::uint8_t, kRateBytes> last{};
  std::ranges::copy(bytes, last.begin());
  last[bytes.size()] ^= 0x01;
  last.back() ^= 0x80;
  absorb(lanes, last);
  Word digest;
  for (std::size_t i = 0; i < digest.size() / 8; ++i) store_le(digest.data() + 8 * i, lanes[i]);
  return digest;
}

}  // namespace flatkv::codec
