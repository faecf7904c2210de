// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cache_option.hpp"
#include "flatkv/cluster/follower.hpp"
#include "flatkv/cluster/snapshots.hpp"
#include "objects/location.hpp"
#include "progress.hpp"
#include "topic_options.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct FollowArguments {
  std::string store;
  std::string client;
  std::string bootstrap;
  std::string durability = "group";
  FollowerOptions options;
};

std::string_view name_of(FollowerStatus::State state) {
  switch (state) {
    case FollowerStatus::State::connecting:
      return "connecting";
    case FollowerStatus::State::bootstrapping:
      return "bootstrapping";
    case FollowerStatus::State::following:
      return "following";
    case FollowerStatus::State::waiting:
      return "waiting";
    case FollowerStatus::State::stopped:
      break;
  }
  return "stopped";
}

StatusLines::Status describe_status(const FollowerStatus& now) {
  nlohmann::ordered_json json = {{"state", name_of(now.state)}, {"version", nullptr}};
  if (now.version) json["version"] = *now.version;
  json["sequence"] = now.sequence;
  json["caught_up"] = now.caught_up;
  json["records_behind"] = now.records_behind;
  json["lag_seconds"] = now.lag_seconds;
  json["blocks"] = now.blocks;
  json["writes"] = now.writes;
  json["undos"] = now.undos;
  json["bootstraps"] = now.bootstraps;
  json["refused"] = now.refused;
  json["reconnects"] = now.reconnects;
  json["trouble"] = now.trouble;
  return {
      .text = fmt::format("{}: version {}, {} records behind; {} blocks, {} writes, {} undos",
                          name_of(now.state), now.version ? std::to_string(*now.version) : "none",
                          now.records_behind, now.blocks, now.writes, now.undos),
      .json = std::move(json)};
}

/// Only from below the location that the operator named: whoever writes to the topic does not
/// decide what this machine connects to.
Status fetch(const std::string& below, const SnapshotMarker& snapshot, const std::string& store,
             const LogCallback& log, const std::stop_token& stop) {
  const std::string& location = snapshot.location;
  if (!location.starts_with(below.ends_with('/') ? below : below + '/')) {
    return fail(ErrorCode::foreign_store, "the topic's newest snapshot does not lie below " + below)
        .path(location)
        .version(snapshot.version);
  }
  FLATKV_TRY(
      import_stored_snapshot({.from = location, .version = {}}, store, {.force = true, .log = log},
                             {.root = {}, .roots = snapshot.roots, .lines = {}}, {.stop = stop}));
  return {};
}

Outcome<ExitCode> run(const FollowArguments& arguments, Context& context) {
  FollowerOptions options = arguments.options;
  if (!objects::looks_like_location(arguments.bootstrap)) {
    options.bootstrap_file = arguments.bootstrap;
  } else {
    options.fetch = [&](const SnapshotMarker& snapshot, const std::string& store,
                        const std::stop_token& stop) {
      return fetch(arguments.bootstrap, snapshot, store, context.log(), stop);
    };
  }
  FLATKV_ASSIGN(options.client, read_client_file(arguments.client));
  options.store.durability = durability_named(arguments.durability);
  options.log = context.log();
  FLATKV_ASSIGN(Follower follower, Follower::of(arguments.store, options));
  StatusLines lines(context, [&] { return describe_status(follower.status()); });
  const Status ended = follower.run(context.interrupts.token());
  FLATKV_TRY(lines.finish());
  if (!ended) {
    Trouble why(ended.error());
    if (ended.error().code == ErrorCode::log_gap) {
      why.advice = "begin with a snapshot that the topic goes on from: --bootstrap";
    }
    return std::unexpected(std::move(why));
  }
  if (context.interrupts.requested()) return *context.interrupts.exit();
  return ExitCode::done;
}

}  // namespace

void add_follow(Registry& verbs) {
  verbs.add<FollowArguments>(
      "follow",
      "Keeps a store as a replica: commits every block of a Kafka topic that `flatkv publish` "
      "writes, after it has compared its roots line, and goes back where the topic goes back. Runs "
      "until it is interrupted, and goes on where it stood when it is started again",
      "flatkv follow ./replica --from kafka://127.0.0.1:9092/state\n"
      "  flatkv follow ./replica --from kafka://127.0.0.1:9092/state --bootstrap "
      "s3://snapshots/mainnet",
      [](CLI::App& verb, FollowArguments& arguments) {
        store_argument(verb, arguments.store);
        topic_option(verb, "--from", arguments.options.from, "The topic");
        verb.add_option("--bootstrap", arguments.bootstrap,
                        "What to begin with, where there is no store or the topic no longer "
                        "reaches back to it: an exported state, or where `flatkv export --to` puts "
                        "snapshots, of which the newest is taken that the topic announces")
            ->type_name("FILE")
            ->check(not_empty());
        verb.add_option("--durability", arguments.durability,
                        "As for `apply`. What a power cut takes is in the topic still")
            ->check(CLI::IsMember({"sync", "process", "group"}))
            ->capture_default_str();
        cache_option(verb, arguments.options.store.cache.row_cache_bytes);
        client_option(verb, arguments.client);
      },
      run);
}

}  // namespace flatkv::cli
