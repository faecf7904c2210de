// SPDX-License-Identifier: Apache-2.0
// The code must write the worked examples of docs/formats.md. Another program made their bytes (a
// Python script, with roots from the oracle), so this also proves the layout as a whole.
#include "base/test_documented.hpp"
#include "changelog/clean_marker.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/reader.hpp"
#include "changelog/test_support.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/keys.hpp"

namespace flatkv::changelog::test {
namespace {

constexpr StoreId kExampleStore = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                                   0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

using flatkv::test::documented;
using flatkv::test::hex_dump;

Digest digest_of(std::string_view hex) {
  Digest digest{};
  std::ranges::copy(*from_hex(hex), digest.begin());
  return digest;
}

Bytes payload(std::int64_t version, std::span<const KVPair> pairs) {
  const NamedChangeSet set{kEvmModule, pairs};
  Bytes bytes;
  codec::append_version(bytes, version);
  codec::append_change_sets(bytes, {&set, 1});
  return bytes;
}

class FormatsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Digest zero =
        digest_of("be2a8de3dcf46c94ce85cdc8e07ac308f4d8a95490d956c38d780fd610db0813");
    const Digest account =
        digest_of("03c21ca9f8f2e1e7ec4bb1cd3bd3b88b646ce8b988bec796bd69d4c4d9955f58");
    const Base base{0, base_digest(kExampleStore, 0, {zero, zero, zero, zero, zero})};
    roots_ = {account, account, zero, zero, zero};
    ASSERT_TRUE(create_log(files_, "log", kExampleStore, base));
    auto log = Writer::open(files_, "log", look().tip, {kExampleStore});
    ASSERT_TRUE(log);
    Address address;
    address.fill(0x11);
    const AccountKey nonce = nonce_key(address);
    const Bytes one = {0, 0, 0, 0, 0, 0, 0, 1};
    const std::array first = {KVPair{nonce, one}, KVPair{as_bytes("a"), {}}};
    const std::array second = {KVPair{as_bytes("a"), {}, true}};
    for (const Bytes& bytes : {payload(1, first), payload(2, second)}) {
      const ByteView view = bytes;
      const std::int64_t version = (*log)->tip().version + 1;
      ASSERT_TRUE((*log)->append(version, {&view, 1}, blake3::hash(bytes), roots_));
      ASSERT_TRUE((*log)->sync());
    }
    tip_ = (*log)->tip();
  }

  LogWalk look() { return **walk_segments(files_, "log", {kExampleStore, 0, true}); }

  MemoryFiles files_;
  Roots roots_;
  Tip tip_;
};

TEST_F(FormatsTest, WorkedExampleIsWhatTheWriterWrites) {
  const Bytes want = hex_dump(documented("hex"));
  EXPECT_GT(want.size(), 700U);
  EXPECT_EQ(to_hex(files_.content("log/00000000000000000001.log")), to_hex(want));
}

TEST_F(FormatsTest, WorkedExampleCanBeRead) {
  files_.content("log/00000000000000000001.log") = hex_dump(documented("hex"));
  const LogWalk found = look();
  EXPECT_FALSE(found.damage);
  EXPECT_EQ(found.tip.version, 2);
  auto reader = Reader::open(files_, "log", found, kExampleStore, 2, true);
  const auto record = reader->next();
  ASSERT_TRUE(record && *record);
  const auto entry = codec::decode_changelog_entry((*record)->payload);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->version, 2);
  ASSERT_EQ(entry->changesets.size(), 1U);
  EXPECT_TRUE(entry->changesets[0].pairs[0].remove);
}

TEST_F(FormatsTest, CleanOfTheExample) {
  const CleanMark mark{tip_.version,    tip_.digest, tip_.segment,
                       tip_.end_offset, roots_,      kExampleStore};
  EXPECT_EQ(std::string(as_chars(encode(mark))), documented("clean"));
}

}  // namespace
}  // namespace flatkv::changelog::test
