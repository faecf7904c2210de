// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"

// Small text files that end with their own digest: CLEAN and UNDO. Internal to the room.
namespace flatkv::changelog {

inline std::string text_line(std::string_view name, std::string_view value) {
  return std::string(name) + " " + std::string(value) + "\n";
}

/// Adds the digest of what stands before it.
inline Bytes seal_text(std::string text) {
  text += text_line("blake3", to_hex(blake3::hash(as_bytes(text))));
  return to_bytes(as_bytes(text));
}

/// Reads lines of a name, a space and a value; values that it cannot read stay as they are. The
/// caller encodes what was read and compares the bytes: a text has exactly one encoding, so this
/// catches whatever was misread, another spelling and a wrong digest included.
class TextLines {
 public:
  explicit TextLines(std::string_view text) : text_(text) {}

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

}  // namespace flatkv::changelog
