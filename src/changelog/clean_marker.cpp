// SPDX-License-Identifier: Apache-2.0
#include "changelog/clean_marker.hpp"

#include <charconv>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "blake3/blake3.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {
namespace {

constexpr std::string_view kFile = "CLEAN";
constexpr std::string_view kTitle = "flatkv-clean 1\n";
constexpr std::uint64_t kMaxBytes = 4096;

std::string line(std::string_view name, std::string_view value) {
  return std::string(name) + " " + std::string(value) + "\n";
}

/// Reads lines of a name, a space and a value; values that it cannot read stay zero.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  std::string_view value(std::string_view name) {
    const std::size_t end = text_.find('\n');
    const std::string_view one = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    if (!one.starts_with(name) || one.size() <= name.size()) return {};
    return one.substr(name.size() + 1);
  }
  template <class T>
  void number(std::string_view name, T& into) {
    const std::string_view text = value(name);
    std::from_chars(text.data(), text.data() + text.size(), into);
  }
  void bytes(std::string_view name, std::span<std::uint8_t> into) {
    const auto bytes = from_hex(value(name));
    if (bytes && bytes->size() == into.size()) std::ranges::copy(*bytes, into.begin());
  }

 private:
  std::string_view text_;
};

}  // namespace

Bytes encode(const CleanMark& mark) {
  std::string text{kTitle};
  text += line("store", to_hex(mark.store));
  text += line("version", std::to_string(mark.version));
  text += line("digest", to_hex(mark.digest));
  text += line("segment", mark.segment);
  text += line("bytes", std::to_string(mark.bytes));
  text += line("root", to_hex(mark.roots.root));
  text += line("account", to_hex(mark.roots.account));
  text += line("code", to_hex(mark.roots.code));
  text += line("storage", to_hex(mark.roots.storage));
  text += line("legacy", to_hex(mark.roots.legacy));
  text += line("blake3", to_hex(blake3::hash(as_bytes(text))));
  return to_bytes(as_bytes(text));
}

Result<CleanMark> decode_clean_mark(ByteView bytes) {
  CleanMark mark;
  std::string_view text = as_chars(bytes);
  if (text.starts_with(kTitle)) {
    Lines lines(text.substr(kTitle.size()));
    lines.bytes("store", mark.store);
    lines.number("version", mark.version);
    lines.bytes("digest", mark.digest);
    mark.segment = lines.value("segment");
    lines.number("bytes", mark.bytes);
    lines.bytes("root", mark.roots.root);
    lines.bytes("account", mark.roots.account);
    lines.bytes("code", mark.roots.code);
    lines.bytes("storage", mark.roots.storage);
    lines.bytes("legacy", mark.roots.legacy);
  }
  // A mark has exactly one encoding, so comparing bytes catches whatever was misread, another
  // spelling and a wrong digest included.
  const bool names_a_segment = parse_segment_name(mark.segment).has_value();
  if (mark.version < 0 || !names_a_segment || !equal(encode(mark), bytes)) {
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
