#include "store/old_values.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "store/pending.hpp"

namespace flatkv::store {
namespace {

// Rows between the prefetch of a key's index slot and the look at it: far enough for a cache miss.
constexpr std::size_t kPrefetchDistance = 16;

std::uint64_t order_prefix(ByteView key) noexcept {
  std::array<std::uint8_t, 8> first{};
  std::copy_n(key.begin(), std::min(key.size(), first.size()), first.begin());
  return load_be<std::uint64_t>(first.data());
}

engine::Lookup find_in_buffers(const DbState& db, const PendingRow& row, std::int64_t version) {
  engine::Lookup found = db.active->find(row.key, row.hash, version);
  for (const auto& frozen : db.frozen) {
    if (found.presence != engine::Presence::unknown) break;
    found = frozen->find(row.key, row.hash, version);
  }
  return found;
}

}  // namespace

Status OldValues::read(const State& state, Database database, std::span<PendingRow> rows,
                       engine::Arena& arena) {
  const DbState& db = state.of(database);
  missing_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kPrefetchDistance < rows.size()) {
      const std::uint64_t ahead = rows[i + kPrefetchDistance].hash;
      db.active->prefetch(ahead);
      for (const auto& frozen : db.frozen) frozen->prefetch(ahead);
    }
    PendingRow& row = rows[i];
    const engine::Lookup found = find_in_buffers(db, row, state.version);
    if (found.presence == engine::Presence::unknown) {
      missing_.push_back({order_prefix(row.key), static_cast<std::uint32_t>(i)});
      continue;
    }
    row.had_old = found.presence == engine::Presence::present;
    row.old_value = row.had_old ? found.value : ByteView{};
  }
  if (missing_.empty()) return {};

  std::ranges::sort(missing_, [&](const Missing& a, const Missing& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    return compare(rows[a.row].key, rows[b.row].key) < 0;
  });
  keys_.clear();
  for (const Missing& missing : missing_) keys_.push_back(rows[missing.row].key);
  values_.assign(keys_.size(), std::nullopt);
  FLATKV_TRY(db.snapshot->multi_get(keys_, arena, values_));
  for (std::size_t i = 0; i < missing_.size(); ++i) {
    PendingRow& row = rows[missing_[i].row];
    row.had_old = values_[i].has_value();
    row.old_value = values_[i].value_or(ByteView{});
  }
  return {};
}

}  // namespace flatkv::store
