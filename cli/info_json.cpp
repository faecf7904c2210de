// SPDX-License-Identifier: Apache-2.0
#include "info_json.hpp"

namespace flatkv::cli {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Roots& roots) {
  return {{"root", to_hex(roots.root)},
          {"account", to_hex(roots.account)},
          {"code", to_hex(roots.code)},
          {"storage", to_hex(roots.storage)},
          {"legacy", to_hex(roots.legacy)}};
}

Json to_json(const Error& error) {
  Json json = {{"code", to_string(error.code)}, {"message", error.message}};
  if (!error.path.empty()) json["path"] = error.path;
  if (error.database) json["database"] = to_string(*error.database);
  if (error.version) json["version"] = *error.version;
  if (error.offset) json["offset"] = *error.offset;
  return json;
}

Json to_json(const Trouble& trouble) {
  Json json = {{"code", code_name(trouble)}, {"message", trouble.message}};
  if (trouble.cause) {
    json = to_json(*trouble.cause);
  } else if (trouble.version) {
    json["version"] = *trouble.version;
  }
  json["remedies"] = Json::array();
  if (!trouble.advice.empty()) json["remedies"].push_back(trouble.advice);
  return json;
}

Json to_json(const DatabaseStats& stats) {
  return {{"rows", stats.rows}, {"key_bytes", stats.key_bytes}, {"value_bytes", stats.value_bytes}};
}

Json to_json(const SnapshotInfo& snapshot) {
  Json json = {
      {"version", snapshot.version}, {"path", snapshot.path}, {"valid", !snapshot.problem}};
  if (snapshot.problem) {
    json["problem"] = to_json(*snapshot.problem);
    return json;
  }
  json["bytes"] = snapshot.bytes;
  if (snapshot.roots) json["roots"] = to_json(*snapshot.roots);
  for (const Database database : kDataDatabases) {
    json["databases"][std::string(to_string(database))] = to_json(snapshot.stats[database]);
  }
  return json;
}

Json to_json(const ScrubProgress& scrub) {
  Json json = {{"round", scrub.round},
               {"database", to_string(scrub.database)},
               {"rows", scrub.rows},
               {"version", scrub.version},
               {"databases", Json::object()}};
  for (const Database database : kDataDatabases) {
    const auto& verdict = scrub.verdicts[database];
    if (!verdict) continue;
    json["databases"][std::string(to_string(database))] = {
        {"round", verdict->round}, {"version", verdict->version}, {"good", verdict->good}};
  }
  return json;
}

namespace {

void add_findings(const StoreInfo& info, Json& json) {
  json["opens"] = info.problems.empty();
  json["problems"] = Json::array();
  for (const Error& problem : info.problems) json["problems"].push_back(to_json(problem));
  json["notes"] = Json::array();
  for (const auto& note : info.notes) json["notes"].push_back(note);
  json["remedies"] = Json::array();
  for (const auto& remedy : info.remedies) json["remedies"].push_back(remedy);
}

/// For a store without a complete generation nothing else is known.
Json without_generation(const StoreInfo& info) {
  Json json = {{"generation", nullptr}, {"version", nullptr}, {"locked", info.locked}};
  add_findings(info, json);
  return json;
}

}  // namespace

Json to_json(const HostLimits& host) {
  return {{"memory", host.memory},
          {"memory_from", host.memory_from},
          {"cores", host.cores},
          {"cores_from", host.cores_from},
          {"descriptors", host.descriptors},
          {"row_cache", host.row_cache}};
}

Json to_json(const StoreInfo& info) {
  if (info.generation.empty()) return without_generation(info);
  Json json = {{"generation", info.generation},
               {"format", info.format},
               {"store_id", info.store_id},
               {"account_rows", info.account_rows == AccountRows::keep ? "keep" : "prune_empty"},
               {"initial_version", info.initial_version},
               {"version", optional(info.version)}};
  json["roots"] = info.roots ? to_json(*info.roots) : Json(nullptr);
  json["locked"] = info.locked;
  if (info.holder) {
    json["holder"] = {
        {"pid", info.holder->pid}, {"host", info.holder->host}, {"since", info.holder->since}};
  }
  json["closed_cleanly"] = info.clean;
  json["disk_bytes"] = info.bytes;
  json["databases_from_snapshot"] = info.databases_from_snapshot;
  json["databases"] = Json::object();
  for (const auto& database : info.databases) {
    Json entry = {{"flushed_version", optional(database.version)}};
    if (database.database != Database::metadata) entry.update(to_json(database.stats));
    entry["bytes"] = database.bytes;
    if (database.problem) entry["problem"] = to_json(*database.problem);
    json["databases"][std::string(to_string(database.database))] = std::move(entry);
  }
  json["reachable"] = Json::array();
  for (const VersionRange& range : info.reachable) {
    json["reachable"].push_back({{"first", range.first}, {"last", range.last}});
  }
  json["undo_floor"] = optional(info.undo_floor);
  json["snapshots"] = Json::array();
  for (const auto& snapshot : info.snapshots) json["snapshots"].push_back(to_json(snapshot));
  json["log"] = nullptr;
  if (info.log) {
    json["log"] = {{"base", info.log->base}, {"last", info.log->last}, {"bytes", info.log->bytes}};
  }
  json["log_problem"] = info.log_problem ? to_json(*info.log_problem) : Json(nullptr);
  json["scrub"] = info.scrub ? to_json(*info.scrub) : Json(nullptr);
  add_findings(info, json);
  return json;
}

}  // namespace flatkv::cli
