// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fs/file_system.hpp"

namespace rocksdb {
class Env;
}

namespace flatkv::state {

/// The file system and RocksDB environment of a store; tests put a simulated disk here. Both are
/// borrowed and must outlive the store.
struct Environment {
  fs::FileSystem* files = &fs::posix();
  rocksdb::Env* rocks = nullptr;  ///< nullptr: RocksDB's default
};

}  // namespace flatkv::state
