// SPDX-License-Identifier: Apache-2.0
// The Nth allocation fails, for every N, in those functions of flatkv/flatkv.h that only read (N3):
// they return an error and let nothing through, also where the memory for the error is what is
// missing. What one was to give is given by the next call.
#include "allocation_c.hpp"

namespace flatkv::test {
namespace {

TEST_F(AllocationInC, N3_Options) {
  const auto run = [](void*, void (*)(void*), void*) -> std::int32_t { return 1; };
  const auto log = [](void*, std::uint32_t, const char*, std::size_t) {};
  flatkv_stop* stop = nullptr;
  good(flatkv_stop_new(&stop));
  const std::string long_name(100, 'x');
  fail_all({
      {"options", making<flatkv_options>(&flatkv_options_new)},
      {"a refused number",
       [this](const Armed& armed) {
         flatkv_error* error = armed([&] { return flatkv_options_set(options_, 1000, 1); });
         const std::uint32_t code = flatkv_error_code(error);
         if (code != FLATKV_INVALID_ARGUMENT) return error;
         flatkv_free(error);
         return static_cast<flatkv_error*>(nullptr);
       }},
      {"scratch", alone([&] { return flatkv_options_scratch(options_, long_name.c_str()); })},
      {"module", alone([&] { return flatkv_options_strict_module(options_, long_name.c_str()); })},
      {"executor", alone([&] { return flatkv_options_executor(options_, 2, run, nullptr); })},
      {"stop", making<flatkv_stop>(&flatkv_stop_new)},
  });
  // What fits into the options needs no memory.
  for (const auto& [name, call] : std::vector<std::pair<std::string, Call>>{
           {"number", [&] { return flatkv_options_set(options_, FLATKV_THREADS, 1); }},
           {"log", [&] { return flatkv_options_log(options_, log, nullptr); }},
           {"on_durable", [&] { return flatkv_options_on_durable(options_, nullptr, nullptr); }},
           {"progress", [&] { return flatkv_options_progress(options_, nullptr, nullptr); }},
           {"stop of options", [&] { return flatkv_options_stop(options_, stop); }}}) {
    fail_each(name, alone(call));
  }
  flatkv_free(stop);
}

TEST_F(AllocationInC, N3_ReadsOfAnyState) {
  const flatkv_bytes key{.data = nonce().data(), .size = nonce().size()};
  std::array<std::uint8_t, 400> value{};
  std::int64_t size = 0;
  flatkv_account_fields fields{};
  std::uint32_t exists = 0;
  std::array<std::uint8_t, FLATKV_HASH_BYTES> hash{};
  const std::vector<std::pair<std::string, void*>> states = {
      {"store", store_}, {"view", view_}, {"overlay", overlay_}, {"reader", reader_}};
  for (const auto& [name, state] : states) {
    fail_all({
        {name + ": get", alone([&, state] {
           return flatkv_get(state, key.data, key.size, value.data(), value.size(), &size);
         })},
        {name + ": row", alone([&, state] {
           return flatkv_row(state, FLATKV_ACCOUNT, kOwner.data(), kOwner.size(), value.data(),
                             value.size(), &size);
         })},
        {name + ": storage", alone([&, state] {
           return flatkv_storage(state, kOwner.data(), kSlot.data(), value.data(), value.size(),
                                 &size);
         })},
        {name + ": code", alone([&, state] {
           return flatkv_code(state, kOwner.data(), value.data(), value.size(), &size);
         })},
        {name + ": get_many", making<flatkv_buffer>([&, state](auto** out) {
           return flatkv_get_many(state, &key, 1, out);
         })},
        {name + ": iterate", making<flatkv_iterator>([&, state](auto** out) {
           return flatkv_iterate(state, FLATKV_STORAGE, kNone, kNone, kNone, out);
         })},
    });
    fail_each(name + ": account",
              alone([&, state] { return flatkv_account(state, kOwner.data(), &fields, &exists); }));
  }
  EXPECT_EQ(exists, 1U);
  fail_each("hash of a store",
            alone([&] { return flatkv_hash(store_, FLATKV_CODE, hash.data()); }));
  fail_each("hash of a view", alone([&] { return flatkv_hash(view_, FLATKV_CODE, hash.data()); }));
  fail_each("hash_add", alone([&] { return flatkv_hash_add(hash.data(), hash.data()); }));
  fail_each("hash_subtract", alone([&] { return flatkv_hash_subtract(hash.data(), hash.data()); }));
  fail_each("hash_checksum",
            alone([&] { return flatkv_hash_checksum(hash.data(), value.data()); }));
}

TEST_F(AllocationInC, N3_Iterators) {
  flatkv_iterator* rows = nullptr;
  std::uint32_t valid = 0;
  const auto fresh = [&](const std::function<flatkv_error*()>& run) -> Scene {
    return [&, run](const Armed& armed) {
      good(flatkv_iterate(view_, FLATKV_STORAGE, kNone, kNone, kNone, &rows));
      flatkv_error* error = armed(run);
      flatkv_free(rows);
      return error;
    };
  };
  const auto move = [&](std::uint32_t how) {
    const flatkv_bytes key =
        how >= FLATKV_SEEK ? flatkv_bytes{.data = kOwner.data(), .size = kOwner.size()} : kNone;
    return flatkv_iterator_move(rows, how, key, &valid);
  };
  for (const std::uint32_t how : {FLATKV_FIRST, FLATKV_LAST, FLATKV_NEXT, FLATKV_PREVIOUS,
                                  FLATKV_SEEK, FLATKV_SEEK_FOR_PREVIOUS}) {
    fail_each("move " + std::to_string(how), fresh([&, how] { return move(how); }));
  }
  flatkv_bytes key{};
  flatkv_bytes value{};
  fail_each("row", fresh([&] { return flatkv_iterator_row(rows, &key, &value, &valid); }));
  EXPECT_EQ(valid, 1U);
  EXPECT_GT(fail_each("batch", fresh([&] {
                        flatkv_buffer* out = nullptr;
                        flatkv_error* error = flatkv_iterator_batch(rows, 10, 1000, &out);
                        flatkv_free(out);
                        return error;
                      })),
            0U);
}

TEST_F(AllocationInC, N3_AStoreThatIsRead) {
  const flatkv_bytes key{.data = nonce().data(), .size = nonce().size()};
  auto opened = sized<flatkv_open_report>();
  auto metrics = sized<flatkv_metrics>();
  auto scrubbed = sized<flatkv_scrub_status>();
  auto verdict = sized<flatkv_verdict>();
  flatkv_roots roots{};
  flatkv_report* report = nullptr;
  good(flatkv_verify(view_, nullptr, &report));
  const auto same = [](void*, std::uint32_t, flatkv_bytes, const flatkv_bytes*,
                       const flatkv_bytes*) -> std::int32_t { return 0; };
  fail_all({
      {"view", making<flatkv_view>([&](auto** out) { return flatkv_view_new(store_, out); })},
      {"view_at",
       making<flatkv_view>([&](auto** out) { return flatkv_view_at(store_, kBlocks, out); })},
      {"view of a reader",
       making<flatkv_view>([&](auto** out) { return flatkv_view_new(reader_, out); })},
      {"overlay",
       making<flatkv_overlay>([&](auto** out) { return flatkv_overlay_new(store_, out); })},
      {"overlay on a reader",
       making<flatkv_overlay>([&](auto** out) { return flatkv_overlay_new(reader_, out); })},
      {"remedies",
       making<flatkv_buffer>([&](auto** out) { return flatkv_remedies(path_.c_str(), out); })},
      {"verify",
       making<flatkv_report>([&](auto** out) { return flatkv_verify(view_, options_, out); })},
      {"verify of a store",
       making<flatkv_report>([&](auto** out) { return flatkv_verify(store_, options_, out); })},
      {"a block of a reader",
       [&](const Armed& armed) {
         flatkv_reader* reader = nullptr;
         good(flatkv_open_reader(path_.c_str(), options_, &reader));
         flatkv_error* error = armed([&] {
           flatkv_error* given = flatkv_apply(reader, blocks_[1].data(), blocks_[1].size());
           if (given == nullptr) given = flatkv_working_roots(reader, &roots);
           if (given == nullptr) given = flatkv_discard(reader);
           return given;
         });
         flatkv_free(reader);
         return error;
       }},
      {"diff", alone([&] { return flatkv_diff(view_, view_, same, nullptr, options_); })},
      {"export", alone([&] { return flatkv_export(view_, drop, nullptr, nullptr); })},
      {"scrub", alone([&] { return flatkv_scrub(store_, 1, &scrubbed); })},
      {"prefetch", alone([&] { return flatkv_prefetch(store_, &key, 1); })},
      {"prefetch for an overlay", alone([&] { return flatkv_prefetch(overlay_, &key, 1); })},
  });
  for (const auto& [name, call] : std::vector<std::pair<std::string, Call>>{
           {"open_report", [&] { return flatkv_open_report_get(store_, &opened); }},
           {"committed_roots", [&] { return flatkv_committed_roots(store_, &roots); }},
           {"wait_durable", [&] { return flatkv_wait_durable(store_, kBlocks); }},
           {"metrics", [&] { return flatkv_metrics_get(store_, &metrics); }},
           {"scrub_status", [&] { return flatkv_scrub_status_get(store_, &scrubbed); }},
           {"verdict", [&] { return flatkv_report_verdict(report, 0, &verdict); }}}) {
    fail_each(name, alone(call));
  }
  flatkv_free(report);
  // Nothing of it has harmed the store.
  good(commit(store_, kBlocks + 1));
}

/// What a call was to give when it had no memory is what the next one gives.
TEST_F(AllocationInC, N3_NoBlockIsLeftOut) {
  const auto gives = [](flatkv_error*& error, flatkv_block* block, const auto& again) {
    if (error != nullptr) {
      EXPECT_EQ(block, nullptr);
      flatkv_error* retried = again(&block);
      EXPECT_EQ(flatkv_error_code(retried), FLATKV_OK);
      flatkv_free(retried);
    }
    auto info = sized<flatkv_block_info>();
    good(flatkv_block_info_get(block, &info));
    flatkv_free(block);
    return info.version;
  };
  fail_all({
      {"changes",
       making<flatkv_changes>([&](auto** out) { return flatkv_changes_new(store_, 1, 2, out); })},
      {"the next of changes",
       [&](const Armed& armed) {
         flatkv_changes* changes = nullptr;
         flatkv_block* block = nullptr;
         good(flatkv_changes_new(store_, 1, kBlocks, &changes));
         flatkv_error* error = armed([&] { return flatkv_changes_next(changes, &block); });
         EXPECT_EQ(gives(error, block,
                         [&](flatkv_block** out) { return flatkv_changes_next(changes, out); }),
                   1);
         flatkv_free(changes);
         return error;
       }},
      {"the next of a subscription",
       [&](const Armed& armed) {
         flatkv_subscription* told = nullptr;
         flatkv_block* block = nullptr;
         flatkv_buffer* cursor = nullptr;
         auto options = sized<flatkv_subscribe_options>();
         options.has_after = 1;
         options.name = "a";
         good(flatkv_subscribe(store_, &options, &told));
         flatkv_error* error = armed([&] { return flatkv_subscription_next(told, -1, &block); });
         const auto next = [&](flatkv_block** out) {
           return flatkv_subscription_next(told, -1, out);
         };
         EXPECT_EQ(gives(error, block, next), 1);
         // The cursor has every block, or nobody could go on from it.
         good(flatkv_subscription_cursor(told, &cursor));
         good(flatkv_subscription_acknowledge(told, flatkv_buffer_data(cursor),
                                              flatkv_buffer_size(cursor)));
         flatkv_free(cursor);
         flatkv_free(told);
         return error;
       }},
      {"the changes of a block",
       [&](const Armed& armed) {
         flatkv_changes* changes = nullptr;
         flatkv_block* block = nullptr;
         flatkv_buffer* packed = nullptr;
         good(flatkv_changes_new(store_, 1, 1, &changes));
         good(flatkv_changes_next(changes, &block));
         flatkv_error* error = armed([&] { return flatkv_block_changes(block, &packed); });
         flatkv_free(packed);
         flatkv_free(block);
         flatkv_free(changes);
         return error;
       }},
  });
}

TEST_F(AllocationInC, N3_Subscriptions) {
  flatkv_subscription* told = nullptr;
  flatkv_block* block = nullptr;
  flatkv_buffer* cursor = nullptr;
  auto options = sized<flatkv_subscribe_options>();
  options.has_after = 1;
  options.name = "a-name-that-is-longer-than-a-short-string";
  good(flatkv_subscribe(store_, &options, &told));
  good(flatkv_subscription_next(told, -1, &block));
  good(flatkv_subscription_cursor(told, &cursor));
  options.name = "another-name-that-is-longer-than-a-short-string";
  fail_all({
      {"subscribe", making<flatkv_subscription>(
                        [&](auto** out) { return flatkv_subscribe(store_, &options, out); })},
      {"cursor",
       making<flatkv_buffer>([&](auto** out) { return flatkv_subscription_cursor(told, out); })},
      {"acknowledge", alone([&] {
         return flatkv_subscription_acknowledge(told, flatkv_buffer_data(cursor),
                                                flatkv_buffer_size(cursor));
       })},
      {"named_cursors",
       making<flatkv_buffer>([&](auto** out) { return flatkv_named_cursors(store_, out); })},
      {"drop_cursor",
       [&](const Armed& armed) {
         flatkv_subscription* made = nullptr;
         good(flatkv_subscribe(store_, &options, &made));
         flatkv_error* error = armed([&] { return flatkv_drop_cursor(store_, options.name); });
         flatkv_free(made);
         return error;
       }},
  });
  for (void* handle :
       {static_cast<void*>(cursor), static_cast<void*>(block), static_cast<void*>(told)}) {
    flatkv_free(handle);
  }
}

}  // namespace
}  // namespace flatkv::test
