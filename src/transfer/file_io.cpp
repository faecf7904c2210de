// SPDX-License-Identifier: Apache-2.0
#include "transfer/file_io.hpp"

#include <array>

#include "transfer/zstd_magic.hpp"

namespace flatkv::transfer {
namespace {

class FileSource : public ByteSource {
 public:
  explicit FileSource(std::unique_ptr<fs::ReadFile> file) : file_(std::move(file)) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    FLATKV_ASSIGN(const std::size_t got, file_->read_at(offset_, into));
    offset_ += got;
    return got;
  }

 private:
  std::unique_ptr<fs::ReadFile> file_;
  std::uint64_t offset_ = 0;
};

class CompressedFileSource : public ByteSource {
 public:
  explicit CompressedFileSource(std::unique_ptr<fs::ReadFile> file)
      : file_(std::move(file)), zstd_(file_) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override { return zstd_.read(into); }

 private:
  FileSource file_;
  ZstdSource zstd_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_source(fs::FileSystem& files, const std::string& path) {
  FLATKV_ASSIGN(auto file, files.open_read(path));
  std::array<std::uint8_t, kZstdMagicBytes> head{};
  FLATKV_ASSIGN(const std::size_t got, file->read_at(0, head));
  std::unique_ptr<ByteSource> source;
  if (begins_as_zstd(ByteView(head).first(got)) || path.ends_with(".zst")) {
    source = std::make_unique<CompressedFileSource>(std::move(file));
  } else {
    source = std::make_unique<FileSource>(std::move(file));
  }
  return source;
}

}  // namespace flatkv::transfer
