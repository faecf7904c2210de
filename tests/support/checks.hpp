// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "flatkv/store.hpp"
#include "support/changes.hpp"
#include "support/model.hpp"

namespace flatkv::test {

/// An AssertionResult with the error of a Result or Status.
template <class T>
::testing::AssertionResult ok(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result.error().to_string();
}
::testing::AssertionResult failed(const Error* error, ErrorCode code);
/// Failed with this code.
template <class T>
::testing::AssertionResult fails(const Result<T>& result, ErrorCode code) {
  return failed(result ? nullptr : &result.error(), code);
}

::testing::AssertionResult same_roots(const Roots& found, const Roots& wanted);

/// All rows of a database, forwards; checks the iterator's status.
Result<Rows> all_rows(const ReadView& view, Database database);
Result<Rows> all_rows(const CommitStore& store, Database database);

/// The hash of all rows of a view, summed anew.
Result<PlainLtHash> sum_of_rows(const ReadView& view);

/// The view equals the model's state: version, roots, hashes, stats and every row.
::testing::AssertionResult view_is(const ReadView& view, const State& state);
/// The store's committed state equals the model's, and a full scan agrees.
::testing::AssertionResult store_is(const CommitStore& store, const State& state);

/// Commits one block on both; true if both have the same roots afterwards.
::testing::AssertionResult commit_both(CommitStore& store, Model& model,
                                       const std::vector<Changes>& applies);

inline constexpr std::array<const char*, 5> kNames = {"account", "code", "storage", "legacy",
                                                      "metadata"};

/// Options for tests: small, and independent of the machine.
Options small_options();

}  // namespace flatkv::test

#define ASSERT_OK(expression) ASSERT_TRUE(::flatkv::test::ok(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::flatkv::test::ok(expression))
