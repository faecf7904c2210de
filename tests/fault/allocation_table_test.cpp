// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails, in every public function and in the library's own threads (N3): the
// function returns `out_of_memory` or the store fails, nothing is thrown, no acknowledged block is
// lost, and the store reopens with the roots of its model. If the process dies instead (in
// RocksDB), that counts as a kill. FLATKV_FAULT_FULL=1: every N, otherwise a sample;
// FLATKV_PART=I/M: of these every Mth.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <thread>

#include "base/error.hpp"
#include "failing_allocations.hpp"
#include "flatkv/tools/bisect.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/sei_log.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/repair_one.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::int64_t kBase = 4;

Options table_options() {
  Options options = small_options();
  options.threads = 1;
  options.create_if_missing = true;
  options.durability = Durability::group;
  options.group_blocks = 2;
  options.scrub.mode = Scrub::by_hand;
  return options;
}

/// The paths that an act works on.
struct Places {
  std::string store;
  std::string other;   ///< does not exist
  std::string stream;  ///< an export of the store
};

/// One function of the public interface: the preparation (nothing fails in it), and the call.
struct Act {
  std::string name;
  std::function<Status(const Places&, const std::function<void()>& arm, const Reporter&)> run;
  Whose whose = Whose::callers;
};

template <class T>
Status status_of(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

/// What each version writes, prepared before anything fails.
struct Block {
  explicit Block(std::int64_t version) : changes(script_block(kSeed, version)) {
    changes.emplace_back();
    changes.back().nonce(address(1), static_cast<std::uint64_t>(version));
    for (const Changes& one : changes) {
      sets.push_back(one.sets());
      for (const NamedChangeSet& set : one.sets()) {
        if (set.name != kEvmModule) continue;
        for (const KVPair& pair : set.pairs) keys.push_back(pair.key);
      }
    }
  }
  std::vector<Changes> changes;
  std::vector<ByteView> keys;
  std::vector<std::span<const NamedChangeSet>> sets;
};
const Block& block_of(std::int64_t version) {
  static const std::vector<Block> kBlocks = [] {
    std::vector<Block> blocks;
    blocks.reserve(kBase + 4);
    for (std::int64_t one = 0; one < kBase + 4; ++one) blocks.emplace_back(one);
    return blocks;
  }();
  return kBlocks.at(static_cast<std::size_t>(version));
}

Status next_block(CommitStore& store) {
  const std::int64_t version = store.version() + 1;
  for (const auto sets : block_of(version).sets) FLATKV_TRY(store.apply(sets));
  return status_of(store.commit(version));
}

/// A caller who continues anyway is refused, or gets a durable block.
void go_on(CommitStore& store, const Reporter& reporter) {
  static_cast<void>(allocation_failed());
  if (next_block(store) && store.wait_durable(store.version())) {
    reporter.say('a', store.version());
  }
}

/// Makes an act on an open store.
template <class Call>
Act on_store(std::string name, Call call, Whose whose = Whose::callers) {
  return {std::move(name),
          [call](const Places& places, const std::function<void()>& arm,
                 const Reporter& reporter) -> Status {
            FLATKV_ASSIGN(auto store, CommitStore::open(places.store, table_options()));
            arm();
            Status done = call(store);
            go_on(store, reporter);
            return done;
          },
          whose};
}

template <class Call>
Act on_path(std::string name, Call call) {
  return {
      std::move(name),
      [call](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
        arm();
        return call(places);
      }};
}

template <class Call>
Act on_clone(std::string name, Call call) {
  return {
      std::move(name),
      [call](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
        FLATKV_ASSIGN(auto clone, ReadOnlyStore::open(places.store));
        arm();
        return call(clone);
      }};
}

const Bytes kSomeKey{0x40};

Status walk(Result<RowIterator> rows) {
  if (!rows) return std::unexpected(rows.error());
  for (rows->seek_to_last(); rows->valid(); rows->previous()) {
  }
  FLATKV_TRY(rows->status());
  rows->seek(kSomeKey);
  rows->next();
  return rows->status();
}

class Discard : public ByteSink {
 public:
  Status write(ByteView) override { return {}; }
};

std::vector<Act> writer_acts() {
  return {
      on_store("commit", next_block),
      on_store("working_hash",
               [](CommitStore& store) -> Status {
                 FLATKV_TRY(store.apply(block_of(kBase + 1).sets.back()));
                 FLATKV_TRY(store.working_hash(Database::storage));
                 FLATKV_TRY(store.working_roots());
                 store.discard();
                 return {};
               }),
      on_store("get",
               [](CommitStore& store) -> Status {
                 const auto key = nonce_key(address(1));
                 const ByteView keys[] = {key, key};
                 FLATKV_TRY(store.get(key));
                 FLATKV_TRY(store.get_many(keys));
                 return status_of(store.account(address(1)));
               }),
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
      on_store("verify", [](CommitStore& store) { return status_of(store.verify()); }),
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
          Whose::ours),
      on_store(
          "snapshot, its thread", [](CommitStore& store) { return store.snapshot(); }, Whose::ours),
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

std::vector<Act> overlay_acts() {
  return {
      on_store("overlay",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(Overlay parent, store.overlay());
                 FLATKV_TRY(apply_all(parent, kBase + 1));
                 FLATKV_ASSIGN(Overlay overlay, parent.child());
                 FLATKV_TRY(apply_all(overlay, kBase + 2));
                 FLATKV_TRY(overlay.working_roots());
                 FLATKV_TRY(overlay.working_hash(Database::account));
                 const auto key = nonce_key(address(1));
                 const ByteView keys[] = {key, key};
                 FLATKV_TRY(overlay.get(key));
                 FLATKV_TRY(overlay.get_many(keys));
                 FLATKV_TRY(overlay.account(address(1)));
                 FLATKV_TRY(overlay.storage(address(1), Slot{}));
                 FLATKV_TRY(overlay.code(address(1)));
                 return walk(overlay.iterate(Database::account));
               }),
      on_store("commit of overlays",
               [](CommitStore& store) -> Status {
                 FLATKV_ASSIGN(Overlay parent, store.overlay());
                 FLATKV_TRY(apply_all(parent, kBase + 1));
                 FLATKV_ASSIGN(Overlay overlay, parent.child());
                 FLATKV_TRY(apply_all(overlay, kBase + 2));
                 return status_of(store.commit(overlay));
               }),
      on_store("a recent version",
               [](CommitStore& store) -> Status {
                 FLATKV_TRY(next_block(store));
                 FLATKV_ASSIGN(const ReadView view, store.view(kBase));
                 FLATKV_TRY(view.account(address(1)));
                 return walk(view.iterate(Database::storage));
               }),
  };
}

/// Rows that come from tables, since the base was closed.
Status read_all(CommitStore& store) {
  for (std::int64_t version = 1; version <= kBase; ++version) {
    FLATKV_TRY(store.get_many(block_of(version).keys));
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

std::vector<Act> cold_acts() {
  return {
      on_store("get_many", read_all),
      on_store("get_many, its threads", read_all, Whose::ours),
      on_store("prefetch", prefetch_all),
      on_store("prefetch, its thread", prefetch_all, Whose::ours),
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
                 FLATKV_TRY(Cursor::decode(cursor.encode()));
                 FLATKV_TRY(subscription.acknowledge(cursor));
                 FLATKV_TRY(store.named_cursors());
                 return store.drop_cursor("index");
               }),
  };
}

std::vector<Act> reading_acts() {
  return {
      on_path("open",
              [](const Places& places) {
                return status_of(CommitStore::open(places.store, table_options()));
              }),
      on_path("create", [](const Places& places) { return CommitStore::create(places.other); }),
      on_path("inspect",
              [](const Places& places) -> Status {
                FLATKV_TRY(inspect_store(places.store));
                FLATKV_TRY(list_snapshots(places.store));
                return status_of(roots_at(places.store, kBase));
              }),
      on_path("LogReader",
              [](const Places& places) -> Status {
                FLATKV_ASSIGN(auto reader, LogReader::open(places.store, std::nullopt, true));
                for (;;) {
                  FLATKV_ASSIGN(const auto block, reader.next());
                  if (!block) return {};
                  FLATKV_TRY(block_digest(block->record.version, block->change_sets()));
                }
              }),
      on_path("ReadOnlyStore::open",
              [](const Places& places) { return status_of(ReadOnlyStore::open(places.store)); }),
      on_clone("ReadOnlyStore::apply",
               [](ReadOnlyStore& clone) -> Status {
                 FLATKV_TRY(clone.apply(block_of(kBase + 1).sets.back()));
                 FLATKV_TRY(clone.working_roots());
                 clone.discard();
                 return status_of(clone.verify());
               }),
      on_clone("verify", [](ReadOnlyStore& clone) { return status_of(verify(clone.view())); }),
      on_clone("export_state",
               [](ReadOnlyStore& clone) -> Status {
                 Discard sink;
                 ZstdSink packed(sink);
                 FLATKV_TRY(export_state(clone.view(), packed));
                 return packed.finish();
               }),
      on_clone("digest_state",
               [](ReadOnlyStore& clone) -> Status {
                 FLATKV_ASSIGN(const auto digest, digest_state(clone.view()));
                 FLATKV_ASSIGN(const Bytes bytes, digest.encode());
                 FLATKV_ASSIGN(const auto back, StateDigest::decode(bytes));
                 FLATKV_TRY(differing_ranges(digest, back));
                 return diff_rows(clone.view(), clone.view(), {},
                                  [](const RowDifference&) -> Status { return {}; });
               }),
      on_path("check_file",
              [](const Places& places) { return status_of(check_file(places.stream)); }),
      on_path(
          "import_file",
          [](const Places& places) { return status_of(import_file(places.stream, places.other)); }),
      on_path("find_divergence",
              [](const Places& places) {
                return status_of(find_divergence(places.store, places.store));
              }),
  };
}

std::vector<Act> mending_acts() {
  return {
      on_path("rollback, by path", [](const Places& places) { return rollback(places.store, 2); }),
      on_path(
          "repair",
          [](const Places& places) { return status_of(repair_one(places.store, Database::code)); }),
      on_path("import_file over a store",
              [](const Places& places) {
                ImportOptions options;
                options.force = true;
                return status_of(import_file(places.stream, places.store, options));
              }),
  };
}

const std::vector<Act>& acts() {
  static const std::vector<Act> kAll = [] {
    std::vector<Act> all = writer_acts();
    for (auto more : {undo_acts(), overlay_acts(), cold_acts(), change_acts(), reading_acts(),
                      mending_acts()}) {
      std::ranges::move(more, std::back_inserter(all));
    }
    return all;
  }();
  return kAll;
}

enum Ending { kEnough = 10, kSaidSo = 11, kWentOn = 12, kWrong = 13 };

/// Arguments: store, other, stream, act, the allocation that fails.
int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const Places places{arguments.at(0), arguments.at(1), arguments.at(2)};
  const Act& act = acts().at(std::stoul(arguments.at(3)));
  const std::uint64_t nth = std::stoull(arguments.at(4));
  static_cast<void>(block_of(1));
  Status done;
  try {
    done = act.run(places, [&] { fail_allocation(act.whose, nth); }, reporter);
  } catch (...) {
    static_cast<void>(allocation_failed());
    return kWrong;
  }
  const bool failed = allocation_failed();
  if (done) return failed ? kWentOn : kEnough;
  const ErrorCode code = done.error().code;
  const bool says_so = code == ErrorCode::out_of_memory || code == ErrorCode::store_failed ||
                       done.error().message.find("emory") != std::string::npos;
  if (failed && says_so) return kSaidSo;
  std::cerr << act.name << " " << nth << ": " << done.error().to_string() << "\n";
  return kWrong;
}
const RegisterChild kLive("allocations-of", live);

class AllocationTable : public ::testing::TestWithParam<std::size_t> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDir;
    base_ = directory_->path("base");
    stream_ = directory_->path("stream");
    auto store = CommitStore::open(base_, table_options());
    ASSERT_OK(store);
    Model model;
    states_.push_back(model.committed());
    for (std::int64_t version = 1; version <= kBase + 3; ++version) {
      for (const Changes& changes : block_of(version).changes) {
        model.apply(changes);
        if (version <= kBase) {
          ASSERT_OK(store->apply(changes.sets()));
        }
      }
      model.commit();
      if (version <= kBase) {
        ASSERT_OK(store->commit(version));
      }
      if (version == 1) {
        ASSERT_OK(store->snapshot());
      }
      states_.push_back(model.committed());
    }
    ASSERT_OK(export_to_file(must_view(*store), stream_));
    ASSERT_OK(store->close());
  }
  static ReadView must_view(const CommitStore& store) { return store.view().value(); }
  static void TearDownTestSuite() {
    delete directory_;
    states_.clear();
  }

  static inline TempDir* directory_ = nullptr;
  static inline std::string base_;
  static inline std::string stream_;
  static inline std::vector<State> states_;
};

TEST_P(AllocationTable, EveryFunctionSaysSo_N3) {
  const Act& act = acts().at(GetParam());
  const bool full = std::getenv("FLATKV_FAULT_FULL") != nullptr;
  const std::string path = directory_->path("store");
  const std::string other = directory_->path("other");
  std::map<std::string, unsigned> counts;
  constexpr std::uint64_t kMany = 10'000'000;
  const Part part = part_of_cases();
  for (std::uint64_t nth = part.index;; nth += part.count * (full ? 1 : 1 + nth / 2)) {
    SCOPED_TRACE(act.name + ", allocation " + std::to_string(nth));
    copy_tree(base_, path);
    std::filesystem::remove_all(other);
    Child child = Child::start(
        "allocations-of", {path, other, stream_, std::to_string(GetParam()), std::to_string(nth)});
    const int status = child.wait();
    const bool aborted = WIFSIGNALED(status);
    ASSERT_LT(nth, kMany) << "it ends the process without a failed allocation";
    const int ending = aborted ? 0 : WEXITSTATUS(status);
    ASSERT_TRUE(aborted || (ending >= kEnough && ending <= kWentOn)) << "exit " << ending;
    ++counts[aborted ? "ended" : ending == kSaidSo ? "said so" : "went on"];

    const auto opened = CommitStore::open(path, table_options());
    ASSERT_OK(opened);
    ASSERT_LT(opened->version(), static_cast<std::int64_t>(states_.size()));
    ASSERT_TRUE(store_is(*opened, states_.at(static_cast<std::size_t>(opened->version()))));
    const bool goes_back = act.name.find("rollback") != std::string::npos;
    ASSERT_GE(opened->version(), child.last('a').value_or(goes_back ? 2 : kBase));
    if (ending == kEnough) break;
    count_fault("N3", ending == kSaidSo ? Came::failed : Came::recovered);
  }
  std::cout << "  " << act.name << ":";
  for (const auto& [what, count] : counts) std::cout << " " << what << " " << count;
  std::cout << "\n";
}

INSTANTIATE_TEST_SUITE_P(Public, AllocationTable, ::testing::Range<std::size_t>(0, acts().size()));

}  // namespace
}  // namespace flatkv::test
