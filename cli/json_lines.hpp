// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simdjson.h>

#include <string_view>

#include "change_line.hpp"
#include "flatkv/roots.hpp"
#include "input.hpp"

namespace flatkv::cli {

/// What is wrong with a malformed line, and its version if that was parsed first.
struct JsonFault {
  std::string what;
  std::optional<std::int64_t> version;
};

template <class T>
using Parsed = std::expected<T, JsonFault>;

/// Parses JSON objects strictly: the whole line is checked, unknown members included.
/// `line` must have LineReader::kPadding readable bytes behind it. One thread.
class JsonParser {
 public:
  explicit JsonParser(Reading reading = Reading::lenient) : reading_(reading) {}

  /// A line of change sets. Order of members does not matter; members that are not named in the
  /// format are ignored (strict: refused), but must be JSON, nested no deeper than kMaxDepth.
  Parsed<ChangeLine> change_line(std::string_view line);

  struct RootsLine {
    std::int64_t version = 0;
    Roots roots;
  };
  Parsed<RootsLine> roots_line(std::string_view line);

  static constexpr int kMaxDepth = 64;

 private:
  Parsed<void> start(std::string_view line);

  Reading reading_;
  std::unique_ptr<simdjson::ondemand::parser> parser_;
  simdjson::ondemand::document document_;
};

/// Change sets as JSON lines. Empty lines are skipped, so is a byte order mark before the first.
class JsonChangeReader : public ChangeReader {
 public:
  explicit JsonChangeReader(Source& source, Reading reading = Reading::lenient)
      : lines_(source), parser_(reading) {}
  Outcome<std::optional<ChangeLine>> next() override;
  std::string place(std::uint64_t number) const override;

 private:
  LineReader lines_;
  JsonParser parser_;
};

/// The next line with something in it; shared by all readers of JSON lines.
Outcome<std::optional<std::string_view>> next_filled_line(LineReader& lines);

}  // namespace flatkv::cli
