// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/checks.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {

/// Limits to some of these rows, or to none.
RowRange random_range(Random& random, const Rows& rows);

/// Moves an iterator over `range` in all ways; it must show what the model has there.
void walk_rows(Random& random, Result<RowIterator> opened, const RowRange& range, const Rows& rows);

/// The same over a random range of a random database.
template <class Source>
void random_walk(Random& random, const Source& source, const State& state) {
  const Database database = kDataDatabases[below(random, kDataDatabases.size())];
  const Rows& rows = state.rows[database];
  const RowRange range = random_range(random, rows);
  walk_rows(random, source.iterate(database, range), range, rows);
}

}  // namespace flatkv::test
