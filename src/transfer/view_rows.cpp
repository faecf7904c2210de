// SPDX-License-Identifier: Apache-2.0
#include "transfer/view_rows.hpp"

#include "base/error.hpp"
#include "base/internals.hpp"
#include "read/read_view.hpp"

namespace flatkv::transfer {

Status rows_in_order(const ReadView& view, Database database, const std::stop_token& stop,
                     const scan::TakeRows& take) {
  const DatabaseStats stats = view.stats(database);
  std::uint64_t count = 0;
  scan::InOrderOptions options;
  options.bytes = stats.key_bytes + stats.value_bytes;
  options.stop = stop;
  FLATKV_TRY(scan::scan_in_order(state::cursors_of(Internals::impl(view).state, database), options,
                                 [&](const scan::RowBuffer& rows) -> Status {
                                   count += rows.size();
                                   return take(rows);
                                 }));
  if (count == stats.rows) return {};
  return fail(ErrorCode::corruption, "a full scan finds " + std::to_string(count) +
                                         " rows, the store says " + std::to_string(stats.rows))
      .database(database)
      .version(view.version());
}

}  // namespace flatkv::transfer
