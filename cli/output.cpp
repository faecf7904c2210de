// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.hpp"
#include "base/reuse.hpp"
#include "descriptors.hpp"

namespace flatkv::cli {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 16;

std::unexpected<Trouble> output_is_closed() {
  return trouble(ExitCode::failed, "standard output is closed",
                 "connect it, to /dev/null if nobody wants what it gets");
}

bool is_store(const std::filesystem::path& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("gen-") && name.size() == std::string_view("gen-00000001").size()) {
      return true;
    }
  }
  return false;
}

}  // namespace

Output::Output(int descriptor, std::string name, bool compressed)
    : descriptor_(descriptor), name_(std::move(name)) {
  if (!compressed) return;
  context_ = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  compressed_.resize(ZSTD_CStreamOutSize());
}

Output::~Output() {
  ZSTD_freeCCtx(context_);
  if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
}

std::unique_ptr<Output> Output::standard() {
  return std::unique_ptr<Output>(new Output(STDOUT_FILENO, "standard output", false));
}

Outcome<void> outside_of_stores(const std::string& path) {
  if (path == "-") return {};
  std::error_code error;
  const auto whole = std::filesystem::weakly_canonical(path, error);
  if (error) return {};  // opening it reports the error
  for (auto above = whole.parent_path(); above != above.root_path(); above = above.parent_path()) {
    if (!is_store(above)) continue;
    return trouble(ExitCode::usage, path + " lies in the store " + above.string(),
                   "choose a file outside of it: nothing there may be written but by the store");
  }
  return {};
}

Outcome<std::unique_ptr<Output>> Output::open(const std::string& path) {
  if (path == "-") {
    if (was_closed(STDOUT_FILENO)) return output_is_closed();
    return standard();
  }
  FLATKV_TRY(outside_of_stores(path));
  // Appending writes of whole lines: a kill between two of them leaves whole lines.
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    Trouble trouble(fail_errno(errno, "cannot create the output file", path).error());
    if (errno == ENOENT || errno == ENOTDIR || errno == EISDIR) trouble.exit = ExitCode::usage;
    trouble.advice = "check the path of the output file";
    return std::unexpected(std::move(trouble));
  }
  return std::unique_ptr<Output>(new Output(descriptor, path, path.ends_with(".zst")));
}

Outcome<void> Output::put(std::string_view text) {
  if (!text.empty() && descriptor_ == STDOUT_FILENO && was_closed(STDOUT_FILENO)) {
    return output_is_closed();
  }
  while (!text.empty()) {
    const ssize_t put = ::write(descriptor_, text.data(), text.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {  // another process made standard output non-blocking
        pollfd wait{.fd = descriptor_, .events = POLLOUT, .revents = 0};
        static_cast<void>(::poll(&wait, 1, -1));
        continue;
      }
      failed_ = true;
      const int why = errno;
      Trouble trouble(fail_errno(why, "cannot write", name_).error());
      if (why == EPIPE && descriptor_ == STDOUT_FILENO) trouble.exit = ExitCode::broken_pipe;
      return std::unexpected(std::move(trouble));
    }
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Outcome<void> Output::compress(ZSTD_EndDirective how) {
  ZSTD_inBuffer in{buffer_.data(), buffer_.size(), 0};
  while (true) {
    ZSTD_outBuffer out{compressed_.data(), compressed_.size(), 0};
    const std::size_t left = ZSTD_compressStream2(context_, &out, &in, how);
    if (ZSTD_isError(left) != 0) {
      return trouble(ExitCode::failed, name_ + ": " + ZSTD_getErrorName(left));
    }
    FLATKV_TRY(put({compressed_.data(), out.pos}));
    if (how == ZSTD_e_continue ? in.pos == in.size : left == 0) break;
  }
  clear_for_reuse(buffer_);
  return {};
}

Outcome<void> Output::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() < kBuffer) return {};
  if (context_ != nullptr) return compress(ZSTD_e_continue);
  return flush();
}

Outcome<void> Output::flush() {
  if (context_ != nullptr) return compress(ZSTD_e_flush);
  const std::string taken = std::move(buffer_);  // nothing is written twice, whatever happens
  buffer_.clear();
  return put(taken);
}

Outcome<void> Output::close() {
  if (descriptor_ < 0) return {};
  if (context_ != nullptr) {
    FLATKV_TRY(compress(ZSTD_e_end));
  } else {
    FLATKV_TRY(flush());
  }
  const int descriptor = descriptor_;
  if (descriptor <= STDERR_FILENO) return {};
  descriptor_ = -1;
  if (::close(descriptor) != 0) {
    return std::unexpected(Trouble(fail_errno(errno, "cannot close", name_).error()));
  }
  return {};
}

}  // namespace flatkv::cli
