// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <system_error>

#include "rocks/rocks.hpp"

namespace flatkv::rocks {
namespace {

/// RocksDB has no subcode for denied access, only the system's text at the end of its message.
bool ends_with_errno(const std::string& message, int number) {
  return message.ends_with(std::generic_category().message(number));
}

ErrorCode io_code(const rocksdb::Status& status) {
  switch (status.subcode()) {
    case rocksdb::Status::kNoSpace:
    case rocksdb::Status::kSpaceLimit:
      return ErrorCode::no_space;
    case rocksdb::Status::kPathNotFound:
      return ErrorCode::corruption;
    default:
      break;
  }
  const std::string message = status.ToString();
  if (ends_with_errno(message, EDQUOT) || ends_with_errno(message, EFBIG)) {
    return ErrorCode::no_space;
  }
  for (const int number : {EACCES, EPERM, EROFS}) {
    if (ends_with_errno(message, number)) return ErrorCode::permission;
  }
  return ErrorCode::io;
}

ErrorCode code_of(const rocksdb::Status& status) {
  switch (status.code()) {
    case rocksdb::Status::kNotFound:
      return ErrorCode::not_found;
    case rocksdb::Status::kCorruption:
      return ErrorCode::corruption;
    case rocksdb::Status::kNotSupported:
      return ErrorCode::unsupported;
    case rocksdb::Status::kInvalidArgument:
      // When an open cannot read CURRENT, RocksDB wraps the system's failure into this code.
      return status.ToString().find(": IO error: ") == std::string::npos
                 ? ErrorCode::invalid_argument
                 : io_code(status);
    case rocksdb::Status::kIOError:
      return io_code(status);
    default:
      return ErrorCode::io;
  }
}

/// RocksDB appends the file's message to the subcode's without a separator.
std::string text_of(const rocksdb::Status& status) {
  std::string text = status.ToString();
  for (const std::string_view subcode :
       {"No such file or directory", "No space left on device", "Stale file handle"}) {
    for (std::size_t at = text.find(subcode); at != std::string::npos;
         at = text.find(subcode, at)) {
      at += subcode.size();
      if (at < text.size() && text[at] != ' ' && text[at] != ':') text.insert(at, ": ");
    }
  }
  return text;
}

}  // namespace

Error rocks_error(const rocksdb::Status& status, std::string_view doing, const std::string& path,
                  Database which) {
  std::string message(doing);
  message += ": ";
  message += text_of(status);
  return fail(code_of(status), std::move(message)).path(path).database(which).error();
}

Error rocks_error(const rocksdb::Status& status, std::string_view doing, const DbOptions& options) {
  Error error = rocks_error(status, doing, options.path, options.which);
  error.path = options.name();
  if (options.named.empty()) return error;
  // RocksDB's own message names files.
  std::string& text = error.message;
  for (std::size_t at = text.find(options.path); at != std::string::npos;
       at = text.find(options.path, at + options.named.size())) {
    text.replace(at, options.path.size(), options.named);
  }
  return error;
}

}  // namespace flatkv::rocks
