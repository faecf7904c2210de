// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"

namespace rocksdb {
class Cache;
class Env;
}  // namespace rocksdb

namespace flatkv::rocks {

/// How a RocksDB instance is opened; rocks_options.cpp chooses RocksDB's options.
struct DbOptions {
  std::string path;
  std::string
      named;  ///< how errors call it instead of `path`: for a clone, the name of its original
  Database which = Database::account;
  rocksdb::Env* env = nullptr;                  ///< nullptr: the default one; not owned
  std::shared_ptr<rocksdb::Cache> block_cache;  ///< nullptr: a small one of its own
  /// Called from RocksDB's threads on the first background error; must be cheap and never block.
  std::function<void(const Error&)> on_background_error;
  bool background_compaction = true;

  const std::string& name() const noexcept { return named.empty() ? path : named; }
};

/// A block cache of that many bytes, to be shared by databases.
std::shared_ptr<rocksdb::Cache> make_block_cache(std::size_t bytes);

}  // namespace flatkv::rocks
