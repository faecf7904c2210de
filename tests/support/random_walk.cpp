// SPDX-License-Identifier: Apache-2.0
#include "support/random_walk.hpp"

#include <iterator>

#include "base/bytes.hpp"

namespace flatkv::test {
namespace {

bool good() { return !::testing::Test::HasFailure(); }

/// The model's rows within a range.
Rows within(const Rows& rows, const RowRange& range) {
  Rows found;
  for (const auto& [key, value] : rows) {
    const bool prefixed = as_chars(key).starts_with(as_chars(range.prefix));
    const bool after = as_chars(key) >= as_chars(range.start);
    const bool before = range.end.empty() || as_chars(key) < as_chars(range.end);
    if (prefixed && after && before) found.emplace(key, value);
  }
  return found;
}

Bytes some_key(Random& random, const Rows& rows) {
  if (rows.empty() || one_in(random, 5)) return Bytes(1 + below(random, 30), 0x40);
  auto at = rows.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(below(random, rows.size())));
  return at->first;
}

void expect_at(const RowIterator& at, const Rows& wanted, Rows::const_iterator place) {
  ASSERT_OK(at.status());
  ASSERT_EQ(at.valid(), place != wanted.end());
  if (!at.valid()) return;
  ASSERT_EQ(to_bytes(at.key()), place->first);
  ASSERT_EQ(to_bytes(at.value()), place->second);
}

void forwards(RowIterator& at, const Rows& wanted) {
  at.seek_to_first();
  for (auto place = wanted.begin(); place != wanted.end(); ++place, at.next()) {
    expect_at(at, wanted, place);
    if (!good()) return;
  }
  expect_at(at, wanted, wanted.end());
}

void backwards(RowIterator& at, const Rows& wanted) {
  at.seek_to_last();
  for (auto place = wanted.rbegin(); place != wanted.rend(); ++place, at.previous()) {
    expect_at(at, wanted, std::prev(place.base()));
    if (!good()) return;
  }
  expect_at(at, wanted, wanted.end());
}

void wander(Random& random, RowIterator& at, const Rows& wanted, const Rows& rows) {
  for (int i = 0; i < 5 && good(); ++i) {
    const Bytes key = some_key(random, rows);
    auto place = wanted.lower_bound(key);
    if (one_in(random, 2)) {
      at.seek(key);
    } else {
      at.seek_for_previous(key);
      place = wanted.upper_bound(key);
      place = place == wanted.begin() ? wanted.end() : std::prev(place);
    }
    for (int move = 0; move < 6 && good(); ++move) {
      expect_at(at, wanted, place);
      if (place == wanted.end()) break;
      if (one_in(random, 2)) {
        at.next();
        ++place;
      } else {
        at.previous();
        place = place == wanted.begin() ? wanted.end() : std::prev(place);
      }
    }
  }
}

}  // namespace

RowRange random_range(Random& random, const Rows& rows) {
  RowRange range;
  if (one_in(random, 3)) range.start = some_key(random, rows);
  if (one_in(random, 3)) range.end = some_key(random, rows);
  if (one_in(random, 4)) {
    range.prefix = some_key(random, rows);
    range.prefix.resize(1 + below(random, range.prefix.size()));
  }
  return range;
}

void walk_rows(Random& random, Result<RowIterator> opened, const RowRange& range,
               const Rows& rows) {
  ASSERT_OK(opened);
  const Rows wanted = within(rows, range);
  forwards(*opened, wanted);
  if (good()) backwards(*opened, wanted);
  if (good()) wander(random, *opened, wanted, rows);
}

}  // namespace flatkv::test
