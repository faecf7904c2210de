// SPDX-License-Identifier: Apache-2.0
// Races for planted_race.py, which calls them through ctypes: that gives up the interpreter's lock,
// as the module does.
#include <flatkv/flatkv.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace {

constexpr int kRounds = 1000;

// Waits for the other thread. Otherwise the first would have ended, and have taken the
// interpreter's lock again, before the second begins: in turn, and no race. Nothing is ordered by
// it.
void meet() {
  static std::atomic<int> inside = 0;
  inside.fetch_add(1, std::memory_order_relaxed);
  while (inside.load(std::memory_order_relaxed) < 2) std::this_thread::yield();
}

}  // namespace

extern "C" {

volatile std::uint64_t planted_count = 0;

void planted_in_native_code() {
  meet();
  for (int i = 0; i < kRounds; ++i) planted_count = planted_count + 1;
}

// An iterator over the legacy rows, of which there is one, of a new store; null if there is none.
flatkv_iterator* planted_iterator(const char* path) {
  constexpr std::uint8_t kBlock[] = {3, 0, 0, 0, 'e',  'v', 'm', 1, 0, 0, 0, 0,
                                     2, 0, 0, 0, 0xff, 1,   1,   0, 0, 0, 7};
  flatkv_options* options = nullptr;
  flatkv_store* store = nullptr;
  flatkv_iterator* iterator = nullptr;
  flatkv_error* error = flatkv_options_new(&options);
  if (error == nullptr) error = flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1);
  if (error == nullptr) error = flatkv_open(path, options, &store);
  if (error == nullptr) error = flatkv_apply_commit(store, kBlock, sizeof kBlock, 1, nullptr);
  if (error == nullptr) error = flatkv_iterate(store, FLATKV_LEGACY, {}, {}, {}, &iterator);
  return error == nullptr ? iterator : nullptr;  // the process ends soon: nothing is freed
}

void planted_in_the_library(flatkv_iterator* iterator) {
  meet();
  for (int i = 0; i < kRounds; ++i)
    flatkv_free(flatkv_iterator_move(iterator, FLATKV_FIRST, {}, nullptr));
}
}
