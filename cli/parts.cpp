// SPDX-License-Identifier: Apache-2.0
#include "parts.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "base/error.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "trusted.hpp"

namespace flatkv::cli {
namespace {

Outcome<PartScan> part_from(const std::string& path, Context& context) {
  FLATKV_ASSIGN(const auto input, StreamInput::open(path, context.interrupts));
  auto scan = read_part(*input);
  if (scan) return *std::move(scan);
  Error error = std::move(scan).error();
  if (error.path.empty()) error.path = path == "-" ? "standard input" : path;
  Trouble refused = input->explain(error);
  if (error.code == ErrorCode::corruption) refused.advice = "make this part again, with --part";
  return std::unexpected(std::move(refused));
}

nlohmann::ordered_json key_or_null(const Bytes& key) {
  if (key.empty()) return nullptr;
  return to_hex(key);
}

nlohmann::ordered_json to_json(const PartScan& scan) {
  nlohmann::ordered_json json = {{"version", scan.version},
                                 {"part", scan.which.index},
                                 {"of", scan.which.of},
                                 {"complete", scan.complete()},
                                 {"roots", cli::to_json(scan.roots)},
                                 {"databases", nlohmann::ordered_json::object()}};
  for (const auto& part : scan.databases) {
    nlohmann::ordered_json own = {{"start", key_or_null(part.start)},
                                  {"end", key_or_null(part.end)}};
    if (part.error) {
      own["error"] = cli::to_json(*part.error);
    } else {
      own["checksum"] = to_hex(part.hash.checksum());
      own.update(cli::to_json(part.found));
    }
    json["databases"][std::string(to_string(part.database))] = std::move(own);
  }
  return json;
}

std::string for_people(const PartScan& scan, std::size_t bytes, double seconds) {
  std::string text = fmt::format("version {}: part {} of {}, {}, in {:.1f} s\n", scan.version,
                                 scan.which.index, scan.which.of, human_bytes(bytes), seconds);
  for (const auto& part : scan.databases) {
    if (part.error) {
      text += fmt::format("  {:<9} CANNOT BE READ\n    {}\n", to_string(part.database),
                          part.error->to_string());
      continue;
    }
    text += fmt::format("  {:<9} {:>12} rows", to_string(part.database), part.found.rows);
    if (!part.start.empty()) text += " from " + to_hex(part.start);
    if (!part.end.empty()) text += " to before " + to_hex(part.end);
    text += '\n';
  }
  return text;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

void spread_options(CLI::App& verb, SpreadArguments& arguments) {
  CLI::Option* store = verb.get_option("STORE")->required(false);
  CLI::Option* part =
      verb.add_option("--part", arguments.part,
                      "Only part I of N of the keys, for --merge: N processes, on one machine or "
                      "on N of them, share the work")
          ->type_name("I/N")
          ->check(not_empty());
  verb.add_option("--merge", arguments.merge,
                  "Merges all N parts, files that --part wrote; the result is that of one process")
      ->type_name("FILE")
      ->check(not_empty())
      ->excludes(store)
      ->excludes(part);
}

Outcome<std::optional<PartOf>> part_of(const SpreadArguments& arguments, const std::string& store) {
  if (arguments.merge.empty() && store.empty()) {
    return trouble(ExitCode::usage, "STORE is missing, or --merge with the parts of one");
  }
  if (arguments.part.empty()) return std::nullopt;
  const std::string_view text = arguments.part;
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto index = number(text.substr(0, slash));
  const auto of = number(text.substr(std::min(slash + 1, text.size())));
  if (!index || !of) {
    return trouble(ExitCode::usage, fmt::format("--part {}: want I/N, as 3/8", text));
  }
  return PartOf{*index, *of};
}

Outcome<std::vector<PartScan>> parts_from(const SpreadArguments& arguments, Context& context) {
  std::vector<PartScan> parts;
  for (const std::string& path : arguments.merge) {
    FLATKV_ASSIGN(PartScan scan, part_from(path, context));
    parts.push_back(std::move(scan));
  }
  return parts;
}

Outcome<void> write_data(ByteView bytes, const std::string& out, const nlohmann::ordered_json& json,
                         const std::string& text, Context& context) {
  const bool to_standard =
      out == "-" || (out.empty() && !context.json && ::isatty(STDOUT_FILENO) == 0);
  context.output_is_data = to_standard;
  if (to_standard) return context.out.write(as_chars(bytes));
  if (!out.empty()) {
    FLATKV_ASSIGN(const auto file, Output::open(out));
    FLATKV_TRY(file->write(as_chars(bytes)));
    FLATKV_TRY(file->close());
  }
  if (context.json) return context.out.write(to_text(json) + "\n");
  FLATKV_TRY(context.out.write(text));
  if (out.empty()) {
    context.console.note("not written to the terminal: `--out FILE` keeps it");
  }
  return {};
}

Outcome<ExitCode> write_part(const PartScan& scan, const std::string& out, double seconds,
                             Context& context) {
  FLATKV_ASSIGN(const Bytes bytes, scan.encode());
  FLATKV_TRY(
      write_data(bytes, out, to_json(scan), for_people(scan, bytes.size(), seconds), context));
  if (scan.complete()) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  std::string names;
  for (const auto& part : scan.databases) {
    if (part.error) names += (names.empty() ? "" : ", ") + part.error->to_string();
  }
  Trouble no(ExitCode::no,
             fmt::format("version {}: part {} of {} cannot be read: {}", scan.version,
                         scan.which.index, scan.which.of, names),
             "keep a copy of the store, then `flatkv repair STORE --db DB`");
  no.answered = true;
  return std::unexpected(std::move(no));
}

}  // namespace flatkv::cli
