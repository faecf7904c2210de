// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fs/file_system.hpp"

namespace rocksdb {
class Env;
}

namespace flatkv::state {

/// What the store stands on; tests put a simulated disk here. Borrowed for the life of the store.
struct Environment {
  fs::FileSystem* files = &fs::posix();
  rocksdb::Env* rocks = nullptr;  ///< nullptr: RocksDB's default
};

}  // namespace flatkv::state
