// SPDX-License-Identifier: Apache-2.0
#include "transfer/stream_format.hpp"

#include <algorithm>
#include <limits>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "blake3/blake3.hpp"

namespace flatkv::transfer {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {'F', 'L', 'A', 'T', 'K', 'V', 'X', '\n'};
constexpr std::uint32_t kChunkMagic = 0x4b4e4843;   // "CHNK"
constexpr std::uint32_t kFooterMagic = 0x544f4f46;  // "FOOT"
constexpr std::size_t kDigestBytes = 32;

class Writer {
 public:
  explicit Writer(std::uint8_t* to) : to_(to) {}
  template <class T>
  Writer& put(T value) {
    store_le(to_, value);
    to_ += sizeof value;
    return *this;
  }
  Writer& put(ByteView bytes) {
    to_ = std::ranges::copy(bytes, to_).out;
    return *this;
  }

 private:
  std::uint8_t* to_;
};

class Reader {
 public:
  explicit Reader(const std::uint8_t* from) : from_(from) {}
  template <class T>
  T get() {
    const T value = load_le<T>(from_);
    from_ += sizeof value;
    return value;
  }
  void get(std::span<std::uint8_t> bytes) {
    std::copy_n(from_, bytes.size(), bytes.begin());
    from_ += bytes.size();
  }

 private:
  const std::uint8_t* from_;
};

std::array<Digest*, 5> digests_of(Roots& roots) {
  return {&roots.root, &roots.account, &roots.code, &roots.storage, &roots.legacy};
}

Failure bad(std::string message, std::uint64_t offset) {
  return fail(ErrorCode::corruption, "stream header: " + std::move(message)).offset(offset);
}

}  // namespace

HeaderBytes encode(const StreamHeader& header) {
  HeaderBytes bytes{};
  Roots roots = header.summary.roots;
  Writer to(bytes.data());
  to.put(ByteView(kMagic)).put(kStreamFormat).put(static_cast<std::uint32_t>(kHeaderBytes));
  to.put(static_cast<std::uint64_t>(header.summary.version));
  to.put(static_cast<std::uint32_t>(header.summary.account_rows)).put(std::uint32_t{0});
  for (const Digest* digest : digests_of(roots)) to.put(ByteView(*digest));
  for (const DatabaseStats& stats : header.summary.stats) {
    to.put(stats.rows).put(stats.key_bytes).put(stats.value_bytes);
  }
  for (const LtHash& hash : header.hashes) to.put(ByteView(hash.serialize()));
  to.put(ByteView(blake3::hash(ByteView(bytes).first(kHeaderBytes - kDigestBytes))));
  return bytes;
}

Result<StreamHeader> decode_header(std::span<const std::uint8_t, kHeaderBytes> bytes) {
  if (!std::ranges::equal(bytes.first(kMagic.size()), kMagic)) {
    return bad("this is not an exported state", 0);
  }
  const Digest digest = blake3::hash(bytes.first(kHeaderBytes - kDigestBytes));
  const bool intact = std::ranges::equal(bytes.last(kDigestBytes), digest);
  Reader from(bytes.data() + kMagic.size());
  const auto format = from.get<std::uint32_t>();
  if (format > kStreamFormat) {
    return fail(ErrorCode::format_too_new, "the stream has format " + std::to_string(format) +
                                               ", this program reads " +
                                               std::to_string(kStreamFormat))
        .offset(kMagic.size());
  }
  if (!intact) return bad("its digest does not match", kHeaderBytes - kDigestBytes);
  if (format != kStreamFormat) return bad("unknown format", 8);
  if (from.get<std::uint32_t>() != kHeaderBytes) return bad("wrong length", 12);

  StreamHeader header;
  const auto version = from.get<std::uint64_t>();
  if (version > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return bad("version out of range", 16);
  }
  header.summary.version = static_cast<std::int64_t>(version);
  const auto account_rows = from.get<std::uint32_t>();
  if (account_rows > 1) return bad("unknown option of account rows", 24);
  header.summary.account_rows = static_cast<AccountRows>(account_rows);
  if (from.get<std::uint32_t>() != 0) return bad("reserved bytes are not zero", 28);
  for (Digest* own : digests_of(header.summary.roots)) from.get(*own);
  for (DatabaseStats& stats : header.summary.stats) {
    stats.rows = from.get<std::uint64_t>();
    stats.key_bytes = from.get<std::uint64_t>();
    stats.value_bytes = from.get<std::uint64_t>();
  }
  for (LtHash& hash : header.hashes) {
    std::array<std::uint8_t, LtHash::kBytes> raw{};
    from.get(raw);
    hash = LtHash::deserialize(raw);
  }
  return header;
}

FrameBytes encode(const ChunkHeader& header) {
  FrameBytes bytes{};
  Writer(bytes.data())
      .put(kChunkMagic)
      .put(static_cast<std::uint32_t>(header.database))
      .put(header.rows)
      .put(header.payload_bytes)
      .put(header.index);
  return bytes;
}

FrameBytes encode(const Footer& footer) {
  FrameBytes bytes{};
  Writer(bytes.data()).put(kFooterMagic).put(std::uint32_t{0}).put(footer.chunks).put(footer.rows);
  return bytes;
}

Result<Frame> decode_frame(std::span<const std::uint8_t, kFrameBytes> bytes) {
  Reader from(bytes.data());
  Frame frame;
  const auto magic = from.get<std::uint32_t>();
  const auto second = from.get<std::uint32_t>();
  if (magic == kFooterMagic) {
    if (second != 0) return fail(ErrorCode::corruption, "footer: reserved bytes are not zero");
    frame.is_footer = true;
    frame.footer.chunks = from.get<std::uint64_t>();
    frame.footer.rows = from.get<std::uint64_t>();
    return frame;
  }
  if (magic != kChunkMagic) {
    return fail(ErrorCode::corruption, "neither a chunk nor the footer begins here");
  }
  if (second > static_cast<std::uint32_t>(Database::legacy)) {
    return fail(ErrorCode::corruption, "chunk of an unknown database");
  }
  frame.chunk.database = static_cast<Database>(second);
  frame.chunk.rows = from.get<std::uint32_t>();
  frame.chunk.payload_bytes = from.get<std::uint32_t>();
  frame.chunk.index = from.get<std::uint64_t>();
  if (frame.chunk.payload_bytes > kMaxChunkBytes) {
    return fail(ErrorCode::corruption, "a chunk of " + std::to_string(frame.chunk.payload_bytes) +
                                           " bytes is larger than any row");
  }
  if (frame.chunk.payload_bytes > kChunkBytes && frame.chunk.rows != 1) {
    return fail(ErrorCode::corruption, "a chunk above 1 MiB holds one row");
  }
  return frame;
}

Digest frame_digest(const Digest& previous, const FrameBytes& header, ByteView payload) {
  return blake3::Hasher().update(previous).update(header).update(payload).finalize();
}

}  // namespace flatkv::transfer
