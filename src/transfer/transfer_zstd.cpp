// SPDX-License-Identifier: Apache-2.0
// Compression around a stream; digests cover the uncompressed bytes.
#include <zstd.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/guard.hpp"
#include "flatkv/tools/transfer.hpp"

namespace flatkv {
namespace {

/// The largest window that a frame may ask for: 128 MiB, the default of the zstd command.
constexpr int kMaxWindowLog = 27;

Failure zstd_failure(ErrorCode code, std::size_t result) {
  return fail(code, std::string("zstd: ") + ZSTD_getErrorName(result));
}

Failure no_memory() { return fail(ErrorCode::out_of_memory, "out of memory"); }

/// Null where there is no memory.
template <class T, class... Arguments>
std::unique_ptr<T> or_null(Arguments&&... arguments) noexcept {
  try {
    return std::make_unique<T>(std::forward<Arguments>(arguments)...);
  } catch (...) {
    return nullptr;
  }
}

}  // namespace

struct ZstdSink::Impl {
  Impl(ByteSink& sink, int level) : inner(sink), context(ZSTD_createCStream(), ZSTD_freeCStream) {
    if (context == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
    out.resize(ZSTD_CStreamOutSize());
  }
  ByteSink& inner;
  std::unique_ptr<ZSTD_CStream, std::size_t (*)(ZSTD_CStream*)> context;
  Bytes out;

  Status run(ByteView bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    while (true) {
      ZSTD_outBuffer to{out.data(), out.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context.get(), &to, &in, directive);
      if (ZSTD_isError(left) != 0) return zstd_failure(ErrorCode::io, left);
      if (to.pos != 0) FLATKV_TRY(inner.write(ByteView(out).first(to.pos)));
      if (directive == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }
};

ZstdSink::ZstdSink(ByteSink& inner, int level) noexcept : impl_(or_null<Impl>(inner, level)) {}
ZstdSink::~ZstdSink() = default;
Status ZstdSink::write(ByteView bytes) {
  return guarded([&]() -> Status {
    if (!impl_) return no_memory();
    return impl_->run(bytes, ZSTD_e_continue);
  });
}
Status ZstdSink::finish() {
  return guarded([&]() -> Status {
    if (!impl_) return no_memory();
    return impl_->run({}, ZSTD_e_end);
  });
}

struct ZstdSource::Impl {
  explicit Impl(ByteSource& source)
      : inner(source), context(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (context == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
    in.resize(ZSTD_DStreamInSize());
  }
  ByteSource& inner;
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> context;
  Bytes in;
  std::size_t at = 0;
  std::size_t filled = 0;
  bool inside_frame = false;
};

ZstdSource::ZstdSource(ByteSource& inner) noexcept : impl_(or_null<Impl>(inner)) {}
ZstdSource::~ZstdSource() = default;

Result<std::size_t> ZstdSource::read(std::span<std::uint8_t> into) {
  return guarded([&]() -> Result<std::size_t> {
    if (!impl_) return no_memory();
    Impl& own = *impl_;
    ZSTD_outBuffer to{into.data(), into.size(), 0};
    while (to.pos == 0 && !into.empty()) {
      if (own.at == own.filled) {
        FLATKV_ASSIGN(own.filled, own.inner.read(own.in));
        own.at = 0;
        if (own.filled == 0) {
          if (!own.inside_frame) return 0;
          return fail(ErrorCode::corruption, "the compressed stream is cut off");
        }
      }
      ZSTD_inBuffer in{own.in.data(), own.filled, own.at};
      const std::size_t left = ZSTD_decompressStream(own.context.get(), &to, &in);
      if (ZSTD_isError(left) != 0) return zstd_failure(ErrorCode::corruption, left);
      own.at = in.pos;
      own.inside_frame = left != 0;
    }
    return to.pos;
  });
}

}  // namespace flatkv
