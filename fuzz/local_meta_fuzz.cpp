// SPDX-License-Identifier: Apache-2.0
// Fixed forms in the databases: LocalMeta, stats, versions and account values. What is accepted is
// exactly what would be written.
#include <cstdlib>

#include "base/bytes.hpp"
#include "codec/account.hpp"
#include "codec/local_meta.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const ByteView bytes{data, size};
  const auto expect = [&](ByteView written) {
    if (!equal(written, bytes)) std::abort();
  };
  if (const auto meta = codec::decode_local_meta(bytes)) expect(codec::encode(*meta));
  if (const auto stats = codec::decode_stats(bytes)) expect(codec::encode(*stats));
  if (const auto version = codec::decode_version(bytes)) expect(codec::encode_version(*version));
  if (const auto account = codec::decode_account(bytes)) {
    expect(codec::encode_account(*account).view());
  }
  return 0;
}
