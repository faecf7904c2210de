// SPDX-License-Identifier: Apache-2.0
#include "transfer/row_rules.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "codec/account.hpp"
#include "codec/keys.hpp"

namespace flatkv::transfer {
namespace {

Failure bad_row(const ImportRow& row, std::string message) {
  return fail(ErrorCode::corruption,
              "row " + to_hex(row.key.first(std::min<std::size_t>(row.key.size(), 64))) + ": " +
                  std::move(message))
      .database(row.database);
}

}  // namespace

Status RowRules::check(const ImportRow& row) {
  if (database_ && row.database < *database_) return bad_row(row, "its database is out of order");
  if (database_ == row.database && compare_bytes(row.key, last_key_) <= 0) {
    return bad_row(
        row, equal(row.key, last_key_) ? "its key is a duplicate" : "its key is out of order");
  }
  FLATKV_TRY(check_form(row));
  database_ = row.database;
  last_key_.assign(row.key.begin(), row.key.end());
  DatabaseStats& counted = counted_[row.database];
  ++counted.rows;
  counted.key_bytes += row.key.size();
  counted.value_bytes += row.value.size();
  return {};
}

Status RowRules::check_form(const ImportRow& row) const {
  if (row.value.size() > codec::kMaxValueBytes) return bad_row(row, "its value is above 64 MiB");
  switch (row.database) {
    case Database::account: {
      if (row.key.size() != sizeof(Address)) return bad_row(row, "not an address");
      const auto account = codec::decode_account(row.value);
      if (!account) return bad_row(row, account.error().message);
      if (account_rows_ == AccountRows::prune_empty && codec::is_empty(*account)) {
        return bad_row(row, "an empty account, which prune_empty does not keep");
      }
      return {};
    }
    case Database::code:
      if (row.key.size() != sizeof(Address)) return bad_row(row, "not an address");
      return {};
    case Database::storage:
      if (row.key.size() != sizeof(Address) + sizeof(Slot)) return bad_row(row, "not a slot");
      return {};
    case Database::legacy: {
      const auto route = codec::route(row.key);
      if (!route) return bad_row(row, route.error().message);
      if (route->database != Database::legacy) {
        return bad_row(
            row, "its key belongs to the database " + std::string(to_string(route->database)));
      }
      return {};
    }
    case Database::metadata:
      break;
  }
  return bad_row(row, "the metadata database has no rows");
}

}  // namespace flatkv::transfer
