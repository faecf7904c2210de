#pragma once

#include <memory>
#include <string>

#include "flatkv/store.hpp"
#include "store/core.hpp"
#include "store/environment.hpp"
#include "store/log_lookup.hpp"
#include "store/open.hpp"

namespace flatkv {

struct CommitStore::Impl {
  std::unique_ptr<store::Core> core;
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
