#pragma once
#include <atomic>
#include <functional>
#include <memory>

#include "codec/local_meta.hpp"
#include "engine/db.hpp"
#include "flatkv/lthash.hpp"
#include "lthash/batch.hpp"
namespace flatkv::scan {
struct ScanResult {
  LtHash hash;
  codec::Stats stats;
};
struct ScanOptions {
  unsigned threads = 0;
  std::uint64_t rows_per_second = 0;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(std::uint64_t)> progress;
};
using CursorFactory = std::function<std::unique_ptr<engine::Cursor>(const engine::Bounds&)>;
inline Result<ScanResult> scan_rows(const CursorFactory& f, const ScanOptions&) {
  ScanResult r;
  auto c = f({});
  for (c->seek_to_first(); c->valid(); c->next()) {
    lthash::RowChange x{c->key(), {}, c->value()};
    lthash::accumulate({&x, 1}, r.hash);
    r.stats.rows++;
    r.stats.key_bytes += c->key().size();
    r.stats.value_bytes += c->value().size();
  }
  FLATKV_TRY(c->status());
  return r;
}
inline Result<ScanResult> scan_snapshot(const std::shared_ptr<const engine::Snapshot>& s,
                                        const ScanOptions& o) {
  return scan_rows([&](const engine::Bounds& b) { return s->cursor(b); }, o);
}
}  // namespace flatkv::scan
