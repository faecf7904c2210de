// SPDX-License-Identifier: Apache-2.0
// A message of a topic: as it is, and with its digests made right, so that the checks behind them
// are reached. What decodes has one encoding, and what a reader takes for a whole record keeps the
// rules.
#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "blake3/blake3.hpp"
#include "input.hpp"
#include "wire/topic_reader.hpp"

namespace {

using namespace flatkv;

/// The key that belongs to the value, if that is long enough to say.
Bytes key_for(ByteView value) {
  Bytes key(wire::kKeyBytes);
  if (value.size() < wire::kHeaderBytes) return key;
  store_be(key.data(), load_le<std::uint64_t>(value.data() + 32));
  store_be(key.data() + 8, load_le<std::uint32_t>(value.data() + 44));
  return key;
}

/// The same with right digests of the record, where there is room for it, and of the value.
Bytes seal(ByteView value) {
  Bytes sealed = to_bytes(value);
  if (sealed.size() >= wire::kHeaderBytes && load_le<std::uint64_t>(value.data() + 56) >> 63 == 0) {
    wire::Header header;
    const std::uint8_t* at = sealed.data() + 16;
    const auto take = [&](auto& into, std::size_t offset) {
      std::copy_n(sealed.data() + offset, into.size(), into.begin());
    };
    std::copy_n(at, header.topic.size(), header.topic.begin());
    header.sequence = load_le<std::uint64_t>(sealed.data() + 32);
    header.kind = static_cast<wire::Kind>(load_le<std::uint32_t>(sealed.data() + 40));
    header.version = static_cast<std::int64_t>(load_le<std::uint64_t>(sealed.data() + 56));
    take(header.roots.root, 72);
    take(header.roots.account, 104);
    take(header.roots.code, 136);
    take(header.roots.storage, 168);
    take(header.roots.legacy, 200);
    take(header.previous, 232);
    take(header.payload_digest, 264);
    std::ranges::copy(wire::record_digest(header), sealed.begin() + 296);
  }
  append(sealed, blake3::hash(sealed));
  return sealed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  const Bytes sealed = seal(bytes);
  for (const ByteView value : {bytes, ByteView(sealed)}) {
    const Bytes key = key_for(value);
    const auto part = wire::decode_message(key, value);
    if (!part) continue;
    const wire::Header& header = part->header;
    const wire::Message again = wire::encode_message(header, part->bytes);
    fuzz::check(equal(again.key, key) && equal(again.value, value));
    fuzz::check(header.part < header.parts && part->bytes.size() <= header.stored_bytes);
    fuzz::check((header.sequence == 0) == (header.kind == wire::Kind::begin));
    // A reader that this record would continue.
    std::optional<wire::Position> before;
    if (header.sequence > 0) {
      before = {header.topic, header.sequence - 1, header.previous,
                header.version - (header.kind == wire::Kind::block ? 1 : 0)};
      if (header.kind == wire::Kind::undo && header.depth > 0 && header.version < 1000) {
        ++before->version;
      }
    }
    wire::TopicReader reader(before);
    const auto record = reader.take(key, value);
    if (!record || !*record) continue;
    fuzz::check((*record)->payload.size() == header.payload_bytes);
    fuzz::check(blake3::hash((*record)->payload) == header.payload_digest);
    fuzz::check(reader.last() == (*record)->at);
  }
  return 0;
}
