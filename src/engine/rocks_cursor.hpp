#pragma once

// Inside this room only.

#include <rocksdb/db.h>

#include "engine/db.hpp"

namespace flatkv::engine {

/// A cursor over the rows of `rocks` as `read` says; keeps `snapshot` until it goes.
std::unique_ptr<Cursor> rocks_cursor(std::shared_ptr<const Snapshot> snapshot, rocksdb::DB& rocks,
                                     const rocksdb::ReadOptions& read, const Bounds& bounds);

}  // namespace flatkv::engine
