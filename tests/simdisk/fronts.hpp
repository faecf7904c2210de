// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

#include "fs/file_system.hpp"
#include "simdisk/disk.hpp"

namespace flatkv::simdisk {

/// The disk as our own file layer sees it, for one life of the machine.
std::unique_ptr<fs::FileSystem> make_file_system(Disk& disk, Epoch epoch);

/// The disk as RocksDB sees it.
std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(Disk& disk, Epoch epoch);

}  // namespace flatkv::simdisk
