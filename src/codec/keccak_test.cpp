// SPDX-License-Identifier: Apache-2.0
#include "codec/keccak.hpp"

#include <gtest/gtest.h>

namespace flatkv::codec {
namespace {

std::string hash(ByteView bytes) { return to_hex(keccak256(bytes)); }

TEST(Keccak, HashesWhatEveryoneKnows) {
  EXPECT_EQ(hash({}), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  EXPECT_EQ(hash(as_bytes("abc")),
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
  // The selector a9059cbb of ERC-20.
  EXPECT_EQ(hash(as_bytes("transfer(address,uint256)")).substr(0, 8), "a9059cbb");
}

// Digests by PyCryptodome, of the bytes 7 i + 3, around the limits of a block of 136 bytes.
TEST(Keccak, AgreesWithAnotherImplementationAtTheEdgesOfBlocks) {
  struct Case {
    std::size_t size;
    const char* digest;
  };
  for (const Case& one : {
           Case{1, "69c322e3248a5dfc29d73c5b0553b0185a35cd5bb6386747517ef7e53b15e287"},
           Case{8, "ad894215c2106b9dfa2c04022025509974a5eb20b9f4cd27ca716967542ecf6e"},
           Case{135, "00ef96af9cf4b24c7f269d922294444a197d0a33638c2e56634c57e892103a8f"},
           Case{136, "742061bcad767ed4c4f5883b1dcb1aad11afdcc140dc469d953759b127b9f9ed"},
           Case{137, "e3371f61e770abf254c34239c3b0099ad90594507415bc81dd0a10b9692bbf2a"},
           Case{271, "4401c4afbe16ff911bdbf2d38e556e5b861f3fdf0f9d4306b1c46f6ae4f73584"},
           Case{272, "ac141fd7b0a0ffcd2e967254d508da3ec616596493c36fa304425647d90e6de5"},
           Case{273, "16192ea86793083e47731cb3c970600f04768414d92bc0540e54ce8607a0fce0"},
           Case{24576, "c0a2777679874d6d84094c9ebfc1c4da1278545ae3681c85ed2d36ea203cfcf2"},
       }) {
    Bytes bytes(one.size);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(7 * i + 3);
    EXPECT_EQ(hash(bytes), one.digest) << one.size << " bytes";
  }
}

}  // namespace
}  // namespace flatkv::codec
