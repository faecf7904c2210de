// SPDX-License-Identifier: Apache-2.0
#include "transfer/file_io.hpp"

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

bool is_compressed(const std::string& path) { return path.ends_with(".zst"); }

Result<std::unique_ptr<ByteSource>> open_source(fs::FileSystem& files, const std::string& path) {
  FLATKV_ASSIGN(auto file, files.open_read(path));
  std::unique_ptr<ByteSource> source;
  if (is_compressed(path)) {
    source = std::make_unique<CompressedFileSource>(std::move(file));
  } else {
    source = std::make_unique<FileSource>(std::move(file));
  }
  return source;
}

}  // namespace flatkv::transfer
