// SPDX-License-Identifier: Apache-2.0
// Blocks and rows as they come from other languages: what decodes has one encoding, and everything
// in it lies within the input.
#include "base/bytes.hpp"
#include "c_interface/packed.hpp"
#include "input.hpp"

namespace {

using namespace flatkv;

bool within(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void try_changes(ByteView input) {
  const auto changes = c_interface::PackedChanges::read(input);
  if (!changes) {
    fuzz::check(changes.error().offset < input.size());
    return;
  }
  for (const NamedChangeSet& set : changes->change_sets()) {
    fuzz::check(within(as_bytes(set.name), input));
    for (const KVPair& pair : set.pairs) {
      fuzz::check(within(pair.key, input) && within(pair.value, input));
    }
  }
  const auto again = c_interface::pack_changes(changes->change_sets());
  fuzz::check(again && equal(*again, input));
}

void try_rows(ByteView input) {
  const auto rows = c_interface::read_rows(Database::storage, input);
  if (!rows) {
    fuzz::check(rows.error().offset < input.size());
    return;
  }
  Bytes again;
  for (const ImportRow& row : *rows) {
    fuzz::check(within(row.key, input) && within(row.value, input));
    c_interface::put_row(again, row.key, row.value);
  }
  fuzz::check(equal(again, input));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try_changes({data, size});
  try_rows({data, size});
  return 0;
}
