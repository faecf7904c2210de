// SPDX-License-Identifier: Apache-2.0
// The golden traces through flatkv/flatkv.h: each block as packed bytes, the rows as batches of an
// iterator, and these rows through an importer.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/endian.hpp"
#include "flatkv/flatkv.h"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/trace.hpp"

namespace flatkv::test {
namespace {

struct Case {
  const char* name;
  AccountRows mode;
};

void PrintTo(const Case& the, std::ostream* out) { *out << the.name; }

void put(Bytes& into, ByteView bytes) {
  into.resize(into.size() + 4);
  store_le(into.data() + into.size() - 4, static_cast<std::uint32_t>(bytes.size()));
  into.insert(into.end(), bytes.begin(), bytes.end());
}

/// Change sets as flatkv_apply takes them.
Bytes packed(const Changes& changes) {
  Bytes bytes;
  for (const NamedChangeSet& set : changes.sets()) {
    put(bytes, as_bytes(set.name));
    bytes.resize(bytes.size() + 4);
    store_le(bytes.data() + bytes.size() - 4, static_cast<std::uint32_t>(set.pairs.size()));
    for (const KVPair& pair : set.pairs) {
      bytes.push_back(pair.remove ? 1 : 0);
      put(bytes, pair.key);
      put(bytes, pair.remove ? ByteView{} : pair.value);
    }
  }
  return bytes;
}

::testing::AssertionResult went_well(flatkv_error* error) {
  if (error == nullptr) return ::testing::AssertionSuccess();
  auto result = ::testing::AssertionFailure() << flatkv_error_text(error);
  flatkv_free(error);
  return result;
}

Roots roots_of(const flatkv_roots& given) {
  Roots roots;
  std::ranges::copy(given.root, roots.root.begin());
  std::ranges::copy(given.account, roots.account.begin());
  std::ranges::copy(given.code, roots.code.begin());
  std::ranges::copy(given.storage, roots.storage.begin());
  std::ranges::copy(given.legacy, roots.legacy.begin());
  return roots;
}

class GoldenInC : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(went_well(flatkv_options_new(&options_)));
    set(FLATKV_CREATE_IF_MISSING, 1);
    set(FLATKV_DURABILITY, 1);
    set(FLATKV_ACCOUNT_ROWS, GetParam().mode == AccountRows::prune_empty ? 1 : 0);
    ASSERT_TRUE(went_well(flatkv_open(directory_.path("store").c_str(), options_, &store_)));
  }
  void TearDown() override {
    flatkv_free(store_);
    flatkv_free(options_);
  }

  void set(std::uint32_t option, std::uint64_t value) {
    ASSERT_TRUE(went_well(flatkv_options_set(options_, option, value)));
  }

  void commit(const TraceBlock& block, const Roots& expected) {
    flatkv_roots roots;
    for (std::size_t i = 0; i + 1 < block.applies.size(); ++i) {
      const Bytes bytes = packed(block.applies[i]);
      ASSERT_TRUE(went_well(flatkv_apply(store_, bytes.data(), bytes.size())));
    }
    const Bytes last = block.applies.empty() ? Bytes{} : packed(block.applies.back());
    ASSERT_TRUE(
        went_well(flatkv_apply_commit(store_, last.data(), last.size(), block.version, &roots)));
    ASSERT_TRUE(same_roots(roots_of(roots), expected)) << "version " << block.version;
  }

  /// The rows of a batch, as lines.
  static std::string lines_of(Database database, const flatkv_buffer* batch) {
    std::string lines;
    const std::uint8_t* at = flatkv_buffer_data(batch);
    const std::uint8_t* const end = at + flatkv_buffer_size(batch);
    while (at != end) {
      const ByteView key(at + 8, load_le<std::uint32_t>(at));
      const ByteView value(key.data() + key.size(), load_le<std::uint32_t>(at + 4));
      lines += rows_line(database, key, value);
      at = value.data() + value.size();
    }
    return lines;
  }

  /// All rows, as lines; and into a store of their own, which has the same roots then.
  void move_rows(const Roots& expected, std::string& lines) {
    constexpr flatkv_bytes kNone{.data = nullptr, .size = 0};
    flatkv_importer* importer = nullptr;
    ASSERT_TRUE(
        went_well(flatkv_importer_new(directory_.path("copy").c_str(), options_, &importer)));
    for (const Database database : kDataDatabases) {
      const auto which = static_cast<std::uint32_t>(database);
      flatkv_iterator* rows = nullptr;
      ASSERT_TRUE(went_well(flatkv_iterate(store_, which, kNone, kNone, kNone, &rows)));
      for (bool more = true; more;) {
        flatkv_buffer* batch = nullptr;
        ASSERT_TRUE(went_well(flatkv_iterator_batch(rows, 1000, 1 << 16, &batch)));
        lines += lines_of(database, batch);
        more = flatkv_buffer_size(batch) != 0;
        ASSERT_TRUE(went_well(flatkv_importer_add(importer, which, flatkv_buffer_data(batch),
                                                  flatkv_buffer_size(batch))));
        flatkv_free(batch);
      }
      flatkv_free(rows);
    }
    flatkv_roots roots;
    ASSERT_TRUE(
        went_well(flatkv_importer_finish(importer, flatkv_version(store_), nullptr, &roots)));
    EXPECT_TRUE(same_roots(roots_of(roots), expected));
    flatkv_free(importer);
  }

  TempDir directory_;
  flatkv_options* options_ = nullptr;
  flatkv_store* store_ = nullptr;
};

TEST_P(GoldenInC, EveryVersionsRootsAndTheRows) {
  const std::string stem = std::string(GetParam().name) +
                           (GetParam().mode == AccountRows::prune_empty ? ".prune_empty" : "");
  const std::vector<RootsLine> expected = read_roots(golden(stem + ".roots.jsonl"));
  std::size_t at = 0;
  for_each_block(golden(std::string(GetParam().name) + ".jsonl"), [&](const TraceBlock& block) {
    if (HasFatalFailure()) return;
    ASSERT_LT(at, expected.size());
    commit(block, expected[at++].roots);
  });
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_EQ(at, expected.size());
  std::string lines;
  move_rows(expected.back().roots, lines);
  const std::string rows = golden(stem + ".rows.jsonl");
  if (!std::filesystem::exists(rows)) return;  // the roots alone are kept
  EXPECT_TRUE(lines == read_text(rows)) << "the final rows differ";
}

INSTANTIATE_TEST_SUITE_P(
    Traces, GoldenInC,
    ::testing::Values(Case{"accounts", AccountRows::keep}, Case{"balances", AccountRows::keep},
                      Case{"balances", AccountRows::prune_empty}, Case{"edge", AccountRows::keep},
                      Case{"mainnet", AccountRows::keep}, Case{"mainnet", AccountRows::prune_empty},
                      Case{"metakeys", AccountRows::keep}, Case{"mixed", AccountRows::keep},
                      Case{"wide", AccountRows::keep}),
    [](const auto& the) {
      return std::string(the.param.name) +
             (the.param.mode == AccountRows::prune_empty ? "_prune_empty" : "");
    });

}  // namespace
}  // namespace flatkv::test
