// SPDX-License-Identifier: Apache-2.0
#include "simdisk/sites.hpp"

#include <array>
#include <iostream>

namespace flatkv::simdisk {

std::string_view to_string(Operation operation) {
  static constexpr std::array<std::string_view, kOperations> kNames = {
      "create", "append",         "truncate", "sync", "mkdir", "rmdir", "rename", "link",
      "unlink", "sync-directory", "open",     "read", "list",  "stat",  "lock"};
  return kNames.at(static_cast<std::size_t>(operation));
}

std::string_view path_class(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.ends_with("-tmp")) name.remove_suffix(4);
  if (path.contains("/changelog/")) return "log";
  if (name.ends_with(".sst")) return "table";
  for (const std::string_view known : {"SNAPSHOT", "MANIFEST.json", "CLEAN", "LOCK", "UNDO"}) {
    if (name == known) return known;
  }
  const bool database = path.contains("/working/") || path.contains("/snapshot-");
  if (name == "CURRENT" && !database) return "CURRENT";
  for (const std::string_view own : {"MANIFEST-", "CURRENT", "OPTIONS-", "IDENTITY"}) {
    if (database && name.starts_with(own)) return "manifest";
  }
  if (database && (name.ends_with(".log") || name.ends_with(".dbtmp"))) return "manifest";
  return "directory";
}

std::string site_of(Operation operation, std::string_view path) {
  return std::string(to_string(operation)) + " " + std::string(path_class(path));
}

std::string_view row_of(std::string_view phase, Operation operation, std::string_view path,
                        bool error) {
  const std::string_view kind = path_class(path);
  if (phase == "import") return "I1";
  if (phase == "rollback") return kind == "CURRENT" ? "S12" : "B1";
  if (phase == "undo") return error ? "F2" : "F1";
  if (phase == "create") return kind == "CURRENT" ? "S12" : "S11";
  // An error there may also come from the store's background work and fail the store: not R1.
  if (phase == "open") return kind == "log" ? "W12" : error ? "C9" : "R1";
  // A snapshot begins with a flush.
  const bool flushed = path.contains("/working/") || path.contains("/flush/");
  if (phase == "snapshot" && !flushed) {
    if (operation == Operation::unlink || path.contains("-old-tmp")) {
      return kind == "log" ? "S16" : "S15";
    }
    if (error) return "S2";
    if (operation == Operation::sync_directory && path.ends_with("gen-00000001")) return "S4";
    return kind == "log" ? "S16" : "S1";
  }
  if (phase == "commit" && operation == Operation::append) return error ? "C3" : "C1";
  if (phase == "commit" && operation == Operation::sync) return error ? "C4" : "C7";
  if (error) return "C9";
  // From its first record in the MANIFEST on, the metadata database is like any other.
  return kind == "table" && path.contains("/metadata") ? "C12" : "C8";
}

Sites& Sites::all() {
  static Sites sites;
  return sites;
}

unsigned Sites::hits(const std::string& site) const {
  const auto found = counts_.find(site);
  return found == counts_.end() ? 0 : found->second;
}

std::set<std::string> Sites::missed() const {
  std::set<std::string> names;
  for (const auto& [site, hits] : counts_) {
    if (hits == 0) names.insert(site);
  }
  return names;
}

Sites::~Sites() {
  std::cout << "faults by site:\n";
  for (const auto& [site, hits] : counts_) std::cout << "  " << site << ": " << hits << "\n";
}

}  // namespace flatkv::simdisk
