// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cache_option.hpp"
#include "flatkv/cluster/follower.hpp"
#include "flatkv/cluster/snapshots.hpp"
#include "listen.hpp"
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
  ServeOptions serve = {.address = ""};
  bool no_balances = false;
};

std::string_view name_of(FollowerStatus::State state) {
  switch (state) {
    case FollowerStatus::State::connecting:
      return "connecting";
    case FollowerStatus::State::bootstrapping:
      return "bootstrapping";
    case FollowerStatus::State::opening:
      return "opening";
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
  json["replayed_blocks"] = now.replayed_blocks;
  json["replay_blocks"] = now.replay_blocks;
  json["trouble"] = now.trouble;
  return {
      .text = fmt::format("{}: version {}, {} records behind; {} blocks, {} writes, {} undos",
                          name_of(now.state), now.version ? std::to_string(*now.version) : "none",
                          now.records_behind, now.blocks, now.writes, now.undos),
      .json = std::move(json)};
}

std::vector<MetricFamily> metrics_of(const FollowerStatus& now) {
  return {
      gauge("flatkv_follower_lag_seconds",
            "Seconds from sending the last block to its commit here.", now.lag_seconds),
      gauge("flatkv_follower_records_behind", "Offsets of the topic that remain.",
            static_cast<double>(now.records_behind)),
      gauge("flatkv_follower_caught_up", "1 where everything in the topic was followed.",
            now.caught_up ? 1 : 0),
      counter("flatkv_follower_blocks_total", "Blocks that were committed.", now.blocks),
      counter("flatkv_follower_writes_total", "Writes in these blocks.", now.writes),
      counter("flatkv_follower_undos_total", "Undos that were followed.", now.undos),
      counter("flatkv_follower_bootstraps_total", "Snapshots that were begun with.",
              now.bootstraps),
      counter("flatkv_follower_refused_total",
              "Messages that were no continuation of the topic: damaged, foreign or double.",
              now.refused),
      counter("flatkv_follower_reconnects_total", "How often the broker was away.", now.reconnects),
      gauge("flatkv_follower_replayed_blocks",
            "Blocks of the log that the open under way, or the last one, has replayed.",
            static_cast<double>(now.replayed_blocks)),
      gauge("flatkv_follower_replay_blocks", "Blocks that it has to replay in all.",
            static_cast<double>(now.replay_blocks)),
  };
}

/// Where readers are better sent to another replica.
std::string not_ready(const FollowerStatus& now) {
  constexpr std::uint64_t kFarBehind = 100;
  if (now.state == FollowerStatus::State::opening) {
    return fmt::format("opening: {} of {} blocks replayed", now.replayed_blocks, now.replay_blocks);
  }
  if (now.state != FollowerStatus::State::following) {
    return std::string(name_of(now.state)) + (now.trouble.empty() ? "" : ": " + now.trouble);
  }
  if (now.records_behind <= kFarBehind) return {};
  return std::to_string(now.records_behind) + " records behind";
}

/// Only from below the location that the operator named: whoever writes to the topic does not
/// decide what this machine connects to.
Status fetch(const std::string& below, const SnapshotMarker& snapshot, const std::string& store,
             const LogCallback& log, const std::stop_token& stop) {
  const std::string& location = snapshot.location;
  const bool inside = location.starts_with(below.ends_with('/') ? below : below + '/');
  if (!inside || (location + '/').contains("/../")) {
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
  StoreSlot slot;
  options.opened = [&](CommitStore* store) { slot.put(store); };
  FLATKV_ASSIGN(Follower follower, Follower::of(arguments.store, options));
  ServeOptions serve = arguments.serve;
  serve.balances = !arguments.no_balances;
  serve.log = options.log;
  FLATKV_ASSIGN(const auto server,
                listen(serve,
                       {.store = [&] { return slot.get(); },
                        .not_ready = [&] { return not_ready(follower.status()); },
                        .metrics = [&] { return metrics_of(follower.status()); }},
                       context));
  StatusLines lines(context, [&] { return describe_status(follower.status()); });
  const Status ended = follower.run(context.interrupts.token());
  FLATKV_TRY(lines.finish());
  if (!ended) {
    Trouble why(ended.error());
    const ErrorCode code = ended.error().code;
    if (code == ErrorCode::log_gap) {
      why.advice = "begin with a snapshot that the topic goes on from: --bootstrap";
    }
    if (code == ErrorCode::foreign_store && ended.error().path == arguments.store) {
      why.advice =
          "name another directory; or, if this store may make room, --replace-store renames "
          "it";
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
        verb.add_flag(
            "--replace-store", arguments.options.replace_store,
            "With --bootstrap: begin anew also where nothing tells that the store here is a "
            "replica of this topic. It is renamed to STORE.replaced-1 (-2, …)");
        verb.add_option("--durability", arguments.durability,
                        "As for `apply`. What a power cut takes is in the topic still")
            ->check(CLI::IsMember({"sync", "process", "group"}))
            ->capture_default_str();
        cache_option(verb, arguments.options.store.cache.row_cache_bytes);
        listen_option(verb, arguments.serve.address,
                      "Answer readers (JSON-RPC), /metrics, /healthz and /readyz");
        verb.add_option("--chain-id", arguments.serve.chain_id, "What eth_chainId answers readers")
            ->type_name("N")
            ->check(whole_number());
        verb.add_option("--max-response", arguments.serve.max_response_bytes,
                        "What is larger is refused to a reader, alone or in its batch")
            ->type_name("BYTES")
            ->check(whole_number(1, std::int64_t{1} << 30))
            ->capture_default_str();
        verb.add_option("--max-pending", arguments.serve.max_pending_bytes,
                        "Of all responses together that are made or being sent; what goes beyond "
                        "is refused after a second. At least three times --max-response is taken")
            ->type_name("BYTES")
            ->check(whole_number(1, std::int64_t{1} << 40))
            ->capture_default_str();
        verb.add_flag("--no-balances", arguments.no_balances,
                      "Refuse eth_getBalance: the chain keeps balances elsewhere");
        client_option(verb, arguments.client);
      },
      run);
}

}  // namespace flatkv::cli
