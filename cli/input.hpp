// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <zlib.h>
#include <zstd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/bytes.hpp"
#include "outcome.hpp"
#include "signals.hpp"

namespace flatkv::cli {

/// A sequential source of bytes.
class Source {
 public:
  virtual ~Source() = default;
  /// At least one byte into `into`, or 0 at the end.
  virtual Outcome<std::size_t> read(std::span<char> into) = 0;
};

/// A file, or standard input for "-". Waiting ends when an interrupt is requested or `stop` is
/// called. One thread reads; `consumed` and `stop` are for any.
class FileSource : public Source {
 public:
  /// `interrupts` may be null and must outlive the source otherwise.
  static Outcome<std::unique_ptr<FileSource>> open(const std::string& path,
                                                   const Interrupts* interrupts);
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  Outcome<std::size_t> read(std::span<char> into) override;
  void stop() noexcept;
  std::uint64_t consumed() const noexcept { return consumed_.load(std::memory_order_relaxed); }
  /// Bytes of a regular file.
  std::optional<std::uint64_t> size() const noexcept { return size_; }

 private:
  FileSource(int descriptor, std::string name, const Interrupts* interrupts);

  int descriptor_;
  int stop_;
  std::string name_;
  const Interrupts* interrupts_;
  std::optional<std::uint64_t> size_;
  std::atomic<std::uint64_t> consumed_{0};
};

/// Decompresses zstd frames, one after another, in constant memory. A frame that ends early, or
/// bytes that are no frame, are input that cannot be parsed.
class ZstdSource : public Source {
 public:
  explicit ZstdSource(Source& compressed);
  ~ZstdSource() override;
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;

  Outcome<std::size_t> read(std::span<char> into) override;

 private:
  Source& compressed_;
  ZSTD_DCtx* context_;
  std::vector<char> buffer_;
  ZSTD_inBuffer in_{};
  bool in_frame_ = false;
  bool any_ = false;  // an empty file is not valid zstd
  bool ended_ = false;
};

/// Decompresses gzip members, one after another, in constant memory. As ZstdSource otherwise.
class GzipSource : public Source {
 public:
  explicit GzipSource(Source& compressed);
  ~GzipSource() override;
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;

  Outcome<std::size_t> read(std::span<char> into) override;

 private:
  Outcome<void> fill();

  Source& compressed_;
  z_stream stream_{};
  std::vector<char> buffer_;
  bool in_member_ = true;  // an empty file is not valid gzip
  bool ended_ = false;
};

/// A source whose first bytes can be peeked at.
class PeekSource : public Source {
 public:
  static constexpr std::size_t kMost = 4;

  explicit PeekSource(Source& source) : source_(source) {}
  /// The first kMost bytes; fewer only where there are no more. Before the first read.
  Outcome<std::string_view> peek();
  Outcome<std::size_t> read(std::span<char> into) override;

 private:
  Source& source_;
  std::array<char, kMost> head_{};
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

/// A file or "-", decompressed if its first bytes are those of zstd or gzip, whatever its name. A
/// name that ends in ".zst" or ".gz" promises compression: other content is malformed.
class Input : public Source {
 public:
  static Outcome<std::unique_ptr<Input>> open(const std::string& path,
                                              const Interrupts* interrupts);
  Outcome<std::size_t> read(std::span<char> into) override;
  const FileSource& file() const noexcept { return *file_; }
  FileSource& file() noexcept { return *file_; }

 private:
  Input(std::unique_ptr<FileSource> file, std::string name)
      : file_(std::move(file)), start_(*file_), name_(std::move(name)) {}
  Outcome<void> choose();

  std::unique_ptr<FileSource> file_;
  PeekSource start_;
  std::string name_;
  std::unique_ptr<Source> decompressed_;
  Source* source_ = nullptr;  // null before the first read, which may block
};

/// Splits a source into lines without their '\n'. A last line without one counts.
class LineReader {
 public:
  /// A block's payload is at most 1 GiB, so no line of a valid change set is near this.
  static constexpr std::size_t kMaxLine = std::size_t{2} << 30;
  /// Bytes that may be read behind a line, whatever is in them.
  static constexpr std::size_t kPadding = 64;

  explicit LineReader(Source& source, std::size_t max_line = kMaxLine);
  /// The next line, valid until the next call; nothing at the end. A line that is too long is
  /// malformed input.
  Outcome<std::optional<std::string_view>> next();
  /// Of the line last returned, from 1.
  std::uint64_t number() const noexcept { return number_; }

 private:
  Outcome<void> fill();
  std::unexpected<Trouble> too_long() const;

  Source& source_;
  std::size_t max_line_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;    // of the current line
  std::size_t scanned_ = 0;  // no '\n' in [begin_, scanned_)
  std::size_t end_ = 0;      // of the data
  std::uint64_t number_ = 0;
  bool eof_ = false;
};

}  // namespace flatkv::cli
