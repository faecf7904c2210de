// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/log.hpp"
#include "flatkv/error.hpp"

namespace flatkv::rocks {

/// How many tables the databases of one copy of a store may keep open, so that all copies that the
/// process has open stay within its limit of descriptors (RLIMIT_NOFILE). As long as the tables of
/// all of them are half of what the limit leaves room for, every table stays open: no read looks
/// for one. From then on each database has a share by its tables, and opens others as they are
/// read. Any thread.
class OpenTables {
 public:
  using Counts = PerDatabase<std::uint64_t>;

  /// What the databases in the directory `copy` share. `count` gives a database's tables, where
  /// nobody has one of them open yet.
  static std::shared_ptr<OpenTables> of(const std::string& copy,
                                        const std::function<std::uint64_t(Database)>& count);
  /// The same where one of them is open; null otherwise.
  static std::shared_ptr<OpenTables> find(const std::string& copy);

  explicit OpenTables(const Counts& tables);
  ~OpenTables();
  OpenTables(const OpenTables&) = delete;
  OpenTables& operator=(const OpenTables&) = delete;

  /// Says, now or when it comes to that, that not all can stay open, and what they would need.
  void log_to(Logger logger);

  /// RocksDB's max_open_files for a database: -1 is all.
  int most(Database which) const;
  /// The database has so many tables now.
  void set(Database which, std::uint64_t tables);

 private:
  std::uint64_t sum() const noexcept;
  /// Decides anew and tells the process what the copy takes.
  void settle();
  void warn();

  mutable std::mutex mutex_;  // of all below
  Counts tables_;
  bool bounded_ = false;
  bool said_ = false;
  std::uint64_t room_ = 0;   ///< for the tables of this copy, where that is bounded
  std::uint64_t taken_ = 0;  ///< as the process was told
  Logger logger_;
};

}  // namespace flatkv::rocks
