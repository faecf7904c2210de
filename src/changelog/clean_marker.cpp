// SPDX-License-Identifier: Apache-2.0
#include "changelog/clean_marker.hpp"

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "changelog/sealed_text.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {
namespace {

constexpr std::string_view kFile = "CLEAN";
constexpr std::string_view kTitle = "flatkv-clean 1\n";
/// With blocks in the log alone. A program that knows only the other form takes it for no CLEAN.
constexpr std::string_view kTitleUnflushed = "flatkv-clean 2\n";
constexpr std::uint64_t kMaxBytes = 4096;

}  // namespace

Bytes encode(const CleanMark& mark) {
  std::string text{mark.unflushed == 0 ? kTitle : kTitleUnflushed};
  text += text_line("store", to_hex(mark.store));
  text += text_line("version", std::to_string(mark.version));
  if (mark.unflushed != 0) text += text_line("unflushed", std::to_string(mark.unflushed));
  text += text_line("digest", to_hex(mark.digest));
  text += text_line("segment", mark.segment);
  text += text_line("bytes", std::to_string(mark.bytes));
  text += text_line("root", to_hex(mark.roots.root));
  text += text_line("account", to_hex(mark.roots.account));
  text += text_line("code", to_hex(mark.roots.code));
  text += text_line("storage", to_hex(mark.roots.storage));
  text += text_line("legacy", to_hex(mark.roots.legacy));
  return seal_text(std::move(text));
}

Result<CleanMark> decode_clean_mark(ByteView bytes) {
  CleanMark mark;
  std::string_view text = as_chars(bytes);
  const bool unflushed = text.starts_with(kTitleUnflushed);
  if (unflushed || text.starts_with(kTitle)) {
    TextLines lines(text.substr(kTitle.size()));
    lines.bytes("store", mark.store);
    lines.number("version", mark.version);
    if (unflushed) lines.number("unflushed", mark.unflushed);
    lines.bytes("digest", mark.digest);
    mark.segment = lines.value("segment");
    lines.number("bytes", mark.bytes);
    lines.bytes("root", mark.roots.root);
    lines.bytes("account", mark.roots.account);
    lines.bytes("code", mark.roots.code);
    lines.bytes("storage", mark.roots.storage);
    lines.bytes("legacy", mark.roots.legacy);
  }
  const bool names_a_segment = parse_segment_name(mark.segment).has_value();
  const bool counts = mark.version >= 0 && mark.unflushed >= 0 && mark.unflushed <= mark.version;
  if (!counts || !names_a_segment || !equal(encode(mark), bytes)) {
    return fail(ErrorCode::corruption, "CLEAN is not valid");
  }
  return mark;
}

Result<std::optional<CleanMark>> read_clean(fs::FileSystem& files, const std::string& generation) {
  const std::string path = fs::join(generation, kFile);
  const auto info = files.stat(path);
  if (!info && info.error().code == ErrorCode::not_found) return std::optional<CleanMark>{};
  if (!info) return std::unexpected(info.error());
  if (info->type != fs::FileType::file || info->size > kMaxBytes) return std::optional<CleanMark>{};
  FLATKV_ASSIGN(const Bytes bytes, fs::read_file(files, path, kMaxBytes));
  const auto mark = decode_clean_mark(bytes);
  if (!mark) return std::optional<CleanMark>{};
  return std::optional(*mark);
}

Status write_clean(fs::FileSystem& files, const std::string& generation, const CleanMark& mark) {
  FLATKV_FAILPOINT("changelog.clean.before_write");
  FLATKV_TRY(fs::replace_file(files, fs::join(generation, kFile), encode(mark)));
  FLATKV_FAILPOINT("changelog.clean.after_write");
  return {};
}

Status remove_clean(fs::FileSystem& files, const std::string& generation) {
  FLATKV_FAILPOINT("changelog.clean.before_remove");
  if (const Status removed = files.unlink(fs::join(generation, kFile));
      !removed && removed.error().code != ErrorCode::not_found) {
    return removed;
  }
  FLATKV_FAILPOINT("changelog.clean.after_remove");
  // Sync even if there was no file: the unlink by a process that died may not have reached the
  // disk.
  return files.sync_directory(generation);
}

}  // namespace flatkv::changelog
