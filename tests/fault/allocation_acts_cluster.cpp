// SPDX-License-Identifier: Apache-2.0
// The public functions of libflatkv_cluster.

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <thread>

#include "allocation_acts.hpp"
#include "flatkv/cluster/follower.hpp"
#include "flatkv/cluster/publisher.hpp"
#include "flatkv/cluster/serve.hpp"
#include "flatkv/cluster/snapshots.hpp"

namespace flatkv::test {
namespace {

/// `done`, but what came after it counts more where it is wrong.
Status first_of(Status done, const Status& after) { return after ? std::move(done) : after; }

// Snapshots in object storage: as many parts as there are databases with rows.

std::string objects_of(const Places& places) { return "file:" + places.other + "/objects"; }

PartsOptions two_threads() {
  PartsOptions options;
  options.parallel = 2;
  return options;
}

TrustedRoots roots_of(const ReadOnlyStore& clone) {
  TrustedRoots trusted;
  trusted.roots = clone.roots();
  return trusted;
}

Status check_snapshot(const Places& places, const ReadOnlyStore& clone) {
  return status_of(check_stored_snapshot({.from = objects_of(places), .version = kBase}, {},
                                         roots_of(clone), two_threads()));
}

/// Beside one that `keep` removes.
Act exporting(std::string name, Whose whose) {
  return {std::move(name),
          [](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
            ReadOnlyOptions before;
            before.at = kBase - 1;
            FLATKV_ASSIGN(const auto old, ReadOnlyStore::open(places.store, before));
            FLATKV_ASSIGN(const auto clone, ReadOnlyStore::open(places.store));
            const auto put = [&](const ReadOnlyStore& of) {
              return status_of(export_snapshot(of.view(), objects_of(places), 1, two_threads()));
            };
            FLATKV_TRY(put(old));
            arm();
            Status done = no_memory_or([&] { return put(clone); });
            disarm();
            const auto after = [&]() -> Status {
              if (!done) FLATKV_TRY(put(clone));  // it goes on with what is there
              FLATKV_ASSIGN(const auto left, list_stored_snapshots(objects_of(places)));
              if (left != std::vector{kBase}) {
                return fail(ErrorCode::corruption, "other snapshots are left");
              }
              return check_snapshot(places, clone);
            };
            return first_of(done, after());
          },
          whose};
}

/// What reads the snapshot of a store.
template <class Call>
Act on_snapshot(std::string name, Call call, Whose whose) {
  return {
      std::move(name),
      [call](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
        FLATKV_ASSIGN(const auto clone, ReadOnlyStore::open(places.store));
        FLATKV_TRY(export_snapshot(clone.view(), objects_of(places), 0, two_threads()));
        arm();
        Status done = call(places, clone);
        disarm();  // not the end of the clone
        return done;
      },
      whose};
}

Status import_snapshot(const Places& places, const ReadOnlyStore& clone) {
  const auto get = [&](bool over) {
    ImportOptions options;
    options.force = over;
    return status_of(import_stored_snapshot({.from = objects_of(places), .version = {}},
                                            places.other + "/store", options, roots_of(clone),
                                            two_threads()));
  };
  Status done = no_memory_or([&] { return get(false); });
  disarm();
  const auto after = [&]() -> Status {
    if (!done) FLATKV_TRY(get(true));  // all of it may have been done before
    return whole(places.other + "/store", kBase);
  };
  return first_of(done, after());
}

std::vector<Act> snapshot_acts() {
  const auto check = [](const Places& places, const ReadOnlyStore& clone) {
    return no_memory_or([&] { return check_snapshot(places, clone); });
  };
  const auto find = [](const Places& places, const ReadOnlyStore& clone) {
    return no_memory_or([&]() -> Status {
      FLATKV_TRY(list_stored_snapshots(objects_of(places)));
      return status_of(find_stored_snapshot({.from = objects_of(places), .version = {}},
                                            roots_of(clone), two_threads()));
    });
  };
  return {
      exporting("export_snapshot", Whose::callers),
      exporting("export_snapshot, its threads", Whose::others),
      on_snapshot("find_stored_snapshot", find, Whose::callers),
      on_snapshot("check_stored_snapshot", check, Whose::callers),
      on_snapshot("check_stored_snapshot, its threads", check, Whose::others),
      on_snapshot("import_stored_snapshot", import_snapshot, Whose::callers),
      on_snapshot("import_stored_snapshot, its threads", import_snapshot, Whose::others),
  };
}

// A broker that is not there.

constexpr const char* kNoBroker = "kafka://127.0.0.1:1/topic";

/// Runs until it has found that the broker is away; says that it has stopped.
template <class T, class Waiting>
Status run_a_while(T& runs, const std::function<void()>& arm, Waiting waiting, Waiting stopped) {
  std::stop_source stop;
  Status done;
  {
    const std::jthread watch([&](const std::stop_token& enough) {
      while (!enough.stop_requested() && runs.status().state != waiting) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      stop.request_stop();
    });
    arm();
    done = runs.run(stop.get_token());
  }
  disarm();
  if (runs.status().state != stopped) {
    return fail(ErrorCode::corruption, "it has ended and does not say so");
  }
  return done;
}

PublisherOptions publishing() {
  PublisherOptions options;
  options.to = kNoBroker;
  options.client = {{"log_level", "0"}};
  return options;
}

FollowerOptions following() {
  FollowerOptions options;
  options.from = kNoBroker;
  options.client = {{"log_level", "0"}};
  options.store = table_options();
  return options;
}

std::vector<Act> broker_acts() {
  using Publishing = PublisherStatus::State;
  using Following = FollowerStatus::State;
  return {
      on_store("Publisher",
               [](CommitStore& store) {
                 return no_memory_or([&]() -> Status {
                   FLATKV_ASSIGN(Publisher publisher, Publisher::of(store, publishing()));
                   publisher.announce({.version = kBase,
                                       .roots = store.committed_roots(),
                                       .location = "file:/not/there/not/there"});
                   if (publisher.status().state != Publishing::connecting) {
                     return fail(ErrorCode::corruption, "it is not connecting");
                   }
                   return {};
                 });
               }),
      on_path("Publisher, by path",
              [](const Places& places) {
                return no_memory_or([&]() -> Status {
                  return status_of(Publisher::of(places.store, publishing()));
                });
              }),
      on_path("Follower",
              [](const Places& places) {
                return no_memory_or([&]() -> Status {
                  FLATKV_ASSIGN(Follower follower, Follower::of(places.store, following()));
                  if (follower.status().state != Following::connecting) {
                    return fail(ErrorCode::corruption, "it is not connecting");
                  }
                  return {};
                });
              }),
      {"Publisher, run",
       [](const Places& places, const std::function<void()>& arm,
          const Reporter& reporter) -> Status {
         FLATKV_ASSIGN(auto store, CommitStore::open(places.store, table_options()));
         FLATKV_ASSIGN(Publisher publisher, Publisher::of(store, publishing()));
         Status done = run_a_while(publisher, arm, Publishing::waiting, Publishing::stopped);
         go_on(store, reporter);
         return done;
       }},
      {"Follower, run",
       [](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
         FLATKV_ASSIGN(Follower follower, Follower::of(places.store, following()));
         return run_a_while(follower, arm, Following::waiting, Following::stopped);
       }},
  };
}

}  // namespace

std::vector<Act> table_acts() {
  std::vector<Act> all = snapshot_acts();
  for (auto more : {server_acts(), broker_acts(), program_acts()}) {
    std::ranges::move(more, std::back_inserter(all));
  }
  return all;
}

}  // namespace flatkv::test
