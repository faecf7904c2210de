// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/guard.hpp"
#include "base/log.hpp"
#include "base/worker.hpp"
#include "flatkv/cluster/publisher.hpp"
#include "flatkv/cluster/snapshots.hpp"
#include "listen.hpp"
#include "progress.hpp"
#include "topic_options.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct PublishArguments {
  std::string store;
  std::string client;
  std::string snapshots;
  bool follow = false;
  PublisherOptions options;
  ServeOptions serve = {.address = "", .rpc = false};
};

constexpr std::chrono::seconds kBetweenLooks{10};

/// Announces each snapshot that is the newest below a location when somebody looks. After a restart
/// that is one that the topic may have a marker of already: a second one does no harm.
void announce_snapshots(Publisher& publisher, const std::string& below, const Logger& logger,
                        const std::stop_token& stop) {
  std::optional<std::int64_t> last;
  const auto announce_newest = [&]() -> Status {
    FLATKV_ASSIGN(const auto versions, list_stored_snapshots(below));
    if (versions.empty() || versions.back() == last) return {};
    FLATKV_ASSIGN(
        const StoredSnapshot newest,
        find_stored_snapshot({.from = below, .version = versions.back()}, {}, {.stop = stop}));
    last = newest.version;
    publisher.announce(
        {.version = newest.version, .roots = newest.roots, .location = newest.location});
    return {};
  };
  while (!stop.stop_requested()) {
    const Status looked = guarded(announce_newest);
    if (!looked && !stop.stop_requested()) {
      logger.warn_of("snapshots cannot be announced", looked.error());
    }
    sleep_until(stop, std::chrono::steady_clock::now() + kBetweenLooks);
  }
}

std::string_view name_of(PublisherStatus::State state) {
  switch (state) {
    case PublisherStatus::State::connecting:
      return "connecting";
    case PublisherStatus::State::publishing:
      return "publishing";
    case PublisherStatus::State::waiting:
      return "waiting";
    case PublisherStatus::State::behind:
      return "behind";
    case PublisherStatus::State::stopped:
      break;
  }
  return "stopped";
}

StatusLines::Status describe_status(const PublisherStatus& now) {
  return {.text = fmt::format("{}: version {}, {} behind, {:.1f} s; {} blocks, {} undos, {}",
                              name_of(now.state), now.version, now.lag_versions(), now.lag_seconds,
                              now.blocks, now.undos, human_bytes(now.bytes)),
          .json = {{"state", name_of(now.state)},
                   {"version", now.version},
                   {"store_version", now.store_version},
                   {"lag_versions", now.lag_versions()},
                   {"lag_seconds", now.lag_seconds},
                   {"blocks", now.blocks},
                   {"undos", now.undos},
                   {"markers", now.markers},
                   {"bytes", now.bytes},
                   {"transactions", now.transactions},
                   {"reconnects", now.reconnects},
                   {"trouble", now.trouble}}};
}

std::vector<MetricFamily> metrics_of(const PublisherStatus& now) {
  return {
      gauge("flatkv_publisher_lag_seconds",
            "Seconds since the topic last had all durable blocks of the store.", now.lag_seconds),
      gauge("flatkv_publisher_lag_versions", "Durable blocks that the topic does not have.",
            static_cast<double>(now.lag_versions())),
      gauge("flatkv_publisher_version", "Version of the topic's state.",
            static_cast<double>(now.version)),
      counter("flatkv_publisher_blocks_total", "Blocks that were sent.", now.blocks),
      counter("flatkv_publisher_undos_total", "Undos that were sent.", now.undos),
      counter("flatkv_publisher_markers_total", "Snapshots that were announced.", now.markers),
      counter("flatkv_publisher_sent_bytes_total", "Bytes of messages.", now.bytes),
      counter("flatkv_publisher_transactions_total", "Transactions.", now.transactions),
      counter("flatkv_publisher_reconnects_total", "How often the broker was away.",
              now.reconnects),
  };
}

std::string not_ready(const PublisherStatus& now) {
  if (now.state == PublisherStatus::State::publishing) return {};
  return std::string(name_of(now.state)) + (now.trouble.empty() ? "" : ": " + now.trouble);
}

Trouble explain(const Error& error, bool behind) {
  Trouble why(error);
  if (behind) {
    why.advice =
        "--follow waits until the store has come there, as a standby's will; if the store "
        "went back on purpose, --take-back takes the topic back, too";
    return why;
  }
  if (error.code == ErrorCode::locked) {
    why.advice = "another publisher writes to this topic now; stop one of the two";
  }
  if (error.code == ErrorCode::log_gap || error.code == ErrorCode::version_mismatch) {
    why.advice = "publish to a new topic, or from a store that is on the topic's branch";
  }
  return why;
}

Outcome<ExitCode> run(const PublishArguments& arguments, Context& context) {
  PublisherOptions options = arguments.options;
  FLATKV_ASSIGN(options.client, read_client_file(arguments.client));
  options.follow = arguments.follow;
  options.log = context.log();
  FLATKV_ASSIGN(Publisher publisher, Publisher::of(arguments.store, options));
  ServeOptions serve = arguments.serve;
  serve.log = options.log;
  FLATKV_ASSIGN(const auto server,
                listen(serve,
                       {.store = [] { return std::shared_ptr<const CommitStore>(); },
                        .not_ready = [&] { return not_ready(publisher.status()); },
                        .metrics = [&] { return metrics_of(publisher.status()); }},
                       context));
  StatusLines lines(context, [&] { return describe_status(publisher.status()); });
  Worker announcer;
  if (!arguments.snapshots.empty()) {
    announcer.start("flatkv-announce", [&](const std::stop_token& stop) {
      announce_snapshots(publisher, arguments.snapshots, Logger(options.log), stop);
    });
  }
  const Status ended = publisher.run(context.interrupts.token());
  announcer.stop();
  FLATKV_TRY(lines.finish());
  if (!ended) {
    const PublisherStatus now = publisher.status();
    const bool behind = ended.error().code == ErrorCode::version_mismatch && !options.follow &&
                        now.store_version < now.version;
    return std::unexpected(explain(ended.error(), behind));
  }
  if (context.interrupts.requested()) return *context.interrupts.exit();
  return ExitCode::done;
}

}  // namespace

void add_publish(Registry& verbs) {
  verbs.add<PublishArguments>(
      "publish",
      "Sends the blocks of a store to a Kafka topic, for `flatkv follow`. Works beside the process "
      "that has the store open, and goes on where the topic ends. Only one publisher of a topic "
      "works at a time: a second one takes it over",
      "flatkv publish ./state --to kafka://127.0.0.1:9092/state --create-topic --follow",
      [](CLI::App& verb, PublishArguments& arguments) {
        store_argument(verb, arguments.store);
        topic_option(verb, "--to", arguments.options.to, "The topic");
        verb.add_flag("--follow", arguments.follow,
                      "At the end, wait for the blocks that are committed later");
        verb.add_flag("--create-topic", arguments.options.create_topic,
                      "Create the topic if there is none: one partition, kept for ever");
        verb.add_option("--depth", arguments.options.depth,
                        "How many versions an undo takes the topic back at most; followers keep as "
                        "many blocks to undo")
            ->type_name("N")
            ->check(whole_number(1, 4096))
            ->capture_default_str();
        verb.add_flag("--take-back", arguments.options.take_back,
                      "Where the store is below the end of the topic, take the topic back at once. "
                      "Not for a standby, which has yet to come there");
        verb.add_option(
                "--snapshots", arguments.snapshots,
                "Announce the snapshots that `flatkv export --to` puts there, for followers "
                "to begin with; each once no undo can pass it")
            ->type_name("LOCATION")
            ->check(not_empty());
        listen_option(verb, arguments.serve.address, "Answer /metrics, /healthz and /readyz");
        client_option(verb, arguments.client);
      },
      run);
}

}  // namespace flatkv::cli
