// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "simdisk/disk.hpp"

// Names for the place of a fault: the kind of operation and the kind of path.
namespace flatkv::simdisk {

std::string_view to_string(Operation operation);

/// "log", "table", "manifest" (RocksDB's own files), "SNAPSHOT", "CURRENT", "MANIFEST.json",
/// "CLEAN", "LOCK" or "directory".
std::string_view path_class(std::string_view path);

/// "sync log"
std::string site_of(Operation operation, std::string_view path);

/// The row of docs/recovery.md that a fault belongs to. `phase` is what the store was doing;
/// `error`: the store goes on after a failure, otherwise it crashed there.
std::string_view row_of(std::string_view phase, Operation operation, std::string_view path,
                        bool error);

/// The sites seen, and how often each was hit; printed at the end of the program.
class Sites {
 public:
  static Sites& all();
  void seen(const std::string& site) { counts_.try_emplace(site, 0); }
  void hit(const std::string& site) { ++counts_[site]; }
  unsigned hits(const std::string& site) const;
  /// Sites that were seen and never hit.
  std::set<std::string> missed() const;
  ~Sites();

 private:
  std::map<std::string, unsigned> counts_;
};

}  // namespace flatkv::simdisk
