// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

// Threads do not live on in a child that `fork` makes: not those that hash, not RocksDB's. A child
// that waited for one would wait for ever.
namespace flatkv {

/// To be called before the first thread of ours is started. `unsupported` in a process that is a
/// fork, without exec, of one that had called it before.
Status enter_process();

/// Whether this process is such a fork. What its parent had open it must not touch. Costs a load.
bool is_forked() noexcept;

}  // namespace flatkv
