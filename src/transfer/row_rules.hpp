// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>

#include "base/error.hpp"
#include "flatkv/tools/transfer.hpp"

namespace flatkv::transfer {

/// The rules for every row of a state, checked in stream order: databases and keys ascend, lengths
/// fit the database, account rows decode and are allowed by the option, and legacy keys belong
/// nowhere else. Counts the rows that pass. One thread.
class RowRules {
 public:
  explicit RowRules(AccountRows account_rows) : account_rows_(account_rows) {}

  /// `corruption`, naming database and key.
  Status check(const ImportRow& row);

  const PerDataDatabase<DatabaseStats>& counted() const noexcept { return counted_; }

 private:
  Status check_form(const ImportRow& row) const;

  AccountRows account_rows_;
  std::optional<Database> database_;
  Bytes last_key_;
  PerDataDatabase<DatabaseStats> counted_;
};

}  // namespace flatkv::transfer
