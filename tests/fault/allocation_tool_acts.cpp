// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <iterator>

#include "allocation_acts.hpp"
#include "flatkv/metrics.hpp"
#include "flatkv/tools/bisect.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/report.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/sei_log.hpp"
#include "flatkv/tools/spread.hpp"
#include "support/repair_one.hpp"
#include "transfer/memory_io.hpp"

namespace flatkv::test {
namespace {

class Discard : public ByteSink {
 public:
  Status write(ByteView) override { return {}; }
};

/// The stream is of this state.
Status checked(const std::string& stream, const ReadOnlyStore& clone) {
  disarm();
  TrustedRoots trusted;
  trusted.roots = clone.roots();
  return status_of(check_file(stream, trusted));
}

Status export_of(const std::string& store, const Places& places) {
  FLATKV_ASSIGN(const auto clone, ReadOnlyStore::open(store));
  const std::string made = places.other + ".zst";
  FLATKV_TRY(export_to_file(clone.view(), made));
  return checked(made, clone);
}

Status proven(const StateDigest& digest) {
  for (const StateDigest::Part& part : digest.parts) {
    if (!digest.proven(part)) return fail(ErrorCode::corruption, "a digest of other rows");
  }
  return {};
}

Status import_reference(const Places& places, const std::function<void()>& arm) {
  {
    FLATKV_ASSIGN(auto store, CommitStore::open(places.other, table_options()));
    arm();
    FLATKV_ASSIGN(const SeiLogReport report, import_sei_log(places.log, store));
    if (report.committed != kReferenceBlocks) {
      return fail(ErrorCode::corruption, "a block was left out");
    }
    FLATKV_TRY(store.close());
  }
  return whole(places.other, kReferenceBlocks);
}

Status open_before(const Places& places) {
  ReadOnlyOptions options;
  options.at = kBase - 1;
  return status_of(ReadOnlyStore::open(places.store, options));
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
                  if (!block) return reader.sync();
                  FLATKV_TRY(block_digest(block->record.version, block->change_sets()));
                }
              }),
      on_path("ReadOnlyStore::open",
              [](const Places& places) { return status_of(ReadOnlyStore::open(places.store)); }),
      on_path("ReadOnlyStore::open at a version", open_before),
      on_path("ReadOnlyStore::open at a version, other threads", open_before, Whose::others),
      on_clone("ReadOnlyStore::apply",
               [](ReadOnlyStore& clone) -> Status {
                 FLATKV_TRY(clone.apply(block_of(kBase + 1).sets.back()));
                 FLATKV_TRY(clone.working_roots());
                 clone.discard();
                 return sound(clone.verify());
               }),
      on_clone("verify", [](ReadOnlyStore& clone) { return sound(verify(clone.view())); }),
      on_clone("export_state",
               [](ReadOnlyStore& clone) -> Status {
                 Discard sink;
                 ZstdSink packed(sink);
                 FLATKV_TRY(export_state(clone.view(), packed));
                 return packed.finish();
               }),
      on_clone("ReadOnlyStore, reads",
               [](ReadOnlyStore& clone) -> Status {
                 const auto key = nonce_key(address(1));
                 const ByteView keys[] = {key, key};
                 FLATKV_TRY(clone.get(key));
                 FLATKV_TRY(clone.get_many(keys));
                 FLATKV_TRY(clone.account(address(1)));
                 FLATKV_TRY(clone.storage(address(1), Slot{}));
                 FLATKV_TRY(clone.code(address(1)));
                 FLATKV_TRY(clone.row(Database::legacy, kSomeKey));
                 FLATKV_TRY(walk(clone.iterate(Database::storage)));
                 FLATKV_ASSIGN(Overlay overlay, clone.overlay());
                 FLATKV_TRY(overlay.apply(block_of(kBase + 1).sets.back()));
                 return status_of(overlay.working_roots());
               }),
      on_clone("digest_state",
               [](ReadOnlyStore& clone) -> Status {
                 FLATKV_ASSIGN(const auto digest, digest_state(clone.view()));
                 FLATKV_ASSIGN(const Bytes bytes, digest.encode());
                 transfer::MemorySource source(bytes);
                 FLATKV_ASSIGN(const auto back, read_digest(source));
                 FLATKV_TRY(proven(back));
                 FLATKV_TRY(differing_ranges(digest, back));
                 return diff_rows(clone.view(), clone.view(), {},
                                  [](const RowDifference&) -> Status { return {}; });
               }),
      on_path("check_file",
              [](const Places& places) { return status_of(check_file(places.stream)); }),
      on_path("import_file",
              [](const Places& places) -> Status {
                FLATKV_TRY(import_file(places.stream, places.other));
                return whole(places.other, kBase);
              }),
      on_path("export_to_file",
              [](const Places& places) { return export_of(places.store, places); }),
      on_path("Importer",
              [](const Places& places) -> Status {
                FLATKV_ASSIGN(auto importer, Importer::begin(places.other));
                const ImportRow row{Database::legacy, kSomeKey, kSomeKey};
                FLATKV_TRY(importer.add({&row, 1}));
                FLATKV_TRY(importer.finish(kBase));
                return whole(places.other, kBase);
              }),
      on_path("Importer, aborted",
              [](const Places& places) -> Status {
                FLATKV_ASSIGN(auto importer, Importer::begin(places.other));
                const ImportRow row{Database::legacy, kSomeKey, kSomeKey};
                FLATKV_TRY(importer.add({&row, 1}));
                importer.abort();
                return importer.close();
              }),
      on_path("import_sei_log",
              [](const Places& places) -> Status { return import_reference(places, [] {}); }),
      {"import_sei_log, its thread",
       [](const Places& places, const std::function<void()>& arm, const Reporter&) {
         return import_reference(places, arm);
       },
       Whose::others},
      on_path("find_divergence",
              [](const Places& places) {
                return status_of(find_divergence(places.store, places.store));
              }),
  };
}

/// A database with a row too many, which is built anew. What could not be done is done afterwards.
Act repair_of(std::string name, Database database, bool from_stream, Whose whose) {
  const auto mend = [=](const Places& places, const std::function<void()>& arm) -> Status {
    RepairOptions options;
    options.threads = 3;
    if (from_stream) options.stream_file = places.stream;
    arm();
    FLATKV_ASSIGN(const RepairReport report, repair_one(places.store, database, options));
    if (report.refusal) return std::unexpected(*report.refusal);
    return {};
  };
  return {std::move(name),
          [=](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
            tamper(working(places.store, to_string(database)),
                   {{.key = row_key(Bytes(20, 0x99)), .value = Bytes(40, 1)}});
            return mend(places, arm);
          },
          whose, [=](const Places& places) { return mend(places, [] {}); }};
}

std::vector<Act> mending_acts() {
  return {
      on_path("rollback, by path", [](const Places& places) { return rollback(places.store, 2); }),
      on_path(
          "repair of nothing",
          [](const Places& places) { return status_of(repair_one(places.store, Database::code)); }),
      repair_of("repair", Database::account, false, Whose::callers),
      repair_of("repair from a stream", Database::storage, true, Whose::callers),
      repair_of("repair, other threads", Database::account, false, Whose::others),
      on_path("import_file over a store",
              [](const Places& places) {
                ImportOptions options;
                options.force = true;
                return status_of(import_file(places.stream, places.store, options));
              }),
  };
}

/// The state in two parts, put together.
Status in_parts(const ReadView& view, std::uint32_t threads) {
  DigestOptions digested;
  digested.threads = threads;
  digested.leaf_rows = 500;
  VerifyOptions verified;
  verified.threads = threads;
  std::array<PartScan, 2> digests;  // a vector would allocate, and throw
  std::array<PartScan, 2> verdicts;
  for (const std::uint32_t index : {0U, 1U}) {
    const PartOf which{index + 1, 2};
    FLATKV_ASSIGN(const PartScan digest, digest_part(view, which, digested));
    FLATKV_ASSIGN(const Bytes bytes, digest.encode());
    transfer::MemorySource source(bytes);
    FLATKV_ASSIGN(digests[index], read_part(source));
    FLATKV_ASSIGN(verdicts[index], verify_part(view, which, verified));
  }
  FLATKV_ASSIGN(const StateDigest merged, merge_digest(digests));
  FLATKV_TRY(proven(merged));
  return sound(merge_verify(verdicts));
}

std::vector<Act> report_acts() {
  return {
      on_clone("scans in parts", [](ReadOnlyStore& clone) { return in_parts(clone.view(), 0); }),
      on_clone("report",
               [](ReadOnlyStore& clone) -> Status {
                 FLATKV_TRY(table_info(clone));
                 return status_of(largest_contracts(clone.view()));
               }),
      {"diverging_rows",
       [](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
         ReadOnlyOptions before;
         before.at = kBase - 1;
         FLATKV_ASSIGN(const auto a, ReadOnlyStore::open(places.store, before));
         FLATKV_ASSIGN(const auto b, ReadOnlyStore::open(places.store));
         const std::vector<Database> databases{Database::account};
         arm();
         return diverging_rows(a, places.store, b, places.store, databases,
                               [](const RowDifference&) -> Status { return {}; });
       }},
      on_path("host_limits", [](const Places&) -> Status { return status_of(host_limits()); }),
      on_path("process_metrics",
              [](const Places&) -> Status { return status_of(process_metrics()); }),
      on_path("executors",
              [](const Places&) -> Status {
                FLATKV_TRY(shared_executor());
                return status_of(make_executor(2));
              }),
      on_clone(
          "verify, its threads",
          [](ReadOnlyStore& clone) {
            VerifyOptions options;
            options.threads = 3;
            return sound(verify(clone.view(), options));
          },
          Whose::others, &Places::wide),
      on_clone(
          "digest_state, its threads",
          [](ReadOnlyStore& clone) -> Status {
            DigestOptions options;
            options.threads = 3;
            options.leaf_rows = 500;
            FLATKV_ASSIGN(const auto digest, digest_state(clone.view(), options));
            return proven(digest);
          },
          Whose::others, &Places::wide),
      on_clone(
          "scans in parts, their threads",
          [](ReadOnlyStore& clone) { return in_parts(clone.view(), 3); }, Whose::others,
          &Places::wide),
      on_path(
          "export_to_file, other threads",
          [](const Places& places) { return export_of(places.wide, places); }, Whose::others),
      on_path(
          "import_file, other threads",
          [](const Places& places) -> Status {
            FLATKV_TRY(import_file(places.wide_stream, places.other));
            return whole(places.other, 1);
          },
          Whose::others),
  };
}

}  // namespace

std::vector<Act> table_acts() {
  std::vector<Act> all = store_acts();
  for (auto more : {reading_acts(), mending_acts(), report_acts()}) {
    std::ranges::move(more, std::back_inserter(all));
  }
  return all;
}

}  // namespace flatkv::test
