// SPDX-License-Identifier: Apache-2.0
#include "changelog/undo_mark.hpp"

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/sealed_text.hpp"
#include "changelog/segment_file.hpp"
#include "changelog/writer.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {
namespace {

constexpr std::string_view kTitle = "flatkv-undo 1\n";
constexpr std::uint64_t kMaxBytes = 4096;

/// Cuts a segment in place, or, where another log shares it by a second name, a copy of it.
Status cut_segment(fs::FileSystem& files, const std::string& directory, const Tip& tip) {
  const std::string path = fs::join(directory, tip.segment);
  FLATKV_ASSIGN(const fs::FileInfo info, files.stat(path));
  if (info.size == tip.end_offset && info.links == 1) return {};
  if (info.links != 1) return reseal(files, directory, tip);
  FLATKV_ASSIGN(const auto file, files.open_append(path));
  FLATKV_TRY(file->truncate(tip.end_offset));
  FLATKV_FAILPOINT("changelog.undo.truncated");
  return file->sync();
}

}  // namespace

Bytes encode(const UndoMark& mark) {
  std::string text{kTitle};
  text += text_line("store", to_hex(mark.store));
  text += text_line("version", std::to_string(mark.version));
  text += text_line("digest", to_hex(mark.digest));
  text += text_line("next", to_hex(mark.next));
  text += text_line("tip", std::to_string(mark.tip));
  text += text_line("tip_digest", to_hex(mark.tip_digest));
  return seal_text(std::move(text));
}

Result<UndoMark> decode_undo_mark(ByteView bytes) {
  UndoMark mark;
  const std::string_view text = as_chars(bytes);
  if (text.starts_with(kTitle)) {
    TextLines lines(text.substr(kTitle.size()));
    lines.bytes("store", mark.store);
    lines.number("version", mark.version);
    lines.bytes("digest", mark.digest);
    lines.bytes("next", mark.next);
    lines.number("tip", mark.tip);
    lines.bytes("tip_digest", mark.tip_digest);
  }
  if (mark.version < 0 || mark.tip <= mark.version || !equal(encode(mark), bytes)) {
    return fail(ErrorCode::corruption, "UNDO is not valid");
  }
  return mark;
}

Result<std::optional<UndoMark>> read_undo(fs::FileSystem& files, const std::string& directory,
                                          const StoreId& store) {
  const std::string path = fs::join(directory, kUndoFile);
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::file));
  if (!there) return std::optional<UndoMark>{};
  FLATKV_ASSIGN(const Bytes bytes, fs::read_file(files, path, kMaxBytes));
  auto mark = decode_undo_mark(bytes);
  if (!mark) {
    mark.error().path = path;
    return std::unexpected(std::move(mark).error());
  }
  if (mark->store != store) {
    return fail(ErrorCode::foreign_store, "UNDO is another store's").path(path);
  }
  return std::optional(*mark);
}

Status write_undo(fs::FileSystem& files, const std::string& directory, const UndoMark& mark) {
  FLATKV_FAILPOINT("changelog.undo.before_mark");
  FLATKV_TRY(fs::replace_file(files, fs::join(directory, kUndoFile), encode(mark)));
  FLATKV_FAILPOINT("changelog.undo.marked");
  return {};
}

Status cut_undone(fs::FileSystem& files, const std::string& directory, const Tip& tip) {
  FLATKV_ASSIGN(const Listing listing, list_segments(files, directory));
  for (std::size_t i = listing.segments.size(); i-- > 0;) {
    const std::string& name = listing.segments[i].name;
    if (name <= tip.segment) break;
    FLATKV_TRY(files.unlink(fs::join(directory, name)));
    FLATKV_FAILPOINT("changelog.undo.segment_removed");
    FLATKV_TRY(files.sync_directory(directory));
    FLATKV_FAILPOINT("changelog.undo.segment_gone");
  }
  FLATKV_TRY(cut_segment(files, directory, tip));
  FLATKV_FAILPOINT("changelog.undo.cut");
  return {};
}

Status remove_undo(fs::FileSystem& files, const std::string& directory) {
  const Status removed = files.unlink(fs::join(directory, kUndoFile));
  if (!removed && removed.error().code != ErrorCode::not_found) return removed;
  FLATKV_FAILPOINT("changelog.undo.unmarked");
  FLATKV_TRY(files.sync_directory(directory));
  FLATKV_FAILPOINT("changelog.undo.done");
  return {};
}

}  // namespace flatkv::changelog
