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
                  "What is trusted: a root, a roots line {…}, or a file with a roots line")
      ->type_name("R")
      ->check(not_empty());
}

namespace {

/// The text with room behind it, as the parser wants.
Outcome<TrustedRoots> parse_line(std::string text, const std::string& from) {
  const std::size_t length = text.size();
  text.resize(length + LineReader::kPadding);
  JsonParser parser;
  const auto line = parser.roots_line(std::string_view(text).substr(0, length));
  if (!line) return trouble(ExitCode::usage, from + ": " + line.error().what);
  return TrustedRoots{std::nullopt, line->roots};
}

Outcome<TrustedRoots> parse_file(const std::string& path) {
  FLATKV_ASSIGN(const auto input, Input::open(path, nullptr));
  LineReader lines(*input, 1U << 16);
  FLATKV_ASSIGN(const auto line, next_filled_line(lines));
  if (!line) return trouble(ExitCode::usage, path + " holds no roots line");
  return parse_line(std::string(*line), path);
}

}  // namespace

Outcome<TrustedRoots> trusted_roots(const std::string& text, Console& console) {
  if (text.empty()) return TrustedRoots{};
  if (text.front() == '{') return parse_line(text, "--root");
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
  // An interrupt ends the wait for more as an end of the input would.
  if (got && *got == 0 && interrupts_.requested()) {
    return fail(ErrorCode::cancelled, "interrupted while reading the stream");
  }
  if (got) return *got;
  trouble_ = std::move(got).error();
  return fail(ErrorCode::io, trouble_->message);
}

Trouble StreamInput::explain(Error error) const {
  if (trouble_) return *trouble_;
  if (error.path.empty()) error.path = name_;
  return error;
}

}  // namespace flatkv::cli
