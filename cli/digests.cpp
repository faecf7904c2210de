// SPDX-License-Identifier: Apache-2.0
#include "digests.hpp"

#include "base/error.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "trusted.hpp"

namespace flatkv::cli {

void pace_option(CLI::App& verb, ScanPace& pace) {
  verb.add_option("--rate", pace.rows_per_second, "At most this many rows a second; 0 is no limit")
      ->type_name("ROWS_PER_S")
      ->check(whole_number())
      ->capture_default_str();
}

namespace {

/// Runs `scan` with progress under `what`.
template <class Scan>
auto with_progress(DigestOptions& options, const std::string& what, Context& context, Scan&& scan) {
  Progress progress(context.console, what);
  options.stop = context.interrupts.token();
  options.progress = [&progress](std::string_view, std::uint64_t rows, std::uint64_t total) {
    progress.update("", rows, rows, total);
  };
  return scan();
}

}  // namespace

Outcome<StateDigest> digest_of(const ReadOnlyStore& store, DigestOptions options,
                               const std::string& what, Context& context) {
  return with_progress(options, what, context, [&] { return digest_state(store.view(), options); });
}

Outcome<PartScan> digest_of(PartOf part, const ReadOnlyStore& store, DigestOptions options,
                            Context& context) {
  return with_progress(options, "digest", context,
                       [&] { return digest_part(store.view(), part, options); });
}

Outcome<StateDigest> digest_from(const std::string& path, Context& context) {
  FLATKV_ASSIGN(const auto input, StreamInput::open(path, context.interrupts));
  auto digest = read_digest(*input);
  if (digest) return *std::move(digest);
  Error error = std::move(digest).error();
  if (error.path.empty()) error.path = path == "-" ? "standard input" : path;
  Trouble refused = input->explain(error);
  if (error.code == ErrorCode::corruption) {
    refused.advice = "make it again with `flatkv digest STORE --out FILE`";
  } else if (error.code == ErrorCode::format_too_new) {
    refused.advice = "use the newer FlatKV that wrote this digest";
  }
  return std::unexpected(std::move(refused));
}

std::string unproven(const StateDigest& digest) {
  std::string names;
  for (const auto& part : digest.parts) {
    if (digest.proven(part)) continue;
    if (!names.empty()) names += ", ";
    names += to_string(part.database);
  }
  return names;
}

nlohmann::ordered_json to_json(const StateDigest& digest) {
  nlohmann::ordered_json json = {
      {"version", digest.version},
      {"account_rows", digest.account_rows == AccountRows::keep ? "keep" : "prune_empty"},
      {"roots", to_json(digest.roots)}};
  if (!digest.is_whole()) {
    json["start"] = to_hex(digest.start);
    if (digest.end.empty()) {
      json["end"] = nullptr;
    } else {
      json["end"] = to_hex(digest.end);
    }
  }
  json["proven"] = unproven(digest).empty();
  json["databases"] = nlohmann::ordered_json::object();
  for (const auto& part : digest.parts) {
    nlohmann::ordered_json own = {
        {"checksum", to_hex(part.checksum)}, {"leaf_rows", part.leaf_rows}, {"ranges", part.nodes}};
    own.update(to_json(part.found));
    if (digest.is_whole()) own["proven"] = digest.proven(part);
    json["databases"][std::string(to_string(part.database))] = std::move(own);
  }
  return json;
}

std::string range_options(Database database, const Bytes& start, const Bytes& end) {
  std::string text = "--db " + std::string(to_string(database));
  if (!start.empty()) text += " --start " + to_hex(start);
  if (!end.empty()) text += " --end " + to_hex(end);
  return text;
}

}  // namespace flatkv::cli
