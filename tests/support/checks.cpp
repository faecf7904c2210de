// SPDX-License-Identifier: Apache-2.0
#include "support/checks.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"

namespace flatkv::test {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

AssertionResult failed(const Error* error, ErrorCode code) {
  if (error == nullptr) return AssertionFailure() << "succeeded, not " << to_string(code);
  if (error->code == code) return AssertionSuccess();
  return AssertionFailure() << error->to_string() << ", not " << to_string(code);
}

namespace {

Result<Rows> collect(Result<RowIterator> opened) {
  if (!opened) return std::unexpected(opened.error());
  Rows rows;
  for (opened->seek_to_first(); opened->valid(); opened->next()) {
    const Bytes key = to_bytes(opened->key());
    if (!rows.empty() && !ByteOrder()(rows.rbegin()->first, key)) {
      return fail(ErrorCode::corruption, "rows out of order at " + to_hex(key));
    }
    rows.emplace_hint(rows.end(), key, to_bytes(opened->value()));
  }
  if (auto status = opened->status(); !status) return std::unexpected(status.error());
  return rows;
}

std::string row_difference(const Rows& found, const Rows& wanted) {
  for (const auto& [key, value] : wanted) {
    const auto at = found.find(key);
    if (at == found.end()) return "row " + to_hex(key) + " is missing";
    if (at->second != value) {
      return "row " + to_hex(key) + " is " + to_hex(at->second) + ", not " + to_hex(value);
    }
  }
  for (const auto& [key, value] : found) {
    if (!wanted.contains(key)) return "row " + to_hex(key) + " should not be there";
  }
  return "";
}

}  // namespace

Result<Rows> all_rows(const ReadView& view, Database database) {
  return collect(view.iterate(database));
}
Result<Rows> all_rows(const CommitStore& store, Database database) {
  return collect(store.iterate(database));
}

Result<PlainLtHash> sum_of_rows(const ReadView& view) {
  PlainLtHash sum;
  for (const Database database : kDataDatabases) {
    FLATKV_ASSIGN(const Rows rows, all_rows(view, database));
    for (const auto& [key, value] : rows) sum.add(key, value);
  }
  return sum;
}

AssertionResult view_is(const ReadView& view, const State& state) {
  if (view.version() != state.version) {
    return AssertionFailure() << "version " << view.version() << ", not " << state.version;
  }
  if (auto roots = same_roots(view.roots(), state.roots()); !roots) return roots;
  for (const Database database : kDataDatabases) {
    if (view.hash(database).serialize() != state.hashes[database].serialized()) {
      return AssertionFailure() << to_string(database) << ": another hash";
    }
    const Result<Rows> rows = all_rows(view, database);
    if (!rows) return AssertionFailure() << rows.error().to_string();
    const std::string difference = row_difference(*rows, state.rows[database]);
    if (!difference.empty()) return AssertionFailure() << to_string(database) << ": " << difference;
    if (view.stats(database) != state.stats(database)) {
      return AssertionFailure() << to_string(database) << ": stats of " << view.stats(database).rows
                                << " rows, not " << state.stats(database).rows;
    }
  }
  return AssertionSuccess();
}

AssertionResult store_is(const CommitStore& store, const State& state) {
  if (store.version() != state.version) {
    return AssertionFailure() << "store at version " << store.version() << ", not "
                              << state.version;
  }
  const Result<ReadView> view = store.view();
  if (!view) return AssertionFailure() << view.error().to_string();
  if (auto same = view_is(*view, state); !same) return same;
  const Result<VerifyReport> report = store.verify();
  if (!report) return AssertionFailure() << report.error().to_string();
  if (report->databases.size() != 4) return AssertionFailure() << "not four databases verified";
  if (!report->good()) {
    std::string bad;
    for (const DatabaseVerdict& verdict : report->databases) {
      if (!verdict.good()) bad += std::string(to_string(verdict.database)) + " ";
    }
    return AssertionFailure() << "verify: " << bad << (report->sum_good ? "" : "sum");
  }
  return AssertionSuccess();
}

AssertionResult commit_both(CommitStore& store, Model& model, const std::vector<Changes>& applies) {
  for (const Changes& changes : applies) {
    if (auto applied = store.apply(changes); !applied) {
      return AssertionFailure() << "apply: " << applied.error().to_string();
    }
    if (!model.apply(changes)) return AssertionFailure() << "the model refused the block";
  }
  model.commit();
  const Result<Roots> committed = store.commit(model.version());
  if (!committed) return AssertionFailure() << "commit: " << committed.error().to_string();
  if (auto same = same_roots(*committed, model.committed().roots()); !same) {
    return same << " at version " << model.version();
  }
  return AssertionSuccess();
}

Options small_options() {
  Options options;
  options.durability = Durability::process;
  options.flush.write_buffer_bytes = 4ULL << 20;
  options.cache.block_cache_bytes = 8ULL << 20;
  options.cache.row_cache_bytes = 1ULL << 20;
  options.snapshot.interval = 0;
  options.threads = 2;
  return options;
}

}  // namespace flatkv::test
