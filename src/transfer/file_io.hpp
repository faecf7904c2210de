// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "flatkv/tools/transfer.hpp"
#include "fs/file_system.hpp"

namespace flatkv::transfer {

/// The bytes of a file, decompressed if its first bytes are those of zstd, whatever its name. A
/// name that ends in `.zst` promises compression: other content is `corruption` when it is read.
Result<std::unique_ptr<ByteSource>> open_source(fs::FileSystem& files, const std::string& path);

/// Adds the file's path to a failure that names none.
template <class T>
Result<T> in_file(Result<T> result, const std::string& path) {
  if (result || !result.error().path.empty()) return result;
  Error error = std::move(result).error();
  error.path = path;
  return std::unexpected(std::move(error));
}

/// Appends to a file.
class FileSink : public ByteSink {
 public:
  explicit FileSink(fs::AppendFile& file) : file_(file) {}
  Status write(ByteView bytes) override { return file_.append({&bytes, 1}); }

 private:
  fs::AppendFile& file_;
};

}  // namespace flatkv::transfer
