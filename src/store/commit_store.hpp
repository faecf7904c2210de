#pragma once

#include <memory>
#include <shared_mutex>
#include <string>

#include "flatkv/store.hpp"
#include "store/core.hpp"
#include "store/environment.hpp"
#include "store/host.hpp"
#include "store/log_lookup.hpp"
#include "store/open.hpp"

namespace flatkv {

struct CommitStore::Impl {
  ~Impl() { store::leave_to_parent(core); }

  std::unique_ptr<store::Core> core;
  /// Shared by `view`, which may be called from any thread; alone while `core` is exchanged.
  std::shared_mutex exchange;
  OpenReport report;
  std::unique_ptr<store::LogLookup> log_lookup;

  /// Goes on with another core; the old one's views live on.
  void replace(store::Opened opened);
};

namespace store {

/// CommitStore::open and create on a given environment.
Result<CommitStore> open_commit_store(const Environment& environment, const std::string& path,
                                      const Options& options);

}  // namespace store
}  // namespace flatkv
