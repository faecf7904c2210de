// SPDX-License-Identifier: Apache-2.0
#include "roff.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace flatkv::cli::roff {
namespace {

std::string letter_of(char letter) {
  switch (letter) {
    case '\\':
      return "\\(rs";
    case '-':
      return "\\-";
    case '\'':
      return "\\(aq";
    case '`':
      return "\\(ga";
    case '^':
      return "\\(ha";
    case '~':
      return "\\(ti";
    default:
      return {letter};
  }
}

/// One letter of UTF-8 at the beginning of `text`, which is taken off. Our own texts are valid.
std::string wide_letter(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length =
      std::min(static_cast<std::size_t>(std::countl_one(first)), text.size());
  unsigned code = first & (0xffU >> (length + 1));
  for (const char next : text.substr(1, length - 1)) {
    code = code << 6 | (static_cast<unsigned char>(next) & 0x3fU);
  }
  text.remove_prefix(length);
  return fmt::format("\\[u{:04X}]", code);
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Text with `code` in it.
std::string with_code(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = text.find('`');
    const std::size_t end = begin == text.npos ? begin : text.find('`', begin + 1);
    if (end == text.npos) return out + plain(text);
    out += plain(text.substr(0, begin)) + bold(text.substr(begin + 1, end - begin - 1));
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

std::string plain(std::string_view text) {
  std::string out;
  // At the beginning of a line these two make a request of it.
  if (text.starts_with('.') || text.starts_with('\'')) out = "\\&";
  while (!text.empty()) {
    if ((static_cast<unsigned char>(text.front()) & 0x80U) != 0) {
      out += wide_letter(text);
      continue;
    }
    out += letter_of(text.front());
    text.remove_prefix(1);
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + plain(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + plain(text) + "\\fR"; }

std::string example(std::string_view lines) {
  std::string out = ".RS 4\n.EX\n";
  while (!lines.empty()) out += plain(take_line(lines)) + "\n";
  return out + ".EE\n.RE\n";
}

std::string paragraphs(std::string_view text) {
  std::string out;
  std::string shaped;
  const auto end_shaped = [&] {
    if (!shaped.empty()) out += example(shaped) + ".PP\n";
    shaped.clear();
  };
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with("  ")) {
      shaped += std::string(line.substr(2)) + "\n";
      continue;
    }
    end_shaped();
    out += line.empty() ? ".PP\n" : with_code(line) + "\n";
  }
  end_shaped();
  if (out.ends_with(".PP\n")) out.resize(out.size() - 4);  // it would begin nothing
  return out;
}

}  // namespace flatkv::cli::roff
