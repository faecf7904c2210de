/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
/* Threads that read, look ahead and subscribe beside one that commits and undoes. Made to run under
 * ThreadSanitizer, too. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support.h"

enum { kBlocks = 240, kSlots = 16, kUndone = 2, kKey = 53, kPair = 9 + kKey + 32 };

static const flatkv_bytes none = {NULL, 0};
static flatkv_store* store;
static atomic_int over;

/* What every slot holds at a version, on every branch of it. */
static uint8_t value_at(int64_t version) { return (uint8_t)(1 + version % 255); }

static void slot_key(uint8_t* key, int slot) {
  memset(key, 7, kKey);
  key[0] = 3; /* storage */
  key[kKey - 1] = (uint8_t)slot;
}

/* A block that writes all slots; its size. */
static size_t block_of_version(uint8_t* block, int64_t version) {
  static const uint8_t begin[] = {3, 0, 0, 0, 'e', 'v', 'm', kSlots, 0, 0, 0};
  uint8_t* at = block;
  memcpy(at, begin, sizeof begin);
  at += sizeof begin;
  for (int slot = 0; slot < kSlots; ++slot) {
    memset(at, 0, kPair);
    at[1] = kKey;
    slot_key(at + 5, slot);
    at[5 + kKey] = 32;
    memset(at + 9 + kKey, value_at(version), 32);
    at += kPair;
  }
  return (size_t)(at - block);
}

/* All slots of a state have the value of one version. */
static void expect_whole(const flatkv_state* state, int64_t version) {
  uint8_t keys[kSlots][kKey];
  flatkv_bytes wanted[kSlots];
  flatkv_buffer* found = NULL;
  for (int slot = 0; slot < kSlots; ++slot) {
    slot_key(keys[slot], slot);
    wanted[slot] = (flatkv_bytes){keys[slot], kKey};
  }
  GOOD(flatkv_get_many(state, wanted, kSlots, &found));
  EXPECT(flatkv_buffer_size(found) == kSlots * (8 + 32));
  for (int slot = 0; slot < kSlots; ++slot) {
    EXPECT(flatkv_buffer_data(found)[slot * 40 + 8] == value_at(version));
  }
  flatkv_free(found);
}

static void* read_views(void* unused) {
  (void)unused;
  while (!atomic_load(&over)) {
    flatkv_view* view = NULL;
    flatkv_iterator* rows = NULL;
    flatkv_buffer* batch = NULL;
    GOOD(flatkv_view_new(store, &view));
    expect_whole(view, flatkv_version(view));
    GOOD(flatkv_iterate(view, FLATKV_STORAGE, none, none, none, &rows));
    GOOD(flatkv_iterator_batch(rows, 2 * kSlots, 1 << 20, &batch));
    EXPECT(flatkv_buffer_size(batch) == kSlots * (8 + 52 + 32));
    EXPECT(flatkv_buffer_data(batch)[8 + 52] == value_at(flatkv_version(view)));
    flatkv_free(view), flatkv_free(batch), flatkv_free(rows);
  }
  return NULL;
}

static void* look_ahead(void* unused) {
  (void)unused;
  uint8_t key[kKey];
  const flatkv_bytes wanted = {key, kKey};
  for (int i = 0; !atomic_load(&over); ++i) {
    flatkv_metrics metrics = {.size = sizeof metrics};
    flatkv_roots roots;
    flatkv_view* older = NULL;
    slot_key(key, i % (2 * kSlots));
    GOOD(flatkv_prefetch(store, &wanted, 1));
    GOOD(flatkv_metrics_get(store, &metrics));
    GOOD(flatkv_committed_roots(store, &roots));
    EXPECT(flatkv_durable_version(store) >= 0);
    const int64_t version = flatkv_version(store) - 1;
    flatkv_error* error = flatkv_view_at(store, version, &older);
    if (error == NULL) {
      expect_whole(older, version);
    } else { /* undone meanwhile */
      EXPECT(flatkv_error_code(error) == FLATKV_VERSION_MISMATCH);
    }
    flatkv_free(error), flatkv_free(older);
  }
  return NULL;
}

/* Blocks that are never committed. Each may become stale at any moment. */
static void* try_blocks(void* unused) {
  (void)unused;
  static uint8_t block[1 << 14];
  while (!atomic_load(&over)) {
    flatkv_overlay* overlay = NULL;
    flatkv_roots roots;
    flatkv_error* error = flatkv_overlay_new(store, &overlay);
    if (error == NULL) {
      error = flatkv_apply(overlay, block, block_of_version(block, flatkv_version(overlay)));
    }
    if (error == NULL) error = flatkv_working_roots(overlay, &roots);
    EXPECT(error == NULL || flatkv_error_code(error) == FLATKV_STALE);
    flatkv_free(error), flatkv_free(overlay);
  }
  return NULL;
}

/* Blocks arrive in order, and an undo goes back. */
static void* follow(void* from) {
  flatkv_subscription* subscription = from;
  for (int64_t version = 2; version < kBlocks;) {
    flatkv_block* event = NULL;
    flatkv_block_info info = {.size = sizeof info};
    GOOD(flatkv_subscription_next(subscription, 60000, &event));
    EXPECT(event != NULL);
    GOOD(flatkv_block_info_get(event, &info));
    EXPECT(info.undo == 1 ? info.version < version : info.version == version + 1);
    version = info.version;
    flatkv_free(event);
  }
  return NULL;
}

int main(void) {
  char place[128], path[160];
  static uint8_t block[1 << 14];
  flatkv_options* options = NULL;
  flatkv_subscription* subscription = NULL;
  make_place(place);
  snprintf(path, sizeof path, "%s/store", place);
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1));
  GOOD(flatkv_options_set(options, FLATKV_DURABILITY, 1));
  GOOD(flatkv_options_set(options, FLATKV_ROLLBACK_DEPTH, 2 * kUndone));
  GOOD(flatkv_options_set(options, FLATKV_ROW_CACHE_BYTES, 1 << 20));
  GOOD(flatkv_options_set(options, FLATKV_KEY_FILTER_BYTES, 1 << 20));
  GOOD(flatkv_open(path, options, &store));
  flatkv_free(options);
  /* Nobody sees a state without slots. */
  GOOD(flatkv_apply_commit(store, block, block_of_version(block, 1), 1, NULL));
  GOOD(flatkv_apply_commit(store, block, block_of_version(block, 2), 2, NULL));
  const flatkv_subscribe_options all = {
      .size = sizeof all, .committed = 1, .has_after = 1, .after = 2};
  GOOD(flatkv_subscribe(store, &all, &subscription));

  void* (*const works[])(void*) = {read_views, read_views, look_ahead, try_blocks, follow};
  pthread_t threads[sizeof works / sizeof works[0]];
  for (size_t i = 0; i < sizeof works / sizeof works[0]; ++i) {
    EXPECT(pthread_create(&threads[i], NULL, works[i], subscription) == 0);
  }
  for (int64_t step = 1; flatkv_version(store) < kBlocks; ++step) {
    const int64_t version = flatkv_version(store) + 1;
    GOOD(flatkv_apply_commit(store, block, block_of_version(block, version), version, NULL));
    expect_whole(store, version);
    if (step % 40 == 0) GOOD(flatkv_flush(store));
    if (step % 25 == 0 && version > kUndone) GOOD(flatkv_rollback(store, version - kUndone));
  }
  atomic_store(&over, 1);
  for (size_t i = 0; i < sizeof works / sizeof works[0]; ++i) {
    EXPECT(pthread_join(threads[i], NULL) == 0);
  }
  flatkv_free(subscription);
  GOOD(flatkv_close(store));
  flatkv_free(store);
  remove_place(place);
  return 0;
}
