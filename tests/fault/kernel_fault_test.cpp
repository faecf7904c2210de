// SPDX-License-Identifier: Apache-2.0
// Hashing kernels: one with a wrong lane is detected (H1), one that the CPU lacks is refused (H2),
// and all supported ones give the same roots (H3).
#include <gtest/gtest.h>

#include <cstdlib>

#include "blake3/kernel.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

/// Arguments: store. Commits eight blocks; reports the error, or the last version.
int commit_eight(const std::vector<std::string>& arguments, const Reporter& reporter) {
  Options options = small_options();
  options.create_if_missing = true;
  auto store = CommitStore::open(arguments.at(0), options);
  if (!store) {
    reporter.say('e', static_cast<std::int64_t>(store.error().code));
    return 1;
  }
  for (std::int64_t version = 1; version <= 8; ++version) {
    for (const Changes& changes : script_block(7, version)) {
      if (!store->apply(changes)) return 2;
    }
    if (!store->commit(version)) return 3;
    reporter.say('a', version);
  }
  return store->close() ? 0 : 4;
}
const RegisterChild kCommitEight("commit eight", commit_eight);

class Kernels : public StoreFixture {};

TEST_F(Kernels, H2_KernelThatTheCpuLacksIsRefused) {
  unsigned refused = 0;
  for (std::size_t i = 0; i < blake3::kKernels; ++i) {
    const auto kernel = static_cast<blake3::Kernel>(i);
    if (blake3::supported(kernel)) continue;
    Child child = Child::start("commit eight", {path()},
                               {{"FLATKV_KERNEL", std::string(blake3::to_string(kernel))}});
    EXPECT_NE(child.wait(), 0);
    EXPECT_EQ(child.last('e'), static_cast<std::int64_t>(ErrorCode::unsupported));
    EXPECT_FALSE(stdfs::exists(path()));
    ++refused;
  }
  ASSERT_GT(refused, 0U);
  if (!HasFailure()) count_fault("H2", Came::refused, refused);
}

TEST_F(Kernels, H3_EveryKernelGivesTheSameRoots) {
  for (std::int64_t version = 1; version <= 8; ++version) {
    for (const Changes& changes : script_block(7, version)) model_.apply(changes);
    model_.commit();
  }
  unsigned ran = 0;
  for (std::size_t i = 0; i < blake3::kKernels; ++i) {
    const auto kernel = static_cast<blake3::Kernel>(i);
    if (!blake3::supported(kernel)) continue;
    SCOPED_TRACE(blake3::to_string(kernel));
    Child child = Child::start("commit eight", {path()},
                               {{"FLATKV_KERNEL", std::string(blake3::to_string(kernel))}});
    ASSERT_EQ(child.wait(), 0);
    open();  // with this process's kernel
    check();
    close();
    remove_tree(path());
    ++ran;
  }
  if (!HasFailure()) count_fault("H3", Came::recovered, ran);
}

#ifdef FLATKV_FAILPOINTS

/// The kernel in use, except for one limb of every sum.
blake3::Backend wrong;
void add_wrong_terms(const blake3::Term* terms, std::size_t count, std::uint32_t* plus,
                     std::uint32_t* minus) {
  blake3::backend(wrong.kernel).add_terms(terms, count, plus, minus);
  plus[17] += 4;  // so that two errors do not cancel
}

TEST_F(Kernels, H1_WrongLaneIsNoticedByVerifyAndByReplay) {
  open();
  blocks(4);
  wrong = blake3::backend();
  wrong.add_terms = add_wrong_terms;
  blake3::use_for_test(&wrong);
  ASSERT_OK(store_->apply(Changes().nonce(address(77), 5)));
  const auto committed = store_->commit(5);
  blake3::use_for_test(nullptr);
  ASSERT_OK(committed);
  const auto verdict = store_->verify();
  ASSERT_OK(verdict);
  EXPECT_FALSE(verdict->good()) << "a wrong hash passed verify";
  if (!HasFailure()) count_fault("H1", Came::refused);
  image("killed");
  close();
  restore("killed");
  EXPECT_TRUE(fails(try_open(), ErrorCode::corruption)) << "replay with a right kernel";
  if (!HasFailure()) count_fault("H1", Came::refused);
}

#endif

}  // namespace
}  // namespace flatkv::test
