// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails in a function of flatkv/flatkv.h, for every N (N3): it returns an error
// and lets nothing through, also where the memory for the error is what is missing.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "failing_allocations.hpp"
#include "flatkv/flatkv.h"
#include "support/checks.hpp"
#include "support/fault_counts.hpp"
#include "support/files.hpp"

namespace flatkv::test {
namespace {

constexpr flatkv_bytes kNone{.data = nullptr, .size = 0};
constexpr std::array<std::uint8_t, 21> kNonceKey{0x0a, 1, 2, 3};

/// One change set that sets a nonce, as flatkv_apply takes it.
Bytes packed_block() {
  Bytes block{3, 0, 0, 0, 'e', 'v', 'm', 1, 0, 0, 0, 0, 21, 0, 0, 0};
  block.insert(block.end(), kNonceKey.begin(), kNonceKey.end());
  block.insert(block.end(), {8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7});
  return block;
}

struct Call {
  std::string name;
  std::function<flatkv_error*()> run;
  std::uint32_t otherwise = FLATKV_OK;  ///< what it returns where there is memory
  bool hint = false;                    ///< it may do nothing and go on
};

/// Makes the call with every allocation failing once. Returns how often there was no memory.
unsigned fail_each(const Call& call) {
  unsigned refused = 0;
  for (std::uint64_t nth = 1;; ++nth) {
    fail_allocation(Whose::callers, nth);
    flatkv_error* error = call.run();
    const bool failed = allocation_failed();
    const std::uint32_t code = flatkv_error_code(error);
    flatkv_free(error);
    if (!failed) {
      EXPECT_EQ(code, call.otherwise) << call.name;
      return refused;
    }
    if (call.hint && code == FLATKV_OK) continue;
    EXPECT_EQ(code, static_cast<std::uint32_t>(FLATKV_OUT_OF_MEMORY)) << call.name << " " << nth;
    count_fault("N3", Came::failed);
    ++refused;
  }
}

class AllocationInC : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(flatkv_create(path_.c_str(), nullptr), nullptr);
    ASSERT_EQ(flatkv_open(path_.c_str(), nullptr, &store_), nullptr);
    ASSERT_EQ(flatkv_apply_commit(store_, block_.data(), block_.size(), 1, nullptr), nullptr);
    ASSERT_EQ(flatkv_view_new(store_, &view_), nullptr);
    ASSERT_EQ(flatkv_options_new(&options_), nullptr);
  }
  void TearDown() override {
    for (void* handle :
         {static_cast<void*>(view_), static_cast<void*>(store_), static_cast<void*>(options_)}) {
      flatkv_free(handle);
    }
  }

  /// A call that hands out something; it is freed.
  template <class Opaque>
  static std::function<flatkv_error*()> making(std::function<flatkv_error*(Opaque**)> make) {
    return [make = std::move(make)] {
      Opaque* made = nullptr;
      flatkv_error* error = make(&made);
      EXPECT_TRUE(error == nullptr || made == nullptr);
      flatkv_free(made);
      return error;
    };
  }

  TempDir directory_;
  std::string path_ = directory_.path("store");
  Bytes block_ = packed_block();
  flatkv_store* store_ = nullptr;
  flatkv_view* view_ = nullptr;
  flatkv_options* options_ = nullptr;
};

TEST_F(AllocationInC, N3_ReadsAndHandles) {
  const flatkv_bytes key{.data = kNonceKey.data(), .size = kNonceKey.size()};
  std::array<std::uint8_t, 8> value{};
  std::int64_t size = 0;
  const std::vector<Call> calls = {
      {"options", making<flatkv_options>([](auto** out) { return flatkv_options_new(out); })},
      {"module", [&] { return flatkv_options_strict_module(options_, "a name of some length"); }},
      {"stop", making<flatkv_stop>([](auto** out) { return flatkv_stop_new(out); })},
      {"view", making<flatkv_view>([&](auto** out) { return flatkv_view_new(store_, out); })},
      {"get",
       [&] { return flatkv_get(view_, key.data, key.size, value.data(), value.size(), &size); }},
      {"get_many",
       making<flatkv_buffer>([&](auto** out) { return flatkv_get_many(view_, &key, 1, out); })},
      {.name = "prefetch", .run = [&] { return flatkv_prefetch(store_, &key, 1); }, .hint = true},
      {"iterate", making<flatkv_iterator>([&](auto** out) {
         return flatkv_iterate(view_, FLATKV_ACCOUNT, kNone, kNone, kNone, out);
       })},
      {"changes",
       making<flatkv_changes>([&](auto** out) { return flatkv_changes_new(store_, 1, 1, out); })},
  };
  for (const Call& call : calls) {
    EXPECT_GT(fail_each(call), 0U) << call.name;
  }
}

TEST_F(AllocationInC, N3_TheErrorItself) {
  const std::vector<Call> calls = {
      {"a wrong handle", [&] { return flatkv_close(static_cast<flatkv_store*>(nullptr)); },
       FLATKV_INVALID_ARGUMENT},
      {"malformed", [&] { return flatkv_apply(store_, block_.data(), block_.size() - 1); },
       FLATKV_INVALID_ARGUMENT},
  };
  for (const Call& call : calls) {
    EXPECT_GT(fail_each(call), 0U) << call.name;
  }
  // The store knows nothing of it.
  flatkv_error* error = flatkv_apply_commit(store_, block_.data(), block_.size(), 2, nullptr);
  EXPECT_EQ(flatkv_error_code(error), static_cast<std::uint32_t>(FLATKV_OK));
  flatkv_free(error);
}

TEST_F(AllocationInC, N3_ABlockAside) {
  const Call call{"overlay", making<flatkv_overlay>([&](auto** out) -> flatkv_error* {
                    flatkv_overlay* overlay = nullptr;
                    flatkv_error* error = flatkv_overlay_new(store_, &overlay);
                    if (error == nullptr) {
                      error = flatkv_apply(overlay, block_.data(), block_.size());
                    }
                    flatkv_roots roots;
                    if (error == nullptr) error = flatkv_working_roots(overlay, &roots);
                    if (error == nullptr) {
                      *out = overlay;
                    } else {
                      flatkv_free(overlay);
                    }
                    return error;
                  })};
  EXPECT_GT(fail_each(call), 0U);
}

}  // namespace
}  // namespace flatkv::test
