// SPDX-License-Identifier: Apache-2.0
#include "rocks/open_tables.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace flatkv::rocks {
namespace {

/// Of the log, of manifests, directories and compactions, and of whatever else the process does.
constexpr std::uint64_t kOthers = 256;
/// RocksDB takes no less for a database.
constexpr std::uint64_t kFewest = 20;
constexpr std::uint64_t kMost = std::numeric_limits<int>::max();

/// Tables of all copies that stay open.
std::atomic<std::uint64_t> g_taken{0};

struct Copies {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<OpenTables>> by_path;
};
/// For ever: databases of static life are closed late.
Copies& copies() {
  static auto& all = *new Copies;
  return all;
}

std::uint64_t descriptors() {
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return std::min<std::uint64_t>(limit.rlim_cur, kMost);
}

/// What tables may take of them.
std::uint64_t budget() {
  const std::uint64_t all = descriptors();
  return all > 2 * kOthers ? all - kOthers : all / 2;
}

}  // namespace

std::shared_ptr<OpenTables> OpenTables::of(const std::string& copy,
                                           const std::function<std::uint64_t(Database)>& count) {
  Copies& all = copies();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.by_path, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<OpenTables>& known = all.by_path[copy];
  auto tables = known.lock();
  if (tables) return tables;
  Counts counts;
  for (const Database which : kAllDatabases) counts[which] = count(which);
  tables = std::make_shared<OpenTables>(counts);
  known = tables;
  return tables;
}

std::shared_ptr<OpenTables> OpenTables::find(const std::string& copy) {
  Copies& all = copies();
  const std::lock_guard lock(all.mutex);
  const auto known = all.by_path.find(copy);
  return known == all.by_path.end() ? nullptr : known->second.lock();
}

OpenTables::OpenTables(const Counts& tables) : tables_(tables) {
  const std::lock_guard lock(mutex_);
  settle();
}

OpenTables::~OpenTables() { g_taken.fetch_sub(taken_); }

std::uint64_t OpenTables::sum() const noexcept {
  return std::accumulate(tables_.begin(), tables_.end(), std::uint64_t{0});
}

void OpenTables::log_to(Logger logger) {
  const std::lock_guard lock(mutex_);
  logger_ = std::move(logger);
  said_ = false;
  if (bounded_) warn();
}

void OpenTables::warn() {
  if (std::exchange(said_, true)) return;
  const std::uint64_t all = sum();
  const std::uint64_t others = g_taken.load() - taken_;
  logger_.warning("the store has " + std::to_string(all) + " tables, and RLIMIT_NOFILE is " +
                  std::to_string(descriptors()) + ": at most " + std::to_string(room_) +
                  " stay open and others are opened as they are read, which is slower; with " +
                  std::to_string(2 * (others + all) + kOthers) + " all would stay open");
}

void OpenTables::settle() {
  const std::uint64_t all = sum();
  const std::uint64_t most = budget();
  const std::uint64_t others = g_taken.load() - taken_;
  bounded_ = bounded_ || others + all > most / 2;
  room_ = others < most ? most - others : 0;
  const std::uint64_t takes = bounded_ ? room_ : all;
  g_taken.fetch_add(takes - taken_);
  taken_ = takes;
  if (bounded_) warn();
}

int OpenTables::most(Database which) const {
  const std::lock_guard lock(mutex_);
  if (!bounded_) return -1;
  const std::uint64_t all = std::max<std::uint64_t>(sum(), 1);
  const double part = static_cast<double>(tables_[which]) / static_cast<double>(all);
  const auto share = static_cast<std::uint64_t>(static_cast<double>(room_) * part);
  return static_cast<int>(std::clamp(share, kFewest, kMost));
}

void OpenTables::set(Database which, std::uint64_t tables) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& own = tables_[which];
  if (own == tables) return;
  own = tables;
  settle();
}

}  // namespace flatkv::rocks
