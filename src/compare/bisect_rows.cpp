// SPDX-License-Identifier: Apache-2.0
// The keys that differ at the block at which two stores diverge.
#include <set>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/guard.hpp"
#include "codec/keys.hpp"
#include "flatkv/tools/bisect.hpp"
#include "flatkv/tools/inspect.hpp"
#include "lthash/batch.hpp"

namespace flatkv {
namespace {

struct KeyOrder {
  bool operator()(const Bytes& a, const Bytes& b) const noexcept { return compare_bytes(a, b) < 0; }
};
using Keys = std::set<Bytes, KeyOrder>;

/// A row that differs, owning its bytes.
struct Row {
  Bytes key;
  std::optional<Bytes> a;
  std::optional<Bytes> b;
};

std::optional<ByteView> borrowed(const std::optional<Bytes>& value) {
  if (!value) return std::nullopt;
  return ByteView(*value);
}

/// Adds the internal keys that the block writes in this store.
Status add_written(const std::string& store, std::int64_t version, PerDataDatabase<Keys>& keys) {
  auto reader = LogReader::open(store, version, true);
  // The version of an import, or of a snapshot older than the log, has no block.
  if (!reader && reader.error().code == ErrorCode::log_gap) return {};
  if (!reader) return std::unexpected(std::move(reader).error());
  FLATKV_ASSIGN(const auto block, reader->next());
  if (!block || block->record.version != version) return {};
  for (const NamedChangeSet& set : block->change_sets()) {
    if (set.name != kEvmModule) continue;
    for (const KVPair& pair : set.pairs) {
      FLATKV_ASSIGN(const codec::Route route, codec::route(pair.key));
      keys[route.database].insert(to_bytes(route.key));
    }
  }
  return {};
}

class KeySearch {
 public:
  KeySearch(const ReadView& a, const ReadView& b,
            const std::function<Status(const RowDifference&)>& visit, const BisectOptions& options)
      : a_(a), b_(b), visit_(visit), options_(options) {}

  Status run(Database database, const Keys& written) {
    std::vector<Row> rows;
    for (const Bytes& key : written) {
      if (options_.stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "the search for keys was stopped");
      }
      FLATKV_ASSIGN(auto a, a_.row(database, key));
      FLATKV_ASSIGN(auto b, b_.row(database, key));
      if (a != b) rows.push_back({key, std::move(a), std::move(b)});
    }
    if (!account_for(database, rows)) return search_all(database);
    for (const Row& row : rows) {
      FLATKV_TRY(visit_({database, row.key, borrowed(row.a), borrowed(row.b)}));
    }
    return {};
  }

 private:
  /// Whether these rows explain the whole difference of the hashes, and of the counts, which also
  /// cover rows without a value.
  bool account_for(Database database, const std::vector<Row>& rows) const {
    LtHash hash = b_.hash(database);
    DatabaseStats stats = b_.stats(database);
    const auto put = [&](const Row& row, const std::optional<Bytes>& value, bool add) {
      if (!value) return;
      const LtHash element = lthash::element(row.key, *value);
      add ? hash += element : hash -= element;
      const auto count = [add](std::uint64_t& sum, std::uint64_t more) {
        sum = add ? sum + more : sum - more;
      };
      count(stats.rows, 1);
      count(stats.key_bytes, row.key.size());
      count(stats.value_bytes, value->size());
    };
    for (const Row& row : rows) {
      put(row, row.b, false);
      put(row, row.a, true);
    }
    return hash == a_.hash(database) && stats == a_.stats(database);
  }

  Status search_all(Database database) {
    DigestOptions options;
    options.database = database;
    options.stop = options_.stop;
    FLATKV_ASSIGN(const StateDigest a, digest_state(a_, options));
    FLATKV_ASSIGN(const StateDigest b, digest_state(b_, options));
    FLATKV_ASSIGN(const auto ranges, differing_ranges(a, b));
    for (const RangeDifference& range : ranges) {
      FLATKV_TRY(diff_rows(a_, b_, range, visit_, options_.stop));
    }
    return {};
  }

  const ReadView& a_;
  const ReadView& b_;
  const std::function<Status(const RowDifference&)>& visit_;
  const BisectOptions& options_;
};

}  // namespace

Status diverging_rows(const ReadOnlyStore& a, const std::string& store_a, const ReadOnlyStore& b,
                      const std::string& store_b, const std::vector<Database>& databases,
                      const std::function<Status(const RowDifference&)>& visit,
                      const BisectOptions& options) {
  return guarded([&]() -> Status {
    PerDataDatabase<Keys> written;
    FLATKV_TRY(add_written(store_a, a.version(), written));
    FLATKV_TRY(add_written(store_b, b.version(), written));
    const ReadView view_a = a.view();
    const ReadView view_b = b.view();
    KeySearch search(view_a, view_b, visit, options);
    for (const Database database : databases) {
      FLATKV_TRY(search.run(database, written[database]));
    }
    return {};
  });
}

}  // namespace flatkv
