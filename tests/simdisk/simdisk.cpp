// SPDX-License-Identifier: Apache-2.0
#include "simdisk/simdisk.hpp"

#include "simdisk/fronts.hpp"

namespace flatkv::simdisk {

struct SimDisk::Machine {
  Machine(Disk& disk, Epoch its_epoch)
      : epoch(its_epoch),
        files(make_file_system(disk, its_epoch)),
        env(rocksdb::NewCompositeEnv(make_rocksdb_file_system(disk, its_epoch))) {}
  Epoch epoch;
  std::unique_ptr<fs::FileSystem> files;
  std::unique_ptr<rocksdb::Env> env;
};

SimDisk::SimDisk() = default;
SimDisk::SimDisk(const Disk& disk) : disk_(disk) {}
SimDisk::~SimDisk() = default;

std::unique_ptr<SimDisk> SimDisk::clone() const {
  return std::unique_ptr<SimDisk>(new SimDisk(disk_));
}

SimDisk::Machine& SimDisk::machine() {
  const std::lock_guard guard(mutex_);
  const Epoch epoch = disk_.epoch();
  if (machines_.empty() || machines_.back()->epoch != epoch) {
    machines_.push_back(std::make_unique<Machine>(disk_, epoch));
  }
  return *machines_.back();
}

fs::FileSystem& SimDisk::files() { return *machine().files; }
rocksdb::Env* SimDisk::env() { return machine().env.get(); }

void SimDisk::lie_about_syncs(bool also_directories) {
  Fault fault;
  fault.operation = Operation::sync;
  fault.error = 0;
  fault.times = 0;
  disk_.inject(fault);
  if (!also_directories) return;
  fault.operation = Operation::sync_directory;
  disk_.inject(fault);
}

}  // namespace flatkv::simdisk
