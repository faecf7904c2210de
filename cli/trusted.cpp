// SPDX-License-Identifier: Apache-2.0
#include "trusted.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "json_lines.hpp"
#include "verb.hpp"

namespace flatkv::cli {

CLI::Option* root_option(CLI::App& verb, std::string& into) {
  return verb
      .add_option("--root", into,
                  "What you trust: a root, a roots line {…}, or a file with roots lines, of which "
                  "the one of the stream's version counts")
      ->type_name("R")
      ->check(not_empty());
}

namespace {

/// `text` with room behind it, as the parser wants.
Outcome<void> add_line(std::string_view text, const std::string& from, TrustedRoots& trusted) {
  JsonParser parser;
  const auto line = parser.roots_line(text);
  if (!line) return trouble(ExitCode::usage, from + ": " + line.error().what);
  const auto [known, added] = trusted.lines.try_emplace(line->version, line->roots);
  if (added || known->second == line->roots) return {};
  return trouble(ExitCode::usage, from + ": a second line of version " +
                                      std::to_string(line->version) + " with other roots");
}

Outcome<TrustedRoots> parse_argument(std::string text) {
  const std::size_t length = text.size();
  text.resize(length + LineReader::kPadding);
  TrustedRoots trusted;
  FLATKV_TRY(add_line(std::string_view(text).substr(0, length), "--root", trusted));
  return trusted;
}

/// Reads the whole file: only the stream's header tells which line counts.
Outcome<TrustedRoots> parse_file(const std::string& path) {
  FLATKV_ASSIGN(const auto input, Input::open(path, nullptr));
  LineReader lines(*input, 1U << 16);
  TrustedRoots trusted;
  while (true) {
    FLATKV_ASSIGN(const auto line, next_filled_line(lines));
    if (!line) break;
    FLATKV_TRY(add_line(*line, path + ": line " + std::to_string(lines.number()), trusted));
  }
  if (trusted.lines.empty()) return trouble(ExitCode::usage, path + " holds no roots line");
  return trusted;
}

}  // namespace

Outcome<TrustedRoots> trusted_roots(const std::string& text, Console& console) {
  if (text.empty()) return TrustedRoots{};
  if (text.front() == '{') return parse_argument(text);
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != sizeof(Digest)) return parse_file(text);
  TrustedRoots trusted;
  std::ranges::copy(*bytes, trusted.root.emplace().begin());
  console.warning(
      "a root alone does not prove in which database a row lies; give the whole roots line");
  return trusted;
}

Outcome<std::unique_ptr<StreamInput>> StreamInput::open(const std::string& path,
                                                        const Interrupts& interrupts) {
  FLATKV_ASSIGN(auto input, Input::open(path, &interrupts));
  return std::unique_ptr<StreamInput>(new StreamInput(std::move(input), path, interrupts));
}

Result<std::size_t> StreamInput::read(std::span<std::uint8_t> into) {
  auto got = input_->read({reinterpret_cast<char*>(into.data()), into.size()});
  // An interrupt while waiting looks like the end of the input.
  if (got && *got == 0 && interrupts_.requested()) {
    return fail(ErrorCode::cancelled, "interrupted while reading the stream");
  }
  if (got) return *got;
  // What does not decompress is a bad stream, as one that was cut without compression is.
  if (got.error().exit == ExitCode::usage) {
    return fail(ErrorCode::corruption, "stream: " + got.error().message);
  }
  trouble_ = std::move(got).error();
  return fail(ErrorCode::io, trouble_->message);
}

Trouble StreamInput::explain(Error error) const {
  if (trouble_) return *trouble_;
  if (!error.path.empty()) return error;
  error.path = name_;
  Trouble trouble(error);
  if (error.code == ErrorCode::corruption) {
    trouble.advice = "get the file again, from a node that you trust; `flatkv export` makes one";
  } else if (error.code == ErrorCode::version_mismatch) {
    trouble.advice = "give the roots line of the stream's version";
  } else if (error.code == ErrorCode::format_too_new) {
    trouble.advice = "use the newer FlatKV that wrote this file";
  }
  return trouble;
}

}  // namespace flatkv::cli
