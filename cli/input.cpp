// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/error.hpp"
#include "base/reuse.hpp"
#include "descriptors.hpp"
#include "transfer/zstd_magic.hpp"

namespace flatkv::cli {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 18;

/// A member that is deflated, the only method there is (RFC 1952).
bool is_gzip(std::string_view head) { return head.starts_with("\x1f\x8b\x08"); }

}  // namespace

// ---- files -------------------------------------------------------------------------------------

FileSource::FileSource(int descriptor, std::string name, const Interrupts* interrupts)
    : descriptor_(descriptor),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      name_(std::move(name)),
      interrupts_(interrupts) {
  struct stat info{};
  if (::fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode)) {
    size_ = static_cast<std::uint64_t>(info.st_size);
  }
}

FileSource::~FileSource() {
  if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
  if (stop_ >= 0) ::close(stop_);
}

Outcome<std::unique_ptr<FileSource>> FileSource::open(const std::string& path,
                                                      const Interrupts* interrupts) {
  if (path == "-") {
    if (was_closed(STDIN_FILENO)) {
      return trouble(ExitCode::failed, "standard input is closed",
                     "give the name of a file, or connect standard input");
    }
    return std::unique_ptr<FileSource>(new FileSource(STDIN_FILENO, "standard input", interrupts));
  }
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int why = errno;
    Trouble trouble(fail_errno(why, "cannot open the input file", path).error());
    // The user named a file that is not there: wrong use, not a failure of the system.
    if (why == ENOENT || why == ENOTDIR) trouble.exit = ExitCode::usage;
    trouble.advice = "check the path of the file";
    return std::unexpected(std::move(trouble));
  }
  auto source = std::unique_ptr<FileSource>(new FileSource(descriptor, path, interrupts));
  struct stat info{};
  if (::fstat(descriptor, &info) == 0 && S_ISDIR(info.st_mode)) {
    return trouble(ExitCode::usage, path + " is a directory, want a file");
  }
  return source;
}

void FileSource::stop() noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(stop_, &one, sizeof one));
}

Outcome<std::size_t> FileSource::read(std::span<char> into) {
  while (true) {
    std::array<pollfd, 3> wait = {{{.fd = descriptor_, .events = POLLIN, .revents = 0},
                                   {.fd = stop_, .events = POLLIN, .revents = 0},
                                   {.fd = interrupts_ != nullptr ? interrupts_->descriptor() : -1,
                                    .events = POLLIN,
                                    .revents = 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(Trouble(fail_errno(errno, "poll", name_).error()));
    }
    if (wait[1].revents != 0) return trouble(ExitCode::interrupted, "stopped while reading");
    if (wait[2].revents != 0) {
      return std::unexpected(interrupted(*interrupts_, "while reading " + name_));
    }
    const ssize_t got = ::read(descriptor_, into.data(), into.size());
    if (got >= 0) {
      consumed_.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
      return static_cast<std::size_t>(got);
    }
    if (errno == EINTR || errno == EAGAIN) continue;
    return std::unexpected(Trouble(fail_errno(errno, "cannot read", name_).error()));
  }
}

// ---- zstd --------------------------------------------------------------------------------------

ZstdSource::ZstdSource(Source& compressed)
    : compressed_(compressed), context_(ZSTD_createDCtx()), buffer_(kChunk) {}

ZstdSource::~ZstdSource() { ZSTD_freeDCtx(context_); }

Outcome<std::size_t> ZstdSource::read(std::span<char> into) {
  ZSTD_outBuffer out{into.data(), into.size(), 0};
  while (out.pos == 0) {
    if (in_.pos == in_.size && !ended_) {
      FLATKV_ASSIGN(const std::size_t got, compressed_.read(buffer_));
      ended_ = got == 0;
      any_ = any_ || got > 0;
      in_ = {buffer_.data(), got, 0};
    }
    if (ended_ && !in_frame_ && any_) return 0;
    const std::size_t consumed_before = in_.pos;
    const std::size_t hint = ZSTD_decompressStream(context_, &out, &in_);
    if (ZSTD_isError(hint) != 0) {
      return trouble(ExitCode::usage,
                     std::string("the compressed data is damaged: ") + ZSTD_getErrorName(hint),
                     "check the file with `zstd -t`; windows above 128 MiB (--long) are not read");
    }
    // hint is 0 exactly when a frame is complete and all of it is out.
    in_frame_ = hint != 0;
    if (ended_ && out.pos == 0 && in_.pos == consumed_before && (in_frame_ || !any_)) {
      return trouble(ExitCode::usage, "the compressed data ends in the middle of a frame",
                     "fetch or make the file again");
    }
  }
  return out.pos;
}

// ---- gzip --------------------------------------------------------------------------------------

GzipSource::GzipSource(Source& compressed) : compressed_(compressed), buffer_(kChunk) {
  constexpr int kGzipOnly = 16;
  if (::inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) throw std::bad_alloc();
}

GzipSource::~GzipSource() { ::inflateEnd(&stream_); }

Outcome<void> GzipSource::fill() {
  if (stream_.avail_in > 0 || ended_) return {};
  FLATKV_ASSIGN(const std::size_t got, compressed_.read(buffer_));
  ended_ = got == 0;
  stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
  stream_.avail_in = static_cast<uInt>(got);
  return {};
}

Outcome<std::size_t> GzipSource::read(std::span<char> into) {
  const auto room = static_cast<uInt>(std::min<std::size_t>(into.size(), kChunk));
  stream_.next_out = reinterpret_cast<Bytef*>(into.data());
  stream_.avail_out = room;
  while (stream_.avail_out == room) {
    FLATKV_TRY(fill());
    if (stream_.avail_in == 0 && ended_) {
      if (!in_member_) return 0;
      return trouble(ExitCode::usage, "the compressed data ends in the middle",
                     "fetch or make the file again");
    }
    if (!in_member_) ::inflateReset(&stream_);
    in_member_ = true;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      in_member_ = false;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return trouble(ExitCode::usage,
                     std::string("the compressed data is damaged: ") +
                         (stream_.msg != nullptr ? stream_.msg : ::zError(status)),
                     "check the file with `gzip -t`");
    }
  }
  return room - stream_.avail_out;
}

// ---- any ---------------------------------------------------------------------------------------

Outcome<std::string_view> PeekSource::peek() {
  while (end_ < kMost) {
    FLATKV_ASSIGN(const std::size_t got, source_.read(std::span(head_).subspan(end_)));
    if (got == 0) break;
    end_ += got;
  }
  return std::string_view(head_.data(), end_);
}

Outcome<std::size_t> PeekSource::read(std::span<char> into) {
  if (at_ == end_) return source_.read(into);
  const std::size_t count = std::min(into.size(), end_ - at_);
  std::memcpy(into.data(), head_.data() + at_, count);
  at_ += count;
  return count;
}

Outcome<std::unique_ptr<Input>> Input::open(const std::string& path, const Interrupts* interrupts) {
  FLATKV_ASSIGN(auto file, FileSource::open(path, interrupts));
  return std::unique_ptr<Input>(new Input(std::move(file), path));
}

Outcome<void> Input::choose() {
  FLATKV_ASSIGN(const std::string_view head, start_.peek());
  const bool zstd = transfer::begins_as_zstd(as_bytes(head));
  const bool gzip = is_gzip(head);
  if (zstd || (name_.ends_with(".zst") && !gzip)) {
    decompressed_ = std::make_unique<ZstdSource>(start_);
  } else if (gzip || name_.ends_with(".gz")) {
    decompressed_ = std::make_unique<GzipSource>(start_);
  }
  source_ = decompressed_ ? decompressed_.get() : &start_;
  return {};
}

Outcome<std::size_t> Input::read(std::span<char> into) {
  if (source_ == nullptr) FLATKV_TRY(choose());
  return source_->read(into);
}

// ---- lines -------------------------------------------------------------------------------------

LineReader::LineReader(Source& source, std::size_t max_line)
    : source_(source), max_line_(max_line), buffer_(kChunk + kPadding) {}

std::unexpected<Trouble> LineReader::too_long() const {
  return trouble(ExitCode::usage,
                 "line " + std::to_string(number_ + 1) + " is longer than " +
                     std::to_string(max_line_) + " bytes",
                 "split the block into several lines of the same version");
}

Outcome<void> LineReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  if (end_ > max_line_) return too_long();
  if (buffer_.size() > kMostReused && end_ < kMostReused / 4) {  // one huge line is behind us
    std::vector<char> smaller(kMostReused / 2);
    std::memcpy(smaller.data(), buffer_.data(), end_);
    buffer_.swap(smaller);
  }
  if (buffer_.size() - kPadding - end_ < kChunk / 2) {
    buffer_.resize(2 * (buffer_.size() - kPadding) + kPadding);
  }
  const std::size_t room = buffer_.size() - kPadding - end_;
  FLATKV_ASSIGN(const std::size_t got, source_.read({buffer_.data() + end_, room}));
  end_ += got;
  eof_ = got == 0;
  return {};
}

Outcome<std::optional<std::string_view>> LineReader::next() {
  while (true) {
    const char* start = buffer_.data() + begin_;
    const void* newline = std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_);
    if (newline != nullptr || (eof_ && begin_ < end_)) {
      const auto length = newline != nullptr
                              ? static_cast<std::size_t>(static_cast<const char*>(newline) - start)
                              : end_ - begin_;
      if (length > max_line_) return too_long();
      begin_ += length + (newline != nullptr ? 1 : 0);
      scanned_ = begin_;
      ++number_;
      return std::string_view(start, length);
    }
    if (eof_) return std::nullopt;
    scanned_ = end_;
    FLATKV_TRY(fill());
  }
}

}  // namespace flatkv::cli
