// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room.

#include <rocksdb/db.h>

#include "rocks/db.hpp"

namespace flatkv::rocks {

/// A cursor over the rows of `rocks`, reading as `read` says; keeps the pinned database alive.
std::unique_ptr<Cursor> rocks_cursor(std::shared_ptr<const PinnedDatabase> snapshot,
                                     rocksdb::DB& rocks, const rocksdb::ReadOptions& read,
                                     const Bounds& bounds);

}  // namespace flatkv::rocks
