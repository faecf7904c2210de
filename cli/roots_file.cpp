// SPDX-License-Identifier: Apache-2.0
#include "roots_file.hpp"

#include <array>

#include "base/error.hpp"
#include "hex.hpp"

namespace flatkv::cli {
namespace {

struct Part {
  std::string_view name;
  Digest Roots::* member;
};

constexpr std::array<Part, 5> kParts = {{{"root", &Roots::root},
                                         {"account", &Roots::account},
                                         {"code", &Roots::code},
                                         {"storage", &Roots::storage},
                                         {"legacy", &Roots::legacy}}};

}  // namespace

std::string roots_line(std::int64_t version, const Roots& roots) {
  std::string line = "{\"version\":" + std::to_string(version);
  for (const Part& part : kParts) {
    line += ",\"";
    line += part.name;
    line += "\":\"";
    append_hex(line, roots.*part.member);
    line += '"';
  }
  line += "}\n";
  return line;
}

std::string differing(const Roots& expected, const Roots& found) {
  std::string names;
  for (const Part& part : kParts) {
    if (expected.*part.member == found.*part.member) continue;
    if (!names.empty()) names += ", ";
    names += part.name;
    names += " (expected ";
    append_hex(names, expected.*part.member);
    names += ", found ";
    append_hex(names, found.*part.member);
    names += ')';
  }
  return names;
}

RootsFile::RootsFile(std::string path, std::unique_ptr<Input> input)
    : path_(std::move(path)), input_(std::move(input)), lines_(*input_) {}

Outcome<std::unique_ptr<RootsFile>> RootsFile::open(const std::string& path,
                                                    const Interrupts* interrupts) {
  FLATKV_ASSIGN(auto input, Input::open(path, interrupts));
  return std::unique_ptr<RootsFile>(new RootsFile(path, std::move(input)));
}

Outcome<void> RootsFile::read() {
  FLATKV_ASSIGN(const auto text, next_filled_line(lines_));
  if (!text) {
    ended_ = true;
    line_.reset();
    return {};
  }
  auto line = parser_.roots_line(*text);
  const std::string where = path_ + ": line " + std::to_string(lines_.number());
  if (!line) return trouble(ExitCode::usage, where + ": " + line.error().what);
  if (line_ && line->version <= line_->version) {
    return trouble(ExitCode::usage,
                   where + ": version " + std::to_string(line->version) + " after " +
                       std::to_string(line_->version),
                   "sort the file of roots by version");
  }
  line_ = *line;
  return {};
}

Outcome<std::optional<Roots>> RootsFile::find(std::int64_t version) {
  while (!ended_ && (!line_ || line_->version < version)) FLATKV_TRY(read());
  if (ended_ || line_->version != version) return std::nullopt;
  return line_->roots;
}

}  // namespace flatkv::cli
