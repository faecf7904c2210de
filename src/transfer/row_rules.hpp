#pragma once

#include <array>
#include <optional>

#include "base/error.hpp"
#include "flatkv/transfer.hpp"

namespace flatkv::transfer {

/// What every row of a state must obey, checked in stream order: databases and keys ascending,
/// lengths right for the database, account rows decodable and allowed by the option, legacy keys
/// with no place elsewhere. Counts what it passes. One thread.
class RowRules {
 public:
  explicit RowRules(AccountRows account_rows) : account_rows_(account_rows) {}

  /// `corruption` names database and key.
  Status check(const ImportRow& row);

  const std::array<DatabaseStats, 4>& counted() const noexcept { return counted_; }

 private:
  Status check_form(const ImportRow& row) const;

  AccountRows account_rows_;
  std::optional<Database> database_;
  Bytes last_key_;
  std::array<DatabaseStats, 4> counted_{};
};

}  // namespace flatkv::transfer
