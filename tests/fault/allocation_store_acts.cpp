// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <thread>

#include "allocation_acts.hpp"
#include "flatkv/keys.hpp"
#include "flatkv/metrics.hpp"
#include "flatkv/tools/rollback.hpp"

namespace flatkv::test {
namespace {

std::vector<Act> writer_acts() {
  return {
      on_store("commit", next_block),
      on_store("working_hash",
               [](CommitStore& store) -> Status {
                 FLATKV_TRY(store.apply(block_of(kBase + 1).sets.back()));
                 FLATKV_TRY(store.working_hash(Database::storage));
                 FLATKV_TRY(store.root_hash());
                 store.discard();
                 return {};
               }),
      on_store("get",
               [](CommitStore& store) -> Status {
                 const auto key = nonce_key(address(1));
                 const ByteView keys[] = {key, key};
                 FLATKV_TRY(store.get(key));
                 FLATKV_TRY(store.get_many(keys));
                 FLATKV_TRY(store.account(address(1)));
                 FLATKV_TRY(store.storage(address(1), Slot{}));
                 FLATKV_TRY(store.code(address(1)));
                 return status_of(store.row(Database::legacy, kSomeKey));
               }),
      on_store("figures",
               [](CommitStore& store) -> Status {
                 // These cannot fail.
                 static_cast<void>(store.metrics());
                 static_cast<void>(store.last_timings());
                 static_cast<void>(store.committed_roots());
                 return {};
               }),
      on_store("metrics", [](CommitStore& store) { return status_of(store_metrics(store)); }),
      on_store("iterate",
               [](CommitStore& store) { return walk(store.iterate(Database::storage)); }),
      on_store("flush",
               [](CommitStore& store) -> Status {
                 FLATKV_TRY(next_block(store));
                 return store.flush();
               }),
      on_store("snapshot", [](CommitStore& store) { return store.snapshot(); }),
      on_store("rollback", [](CommitStore& store) { return store.rollback(2); }),
      on_store("close", [](CommitStore& store) { return store.close(); }),
      on_store("log_record", [](CommitStore& store) { return status_of(store.log_record(kBase)); }),
      on_store("scrub",
               [](CommitStore& store) -> Status {
                 FLATKV_TRY(store.scrub(1000));
                 return status_of(store.scrub_status());
               }),
      on_store("verify", [](CommitStore& store) { return sound(store.verify()); }),
      on_store("wait_durable", [](CommitStore& store) { return store.wait_durable(kBase); }),
      on_store("view",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(const ReadView view, store.view());
                 const auto key = nonce_key(address(1));
                 const ByteView keys[] = {key, key};
                 FLATKV_TRY(view.get(key));
                 FLATKV_TRY(view.get_many(keys));
                 FLATKV_TRY(view.account(address(1)));
                 FLATKV_TRY(view.storage(address(1), Slot{}));
                 FLATKV_TRY(view.code(address(1)));
                 FLATKV_TRY(view.row(Database::legacy, kSomeKey));
                 return walk(view.iterate(Database::account));
               }),
      on_store(
          "flush, its thread",
          [](CommitStore& store) -> Status {
            FLATKV_TRY(next_block(store));
            return store.flush();
          },
          Whose::others),
      on_store(
          "snapshot, its thread", [](CommitStore& store) { return store.snapshot(); },
          Whose::others),
  };
}

/// A store whose last two blocks are in the log and in memory alone.
Result<CommitStore> open_undoable(const Places& places) {
  Options options = table_options();
  options.rollback_depth = 8;
  FLATKV_ASSIGN(auto store, CommitStore::open(places.store, options));
  FLATKV_TRY(next_block(store));
  FLATKV_TRY(next_block(store));
  return store;
}

std::vector<Act> undo_acts() {
  return {
      {"undo",
       [](const Places& places, const std::function<void()>& arm,
          const Reporter& reporter) -> Status {
         FLATKV_ASSIGN(auto store, open_undoable(places));
         arm();
         Status done = store.rollback(kBase + 1);
         go_on(store, reporter);
         return done;
       }},
      {"undo, by path",
       [](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
         FLATKV_ASSIGN(auto store, open_undoable(places));
         FLATKV_TRY(store.close());
         arm();
         return rollback(places.store, kBase + 1);
       }},
  };
}

Status apply_all(Overlay& overlay, std::int64_t version) {
  for (const auto sets : block_of(version).sets) FLATKV_TRY(overlay.apply(sets));
  return {};
}

/// Two blocks, one upon the other.
struct Stacked {
  Overlay parent;
  Overlay child;
};
Result<Stacked> stacked(CommitStore& store) {
  FLATKV_ASSIGN(Overlay parent, store.overlay());
  FLATKV_TRY(apply_all(parent, kBase + 1));
  FLATKV_ASSIGN(Overlay child, parent.child());
  FLATKV_TRY(apply_all(child, kBase + 2));
  return Stacked{std::move(parent), std::move(child)};
}

std::vector<Act> overlay_acts() {
  return {
      on_store("overlay",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(Stacked made, stacked(store));
                 Overlay& overlay = made.child;
                 FLATKV_TRY(overlay.working_roots());
                 FLATKV_TRY(overlay.working_hash(Database::account));
                 const auto key = nonce_key(address(1));
                 const ByteView keys[] = {key, key};
                 FLATKV_TRY(overlay.get(key));
                 FLATKV_TRY(overlay.get_many(keys));
                 FLATKV_TRY(overlay.account(address(1)));
                 FLATKV_TRY(overlay.storage(address(1), Slot{}));
                 FLATKV_TRY(overlay.code(address(1)));
                 FLATKV_TRY(overlay.row(Database::legacy, kSomeKey));
                 FLATKV_TRY(overlay.root_hash());
                 FLATKV_TRY(overlay.prefetch(keys));
                 return walk(overlay.iterate(Database::account));
               }),
      on_store("commit of overlays",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(Stacked made, stacked(store));
                 return status_of(store.commit(made.child, kBase + 2));
               }),
      on_store("commit of overlays, one by one",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(Stacked made, stacked(store));
                 FLATKV_TRY(store.commit(made.parent));
                 return status_of(store.commit(made.child));
               }),
      on_store("a recent version",
               [expected = base_state().account(address(1))](CommitStore& store) -> Status {
                 FLATKV_TRY(next_block(store));
                 FLATKV_ASSIGN(const ReadView view, store.view(kBase));
                 FLATKV_ASSIGN(const auto account, view.account(address(1)));
                 if (account != expected) return fail(ErrorCode::corruption, "another account");
                 FLATKV_TRY(walk(view.iterate(Database::storage)));
                 return same_rows(view.iterate(Database::storage),
                                  base_state().rows[Database::storage]);
               }),
  };
}

/// What the store has for the keys of each block. The first call makes it.
using Values = std::vector<std::optional<Bytes>>;
const std::vector<Values>& base_values() {
  static const std::vector<Values> kValues = [] {
    std::vector<Values> values(1);
    for (std::int64_t version = 1; version <= kBase; ++version) {
      values.emplace_back();
      for (const ByteView key : block_of(version).keys) {
        values.back().push_back(base_state().get(key));
      }
    }
    return values;
  }();
  return kValues;
}

/// Rows that come from tables, since the base was closed. A call whose helping thread finds no
/// memory to start reads without it: whatever fails, it gives all values or an error.
Status read_all(CommitStore& store) {
  for (std::int64_t version = 1; version <= kBase; ++version) {
    FLATKV_ASSIGN(const auto values, store.get_many(block_of(version).keys));
    if (values != base_values().at(static_cast<std::size_t>(version))) {
      return fail(ErrorCode::corruption, "other values");
    }
  }
  return {};
}

Status prefetch_all(CommitStore& store) {
  for (std::int64_t version = 1; version <= kBase; ++version) {
    FLATKV_TRY(store.prefetch(block_of(version).keys));
  }
  for (;;) {  // whatever fails, each row comes to an end
    const PrefetchMetrics now = store.metrics().prefetch;
    if (now.asked == now.loaded + now.hit + now.dropped) break;
    std::this_thread::yield();
  }
  return read_all(store);
}

/// No other thread but the executor's has anything to do.
Options with_executor() {
  Options options = table_options();
  options.durability = Durability::process;
  options.cache.key_filter_bytes = 0;
  options.threads = 3;
  options.executor = other_threads();
  return options;
}

/// So many keys that looking for them in memory is work for several threads.
const std::vector<ByteView>& many_keys() {
  static const auto kMade = [] {
    std::pair<std::vector<StorageKey>, std::vector<ByteView>> made;
    for (std::uint64_t i = 0; i < 1100; ++i) {
      made.first.push_back(storage_key(address(77), slot(i)));
    }
    made.second.assign(made.first.begin(), made.first.end());  // no block has them
    const auto& written = block_of(kBase).keys;
    made.second.insert(made.second.end(), written.begin(), written.end());
    return made;
  }();
  return kMade.second;
}

/// Opens a store whose reads of tables wait for a device, as far as it knows.
Result<CommitStore> open_cold(const Places& places) {
  ::setenv("FLATKV_TEST_READS_IN_FLIGHT", "4", 1);  // in src/rocks/read_threads.cpp
  Options options = table_options();
  options.cache.row_cache_bytes = 0;
  options.cache.key_filter_bytes = 0;
  return CommitStore::open(places.store, options);
}

std::vector<Act> cold_acts() {
  const Options shared = with_executor();
  static_cast<void>(base_values());
  const auto look_up = [&keys = many_keys()](CommitStore& store) -> Status {
    FLATKV_ASSIGN(const auto values, store.get_many(keys));
    disarm();
    FLATKV_ASSIGN(const auto again, store.get_many(keys));
    if (values != again) return fail(ErrorCode::corruption, "other values");
    return {};
  };
  return {
      on_store("get_many", read_all),
      {"get_many, its threads",
       [](const Places& places, const std::function<void()>& arm,
          const Reporter& reporter) -> Status {
         FLATKV_ASSIGN(auto store, open_cold(places));
         arm();
         Status done;
         // The calling thread reads, too, and may be the faster one.
         for (int i = 0; i < 10 && done; ++i) done = read_all(store);
         go_on(store, reporter);
         return done;
       },
       Whose::others},
      on_store("get_many, an executor", look_up, Whose::callers, shared),
      on_store("get_many, an executor's threads", look_up, Whose::others, shared),
      on_store("prefetch", prefetch_all),
      on_store("prefetch, its thread", prefetch_all, Whose::others),
  };
}

std::vector<Act> change_acts() {
  return {
      on_store("changes",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(auto reader, store.changes(1, kBase));
                 while (true) {
                   FLATKV_ASSIGN(const auto block, reader.next());
                   if (!block) return {};
                 }
               }),
      on_store("subscribe",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(auto subscription, store.subscribe({.after = 1, .name = "index"}));
                 FLATKV_TRY(next_block(store));
                 FLATKV_TRY(store.wait_durable(store.version()));
                 for (std::int64_t version = 2; version <= store.version(); ++version) {
                   FLATKV_TRY(subscription.next(std::chrono::seconds(10)));
                 }
                 FLATKV_ASSIGN(const Cursor cursor, subscription.cursor());
                 FLATKV_ASSIGN(const Bytes stored, cursor.encode());
                 FLATKV_TRY(Cursor::decode(stored));
                 FLATKV_TRY(subscription.acknowledge(cursor));
                 FLATKV_TRY(store.named_cursors());
                 return store.drop_cursor("index");
               }),
      on_store("follow",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(auto subscription, store.subscribe({.after = 1}));
                 std::int64_t last = 1;
                 bool gap = false;
                 FLATKV_TRY(subscription.follow({}, [&](const ChangeEvent& event) {
                   gap = gap || event.at.version != last + 1;
                   last = event.at.version;
                   return last < kBase;
                 }));
                 if (gap) return fail(ErrorCode::corruption, "a block was left out");
                 return {};
               }),
  };
}

/// Waits until the scrub in the background has been through everything once more.
Status scrub_round(CommitStore& store) {
  FLATKV_ASSIGN(const auto first, store.scrub_status());
  for (;;) {
    FLATKV_ASSIGN(const auto now, store.scrub_status());
    if (!now->findings.empty()) return fail(ErrorCode::corruption, "a finding where there is none");
    if (now->progress.round > first->progress.round + 1) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// A subscription gets the next block, whatever the thread that tells of it had no memory for.
Act told_of_a_block() {
  return {"subscribe, the syncing thread",
          [](const Places& places, const std::function<void()>& arm,
             const Reporter& reporter) -> Status {
            Options options = table_options();
            options.group_blocks = 1;
            FLATKV_ASSIGN(auto store, CommitStore::open(places.store, options));
            FLATKV_ASSIGN(auto subscription, store.subscribe({.after = kBase, .name = "index"}));
            arm();
            const auto told = [&]() -> Status {
              FLATKV_TRY(next_block(store));
              FLATKV_TRY(store.wait_durable(store.version()));
              FLATKV_ASSIGN(const auto event, subscription.next(std::chrono::minutes(1)));
              if (event && event->block && event->at.version == kBase + 1) return {};
              return fail(ErrorCode::corruption, "a block was left out");
            };
            Status done = told();
            go_on(store, reporter);
            return done;
          },
          Whose::others};
}

/// A block whose rows an executor hashes, too.
std::vector<Act> executor_acts() {
  const Options shared = with_executor();
  const auto overlay = [](CommitStore& store) -> Status {
    FLATKV_ASSIGN(Overlay made, store.overlay());
    FLATKV_TRY(apply_all(made, kBase + 1));
    FLATKV_TRY(made.working_roots());
    return status_of(store.commit(made));
  };
  return {
      on_store("commit, an executor", next_block, Whose::callers, shared),
      on_store("commit, an executor's threads", next_block, Whose::others, shared),
      on_store("an overlay, an executor", overlay, Whose::callers, shared),
      on_store("an overlay, an executor's threads", overlay, Whose::others, shared),
  };
}

/// What only other threads allocate.
std::vector<Act> thread_acts() {
  Options snapshots = table_options();
  snapshots.snapshot.interval = 1;
  Options scrubbed = table_options();
  scrubbed.scrub.mode = Scrub::in_background;
  scrubbed.scrub.rows_per_second = 1'000'000;
  scrubbed.scrub.pause_seconds = 0;
  Options synced = table_options();
  synced.group_blocks = 1;
  return {
      on_store(
          "commit, the syncing thread",
          [](CommitStore& store) -> Status {
            FLATKV_TRY(next_block(store));
            return store.wait_durable(store.version());
          },
          Whose::others, synced),
      told_of_a_block(),
      {"verify of a store, its threads",
       [](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
         copy_tree(places.wide, places.other);
         FLATKV_ASSIGN(auto store, CommitStore::open(places.other, table_options()));
         VerifyOptions options;
         options.threads = 3;
         arm();
         return sound(store.verify(options));
       },
       Whose::others},
      on_store(
          "an automatic snapshot",
          [](CommitStore& store) -> Status {
            FLATKV_TRY(next_block(store));
            return store.flush();
          },
          Whose::others, snapshots),
      on_store("scrub, its thread", scrub_round, Whose::others, scrubbed),
      {"close, other threads",
       [](const Places& places, const std::function<void()>& arm,
          const Reporter& reporter) -> Status {
         FLATKV_ASSIGN(auto store, CommitStore::open(places.store, table_options()));
         FLATKV_TRY(next_block(store));  // for the flush
         FLATKV_TRY(store.wait_durable(store.version()));
         reporter.say('a', store.version());
         arm();
         return store.close();
       },
       Whose::others},
      {"open, other threads",
       [](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
         {
           FLATKV_ASSIGN(auto store, open_undoable(places));
           FLATKV_TRY(store.close());
         }
         arm();
         Options options = table_options();
         options.cache.key_filter_bytes = 64 << 20;
         FLATKV_ASSIGN(auto store, CommitStore::open(places.store, options));
         return store.close();
       },
       Whose::others},
  };
}

}  // namespace

std::vector<Act> store_acts() {
  std::vector<Act> all = writer_acts();
  for (auto more :
       {undo_acts(), overlay_acts(), cold_acts(), change_acts(), executor_acts(), thread_acts()}) {
    std::ranges::move(more, std::back_inserter(all));
  }
  return all;
}

}  // namespace flatkv::test
