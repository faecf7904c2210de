/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
/* Every function of flatkv/flatkv.h, used as a node uses it. */
#include <unistd.h>

#include "support.h"

static const flatkv_bytes none = {NULL, 0};

static int logged, durable, steps;
static void on_log(void* user, uint32_t level, const char* text, size_t size) {
  (void)text;
  EXPECT(user == &logged && level <= 2 && size > 0);
  __atomic_fetch_add(&logged, 1, __ATOMIC_RELAXED);
}
static void on_durable(void* user, int64_t version) {
  EXPECT(user == &durable && version > 0);
  __atomic_fetch_add(&durable, 1, __ATOMIC_RELAXED);
}
static void on_progress(void* user, const char* step, size_t size, uint64_t done, uint64_t total) {
  (void)done, (void)total;
  EXPECT(user == &steps && step != NULL && size > 0);
  __atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED);
}

static int32_t write_bytes(void* user, const uint8_t* data, size_t size) {
  struct bytes* into = user;
  EXPECT(into->size + size <= sizeof into->data);
  memcpy(into->data + into->size, data, size);
  into->size += size;
  return 0;
}
static int64_t read_bytes(void* user, uint8_t* into, size_t size) {
  struct bytes* from = user;
  const size_t left = from->size - from->at;
  if (size > left) size = left;
  memcpy(into, from->data + from->at, size);
  from->at += size;
  return (int64_t)size;
}
static int32_t write_nothing(void* user, const uint8_t* data, size_t size) {
  (void)user, (void)data, (void)size;
  return 1;
}
static int64_t read_nothing(void* user, uint8_t* into, size_t size) {
  (void)user, (void)into, (void)size;
  return -1;
}
static int64_t read_too_much(void* user, uint8_t* into, size_t size) {
  (void)user, (void)into;
  return (int64_t)size + 1;
}

static flatkv_options* make_options(void) {
  flatkv_options* options = NULL;
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1));
  GOOD(flatkv_options_set(options, FLATKV_DURABILITY, 2));
  GOOD(flatkv_options_set(options, FLATKV_ROLLBACK_DEPTH, 10));
  GOOD(flatkv_options_set(options, FLATKV_SCRUB, 1));
  GOOD(flatkv_options_set(options, FLATKV_ROW_CACHE_BYTES, 1 << 20));
  GOOD(flatkv_options_set(options, FLATKV_KEY_FILTER_BYTES, 0));
  GOOD(flatkv_options_set(options, FLATKV_READS_IN_FLIGHT, 8));
  GOOD(flatkv_options_set(options, FLATKV_PREFETCH_ROWS, 100));
  GOOD(flatkv_options_set(options, FLATKV_LEVEL0_LIMIT, 30));
  GOOD(flatkv_options_set(options, FLATKV_PENDING_COMPACTION_BYTES, UINT64_C(1) << 33));
  GOOD(flatkv_options_set(options, FLATKV_INITIAL_VERSION, 1));
  GOOD(flatkv_options_log(options, on_log, &logged));
  GOOD(flatkv_options_on_durable(options, on_durable, &durable));
  GOOD(flatkv_options_progress(options, on_progress, &steps));
  return options;
}

/* An option is looked at, and its range named, by the function that takes it. */
static void test_ranges(const char* path) {
  flatkv_options* options = NULL;
  flatkv_store* store = NULL;
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1));
  GOOD(flatkv_options_set(options, FLATKV_READS_IN_FLIGHT, 1025));
  flatkv_error* error = flatkv_open(path, options, &store);
  EXPECT(flatkv_error_code(error) == FLATKV_INVALID_ARGUMENT && store == NULL);
  EXPECT(strstr(flatkv_error_message(error), "1024") != NULL);
  flatkv_free(error), flatkv_free(options);
}

/* Every option there is, with the greatest number that it takes. */
static void test_option_limits(const char* path) {
  static const struct {
    uint32_t option;
    uint64_t most;
  } limits[] = {{FLATKV_CREATE_IF_MISSING, 1},
                {FLATKV_ACCOUNT_ROWS, 1},
                {FLATKV_INITIAL_VERSION, INT64_MAX},
                {FLATKV_STRICT, 1},
                {FLATKV_STRICT_LEGACY_KEYS, 1},
                {FLATKV_DURABILITY, 2},
                {FLATKV_GROUP_BLOCKS, UINT32_MAX},
                {FLATKV_WRITE_BUFFER_BYTES, UINT64_MAX},
                {FLATKV_MAX_LAG_BLOCKS, UINT64_MAX},
                {FLATKV_MAX_LAG_BYTES, UINT64_MAX},
                {FLATKV_ROW_CACHE_BYTES, UINT64_MAX},
                {FLATKV_KEY_FILTER_BYTES, UINT64_MAX},
                {FLATKV_BLOCK_CACHE_BYTES, UINT64_MAX},
                {FLATKV_SNAPSHOT_INTERVAL, UINT64_MAX},
                {FLATKV_SNAPSHOT_KEEP, UINT32_MAX},
                {FLATKV_SCRUB, 2},
                {FLATKV_SCRUB_ROWS_PER_SECOND, UINT64_MAX},
                {FLATKV_SCRUB_PAUSE_SECONDS, UINT32_MAX},
                {FLATKV_SEGMENT_BYTES, UINT64_MAX},
                {FLATKV_LOG_KEEP_BYTES, UINT64_MAX},
                {FLATKV_MAX_VIEW_BYTES, UINT64_MAX},
                {FLATKV_RECENT_VERSIONS, UINT32_MAX},
                {FLATKV_OVERLAY_MEMORY_BYTES, UINT64_MAX},
                {FLATKV_ROLLBACK_DEPTH, UINT32_MAX},
                {FLATKV_THREADS, UINT32_MAX},
                {FLATKV_AT_VERSION, INT64_MAX},
                {FLATKV_ROWS_PER_SECOND, UINT64_MAX},
                {FLATKV_ONE_DATABASE, FLATKV_METADATA},
                {FLATKV_REPLACE, 1},
                {FLATKV_READS_IN_FLIGHT, UINT32_MAX},
                {FLATKV_PREFETCH_ROWS, UINT64_MAX},
                {FLATKV_LEVEL0_LIMIT, UINT32_MAX},
                {FLATKV_PENDING_COMPACTION_BYTES, UINT64_MAX}};
  const uint32_t count = sizeof limits / sizeof limits[0];
  for (uint32_t i = 0; i < count; ++i) {
    flatkv_options* options = NULL;
    char wanted[64];
    EXPECT(limits[i].option == i + 1);
    GOOD(flatkv_options_new(&options));
    GOOD(flatkv_options_set(options, limits[i].option, limits[i].most));
    if (limits[i].most != UINT64_MAX) {
      flatkv_error* error = flatkv_options_set(options, limits[i].option, limits[i].most + 1);
      EXPECT(flatkv_error_code(error) == FLATKV_INVALID_ARGUMENT);
      snprintf(wanted, sizeof wanted, "takes at most %llu", (unsigned long long)limits[i].most);
      EXPECT(strstr(flatkv_error_message(error), wanted) != NULL);
      flatkv_free(error);
    }
    flatkv_free(options);
  }
  flatkv_options* options = NULL;
  flatkv_store* store = NULL;
  GOOD(flatkv_options_new(&options));
  BAD(flatkv_options_set(options, count + 1, 0));
  GOOD(flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1));
  GOOD(flatkv_options_set(options, FLATKV_GROUP_BLOCKS, 0)); /* its range is the store's matter */
  BAD(flatkv_open(path, options, &store));
  flatkv_free(options);
  EXPECT(store == NULL);
}

static void test_strict(const char* path) {
  static const uint8_t bank[] = {4, 0, 0, 0, 'b', 'a', 'n', 'k', 1, 0, 0,
                                 0, 0, 1, 0, 0,   0,   9,   0,   0, 0, 0};
  flatkv_options* options = NULL;
  flatkv_store* store = NULL;
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1));
  GOOD(flatkv_options_set(options, FLATKV_STRICT, 1));
  GOOD(flatkv_options_set(options, FLATKV_ACCOUNT_ROWS, 1));
  GOOD(flatkv_options_set(options, FLATKV_INITIAL_VERSION, 7));
  GOOD(flatkv_options_strict_module(options, "bank"));
  GOOD(flatkv_options_strict_module(options, NULL));
  GOOD(flatkv_open(path, options, &store));
  BAD(flatkv_apply(store, bank, sizeof bank));
  flatkv_free(store);
  GOOD(flatkv_options_strict_module(options, "bank"));
  GOOD(flatkv_open(path, options, &store));
  flatkv_free(options);
  GOOD(flatkv_apply_commit(store, bank, sizeof bank, 7, NULL));
  flatkv_metrics metrics = {.size = sizeof metrics};
  GOOD(flatkv_metrics_get(store, &metrics));
  EXPECT(metrics.ignored_change_sets == 1);
  EXPECT(flatkv_initial_version(store) == 7 && flatkv_account_rows(store) == 1);
  GOOD(flatkv_close(store));
  flatkv_free(store);
}

static void test_blocks(flatkv_store* store, struct bytes* block) {
  flatkv_roots working, roots, committed;
  make_block(block, 1, 11);
  GOOD(flatkv_apply(store, block->data, block->size));
  GOOD(flatkv_discard(store));
  EXPECT(slot_of(store, 1) == 0);
  GOOD(flatkv_apply(store, block->data, block->size));
  GOOD(flatkv_working_roots(store, &working));
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_commit(store, 2, &roots));
  GOOD(flatkv_commit(store, 1, &roots));
  EXPECT(memcmp(&working, &roots, sizeof roots) == 0);
  make_block(block, 2, 22);
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_apply_commit(store, block->data, block->size, 3, &roots));
  GOOD(flatkv_working_roots(store, &working));
  EXPECT(memcmp(&working, &roots, sizeof roots) == 0); /* nothing is pending */
  GOOD(flatkv_apply_commit(store, block->data, block->size, 2, &roots));
  GOOD(flatkv_committed_roots(store, &committed));
  EXPECT(memcmp(&committed, &roots, sizeof roots) == 0);
  EXPECT(memcmp(&working, &roots, sizeof roots) != 0);
  EXPECT(flatkv_version(store) == 2 && slot_of(store, 1) == 11 && slot_of(store, 2) == 22);
  GOOD(flatkv_wait_durable(store, 2));
  EXPECT(flatkv_durable_version(store) == 2);
  REFUSED(FLATKV_INVALID_ARGUMENT, flatkv_wait_durable(store, 3));
  /* Cut off anywhere, it is no block, and nothing was written. */
  for (size_t size = 1; size < block->size; ++size) {
    flatkv_error* error = flatkv_apply(store, block->data, size);
    uint64_t offset = 99;
    EXPECT(flatkv_error_code(error) == FLATKV_INVALID_ARGUMENT);
    EXPECT(flatkv_error_offset(error, &offset) == 1 && offset <= size);
    flatkv_free(error);
  }
  GOOD(flatkv_working_roots(store, &working));
  EXPECT(memcmp(&working, &committed, sizeof working) == 0);
}

static void test_reads(flatkv_store* store) {
  uint8_t keys[2][53], nonce[21] = {0x0a}, byte;
  int64_t size = 0;
  flatkv_buffer* found = NULL;
  key_of(keys[0], 2);
  key_of(keys[1], 9);
  const flatkv_bytes wanted[2] = {{keys[0], 53}, {keys[1], 53}};
  GOOD(flatkv_get_many(store, wanted, 2, &found));
  EXPECT(flatkv_buffer_size(found) == 8 + 32 + 8);
  EXPECT(flatkv_buffer_data(found)[0] == 32 && flatkv_buffer_data(found)[8] == 22);
  EXPECT(flatkv_buffer_data(found)[40] == 0xff && flatkv_buffer_data(found)[47] == 0xff);
  flatkv_free(found);
  flatkv_account_fields account;
  uint32_t exists = 9;
  GOOD(flatkv_account(store, nonce + 1, &account, &exists));
  EXPECT(exists == 0 && account.nonce == 0);
  GOOD(flatkv_code(store, nonce + 1, NULL, 0, &size));
  EXPECT(size == FLATKV_ABSENT);
  BAD(flatkv_get(store, NULL, 0, &byte, 1, &size));
}

static void test_iterator(const flatkv_state* state) {
  flatkv_iterator* rows = NULL;
  flatkv_bytes key, value;
  flatkv_buffer* batch = NULL;
  uint32_t valid = 9;
  uint8_t wanted[52];
  GOOD(flatkv_iterate(state, FLATKV_STORAGE, none, none, none, &rows));
  GOOD(flatkv_iterator_row(rows, &key, &value, &valid));
  EXPECT(valid == 1 && key.size == 52 && key.data[51] == 1 && value.data[0] == 11);
  GOOD(flatkv_iterator_move(rows, FLATKV_NEXT, none, &valid));
  GOOD(flatkv_iterator_row(rows, &key, NULL, NULL));
  EXPECT(valid == 1 && key.data[51] == 2);
  GOOD(flatkv_iterator_move(rows, FLATKV_NEXT, none, &valid));
  EXPECT(valid == 0);
  GOOD(flatkv_iterator_move(rows, FLATKV_NEXT, none, NULL));
  GOOD(flatkv_iterator_row(rows, &key, &value, &valid));
  EXPECT(valid == 0 && key.size == 0 && value.size == 0);
  memset(wanted, 7, sizeof wanted);
  wanted[51] = 2;
  const flatkv_bytes to = {wanted, sizeof wanted};
  GOOD(flatkv_iterator_move(rows, FLATKV_SEEK, to, &valid));
  GOOD(flatkv_iterator_move(rows, FLATKV_PREVIOUS, none, &valid));
  GOOD(flatkv_iterator_row(rows, &key, NULL, &valid));
  EXPECT(valid == 1 && key.data[51] == 1);
  GOOD(flatkv_iterator_move(rows, FLATKV_SEEK_FOR_PREVIOUS, to, &valid));
  GOOD(flatkv_iterator_move(rows, FLATKV_LAST, none, &valid));
  GOOD(flatkv_iterator_row(rows, &key, NULL, &valid));
  EXPECT(valid == 1 && key.data[51] == 2);
  GOOD(flatkv_iterator_move(rows, FLATKV_FIRST, none, NULL));
  GOOD(flatkv_iterator_batch(rows, 10, 1, &batch)); /* one row is more than a byte */
  EXPECT(flatkv_buffer_size(batch) == 8 + 52 + 32 && flatkv_buffer_data(batch)[4] == 32);
  flatkv_free(batch);
  GOOD(flatkv_iterator_batch(rows, 10, 1 << 20, &batch));
  EXPECT(flatkv_buffer_size(batch) == 8 + 52 + 32);
  flatkv_free(batch);
  GOOD(flatkv_iterator_batch(rows, 10, 1 << 20, &batch));
  EXPECT(flatkv_buffer_size(batch) == 0);
  flatkv_free(batch);
  flatkv_free(rows);
}

/* Rows that are in no memory are read before they are asked for. */
static void test_prefetch(flatkv_store* store) {
  uint8_t keys[2][53];
  key_of(keys[0], 1);
  key_of(keys[1], 2);
  const flatkv_bytes wanted[2] = {{keys[0], 53}, {keys[1], 53}};
  flatkv_overlay* overlay = NULL;
  flatkv_metrics metrics = {.size = sizeof metrics};
  GOOD(flatkv_flush(store));
  GOOD(flatkv_prefetch(store, wanted, 2));
  GOOD(flatkv_prefetch(store, NULL, 0));
  GOOD(flatkv_overlay_new(store, &overlay));
  GOOD(flatkv_prefetch(overlay, wanted, 1));
  flatkv_free(overlay);
  do {
    GOOD(flatkv_metrics_get(store, &metrics));
  } while (metrics.prefetch_loaded + metrics.prefetch_hit + metrics.prefetch_dropped < 3);
  EXPECT(metrics.prefetch_asked == 3 && metrics.size == sizeof metrics);
  EXPECT(metrics.flushed[FLATKV_STORAGE].tables == 1);
  EXPECT(metrics.flushed[FLATKV_STORAGE].bytes > metrics.flushed[FLATKV_CODE].bytes);
  EXPECT(slot_of(store, 1) == 11 && slot_of(store, 2) == 22);
}

static void test_forks(flatkv_store* store, struct bytes* block) {
  flatkv_overlay *loser = NULL, *winner = NULL, *child = NULL;
  flatkv_view *before = NULL, *old = NULL;
  flatkv_roots roots, working;
  GOOD(flatkv_view_new(store, &before));
  GOOD(flatkv_overlay_new(store, &loser));
  GOOD(flatkv_overlay_new(store, &winner));
  make_block(block, 3, 33);
  GOOD(flatkv_apply(winner, block->data, block->size));
  GOOD(flatkv_overlay_new(winner, &child));
  make_block(block, 3, 0);
  GOOD(flatkv_apply(child, block->data, block->size));
  EXPECT(slot_of(child, 3) == 0 && slot_of(winner, 3) == 33 && slot_of(loser, 3) == 0);
  EXPECT(flatkv_version(child) == 4);
  GOOD(flatkv_working_roots(winner, &working));
  GOOD(flatkv_commit_overlay(store, winner, 3, &roots));
  EXPECT(memcmp(&working, &roots, sizeof roots) == 0);
  REFUSED(FLATKV_STALE, flatkv_apply(loser, block->data, block->size));
  GOOD(flatkv_commit_overlay(store, child, 4, NULL));
  EXPECT(flatkv_version(store) == 4 && slot_of(before, 2) == 22);
  GOOD(flatkv_view_at(store, 3, &old));
  EXPECT(flatkv_version(old) == 3 && slot_of(old, 3) == 33 && slot_of(before, 3) == 0);
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_view_at(store, 99, &old));
  flatkv_free(loser), flatkv_free(winner), flatkv_free(child);
  flatkv_free(before), flatkv_free(old);
}

static void test_changes(flatkv_store* store, struct bytes* block) {
  flatkv_changes* changes = NULL;
  flatkv_block* event = NULL;
  flatkv_buffer *packed = NULL, *cursor = NULL, *names = NULL;
  flatkv_block_info info = {.size = sizeof info};
  GOOD(flatkv_changes_new(store, 2, 2, &changes));
  GOOD(flatkv_changes_next(changes, &event));
  GOOD(flatkv_block_info_get(event, &info));
  EXPECT(info.version == 2 && info.undo == 0 && info.payload_bytes > 0);
  GOOD(flatkv_block_changes(event, &packed));
  make_block(block, 2, 22); /* as it went in */
  EXPECT(flatkv_buffer_size(packed) == block->size);
  EXPECT(memcmp(flatkv_buffer_data(packed), block->data, block->size) == 0);
  flatkv_free(packed), flatkv_free(event);
  GOOD(flatkv_changes_next(changes, &event));
  EXPECT(event == NULL);
  flatkv_free(changes);

  const flatkv_subscribe_options from = {
      .size = sizeof from, .has_after = 1, .after = 2, .name = "indexer"};
  flatkv_subscription* subscription = NULL;
  GOOD(flatkv_wait_durable(store, 4));
  GOOD(flatkv_subscribe(store, &from, &subscription));
  for (int64_t version = 3; version <= 4; ++version) {
    GOOD(flatkv_subscription_next(subscription, 60000, &event));
    GOOD(flatkv_block_info_get(event, &info));
    EXPECT(info.version == version && info.undo == 0);
    flatkv_free(event);
  }
  GOOD(flatkv_subscription_next(subscription, -1, &event));
  EXPECT(event == NULL);
  GOOD(flatkv_subscription_cursor(subscription, &cursor));
  GOOD(flatkv_subscription_acknowledge(subscription, flatkv_buffer_data(cursor),
                                       flatkv_buffer_size(cursor)));
  GOOD(flatkv_rollback(store, 3)); /* an undo */
  GOOD(flatkv_subscription_next(subscription, 60000, &event));
  GOOD(flatkv_block_info_get(event, &info));
  EXPECT(info.undo == 1 && info.version == 3);
  GOOD(flatkv_block_changes(event, &packed));
  EXPECT(flatkv_buffer_size(packed) == 0);
  flatkv_free(packed), flatkv_free(event);
  /* From where another one stood: the undo comes again. */
  flatkv_subscription* again = NULL;
  const flatkv_subscribe_options stood = {
      .size = sizeof stood, .cursor = {flatkv_buffer_data(cursor), flatkv_buffer_size(cursor)}};
  GOOD(flatkv_subscribe(store, &stood, &again));
  GOOD(flatkv_subscription_next(again, 60000, &event));
  GOOD(flatkv_block_info_get(event, &info));
  EXPECT(info.undo == 1 && info.version == 3);
  flatkv_free(event), flatkv_free(again);
  GOOD(flatkv_named_cursors(store, &names));
  EXPECT(flatkv_buffer_size(names) == 8 + 4 + 7);
  EXPECT(memcmp(flatkv_buffer_data(names) + 12, "indexer", 7) == 0);
  flatkv_free(names);
  flatkv_subscription* second = NULL;
  BAD(flatkv_subscribe(store, &from, &second)); /* the name is taken */
  GOOD(flatkv_drop_cursor(store, "indexer"));
  REFUSED(FLATKV_NOT_FOUND, flatkv_drop_cursor(store, "indexer"));
  REFUSED(FLATKV_NOT_FOUND,
          flatkv_subscription_acknowledge(subscription, flatkv_buffer_data(cursor),
                                          flatkv_buffer_size(cursor)));
  flatkv_free(subscription), flatkv_free(cursor);
}

static void test_proof(flatkv_store* store, const flatkv_options* options) {
  flatkv_report* report = NULL;
  flatkv_verdict verdict = {.size = sizeof verdict};
  flatkv_scrub_status scrub = {.size = sizeof scrub};
  flatkv_metrics metrics = {.size = sizeof metrics};
  GOOD(flatkv_flush(store));
  GOOD(flatkv_snapshot(store));
  GOOD(flatkv_verify(store, options, &report));
  EXPECT(flatkv_report_good(report) == 1 && flatkv_report_count(report) == 4 && steps > 0);
  GOOD(flatkv_report_verdict(report, FLATKV_STORAGE, &verdict));
  EXPECT(verdict.good == 1 && verdict.readable == 1 && verdict.database == FLATKV_STORAGE);
  EXPECT(verdict.expected_rows == 3 && verdict.found_rows == 3);
  flatkv_free(report);
  GOOD(flatkv_scrub(store, 100, &scrub));
  GOOD(flatkv_scrub(store, 100, NULL));
  GOOD(flatkv_scrub_status_get(store, &scrub));
  EXPECT(scrub.round >= 1 && scrub.findings == 0);
  GOOD(flatkv_metrics_get(store, &metrics));
  EXPECT(metrics.flushes >= 1 && metrics.size == sizeof metrics && metrics.log_bytes > 0);
  /* A caller that was compiled with an older header gets what it knows, and no byte more. */
  memset(&metrics, 0x55, sizeof metrics);
  metrics.size = offsetof(flatkv_metrics, flushes);
  GOOD(flatkv_metrics_get(store, &metrics));
  EXPECT(metrics.size == offsetof(flatkv_metrics, flushes));
  EXPECT(metrics.flushes == UINT64_C(0x5555555555555555));
}

static void test_streams(flatkv_store* store, const char* copy, struct bytes* stream) {
  flatkv_view* view = NULL;
  flatkv_roots roots, other;
  flatkv_stop* stop = NULL;
  flatkv_options* stopped = NULL;
  int64_t version = 0;
  GOOD(flatkv_view_new(store, &view));
  GOOD(flatkv_committed_roots(view, &roots));
  stream->size = stream->at = 0;
  GOOD(flatkv_export(view, write_bytes, stream, NULL));
  REFUSED(FLATKV_CANCELLED, flatkv_export(view, write_nothing, NULL, NULL));
  GOOD(flatkv_stop_new(&stop));
  GOOD(flatkv_options_new(&stopped));
  GOOD(flatkv_options_stop(stopped, stop));
  flatkv_stop_request(stop);
  flatkv_free(stop);
  REFUSED(FLATKV_CANCELLED, flatkv_export(view, write_bytes, stream, stopped));
  flatkv_free(stopped);
  stream->size = stream->at = 0;
  GOOD(flatkv_export(view, write_bytes, stream, NULL));
  REFUSED(FLATKV_CANCELLED, flatkv_import(copy, read_nothing, NULL, NULL, NULL, NULL));
  BAD(flatkv_import(copy, read_too_much, NULL, NULL, NULL, NULL));
  other = roots;
  other.storage[0] ^= 1;
  EXPECT(flatkv_error_code(NULL) == FLATKV_OK);
  flatkv_error* error = flatkv_import(copy, read_bytes, stream, &other, NULL, NULL);
  EXPECT(error != NULL);
  flatkv_free(error);
  stream->at = 0;
  GOOD(flatkv_import(copy, read_bytes, stream, &roots, NULL, &version));
  EXPECT(version == flatkv_version(store));
  flatkv_free(view);
}

/* All rows of a view into a store of their own. */
static void import_rows(const flatkv_view* view, const char* path, const flatkv_options* options,
                        flatkv_importer** importer) {
  GOOD(flatkv_importer_new(path, options, importer));
  for (uint32_t database = FLATKV_ACCOUNT; database <= FLATKV_LEGACY; ++database) {
    flatkv_iterator* rows = NULL;
    size_t size = 0;
    GOOD(flatkv_iterate(view, database, none, none, none, &rows));
    do {
      flatkv_buffer* batch = NULL;
      GOOD(flatkv_iterator_batch(rows, 2, 1 << 20, &batch));
      size = flatkv_buffer_size(batch);
      GOOD(flatkv_importer_add(*importer, database, flatkv_buffer_data(batch), size));
      flatkv_free(batch);
    } while (size != 0);
    flatkv_free(rows);
  }
}

static void test_importer(flatkv_store* store, const char* copy) {
  flatkv_view* view = NULL;
  flatkv_importer* importer = NULL;
  flatkv_store* made = NULL;
  flatkv_options* options = NULL;
  flatkv_roots roots, other, found;
  GOOD(flatkv_view_new(store, &view));
  GOOD(flatkv_committed_roots(view, &roots));
  BAD(flatkv_importer_new(copy, NULL, &importer)); /* there is a store */
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_REPLACE, 1));
  import_rows(view, copy, options, &importer);
  REFUSED(FLATKV_LOCKED, flatkv_open(copy, NULL, &made));
  flatkv_importer_abort(importer);
  BAD(flatkv_importer_finish(importer, 7, NULL, NULL));
  flatkv_free(importer);
  import_rows(view, copy, options, &importer);
  other = roots;
  other.storage[0] ^= 1;
  flatkv_error* error = flatkv_importer_finish(importer, 7, &other, &found);
  EXPECT(flatkv_error_code(error) == FLATKV_CORRUPTION);
  flatkv_free(error), flatkv_free(importer);
  import_rows(view, copy, options, &importer);
  GOOD(flatkv_importer_finish(importer, 77, &roots, &found));
  EXPECT(memcmp(&found, &roots, sizeof roots) == 0);
  flatkv_importer_abort(importer); /* it is over */
  flatkv_free(importer);
  GOOD(flatkv_open(copy, NULL, &made));
  EXPECT(flatkv_version(made) == 77 && slot_of(made, 1) == slot_of(view, 1));
  GOOD(flatkv_committed_roots(made, &found));
  EXPECT(memcmp(&found, &roots, sizeof roots) == 0);
  GOOD(flatkv_close(made));
  flatkv_free(made), flatkv_free(view), flatkv_free(options);
}

static void test_reader(const char* path, const char* scratch, struct bytes* block) {
  flatkv_reader* reader = NULL;
  flatkv_view* view = NULL;
  flatkv_options* options = NULL;
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_AT_VERSION, 2));
  GOOD(flatkv_options_scratch(options, "/nonexistent/scratch"));
  REFUSED(FLATKV_NOT_FOUND, flatkv_open_reader(path, options, &reader));
  GOOD(flatkv_options_scratch(options, scratch));
  GOOD(flatkv_open_reader(path, options, &reader));
  EXPECT(flatkv_version(reader) == 2 && slot_of(reader, 2) == 22 && slot_of(reader, 3) == 0);
  make_block(block, 3, 5);
  GOOD(flatkv_apply(reader, block->data, block->size));
  EXPECT(slot_of(reader, 3) == 5);
  GOOD(flatkv_discard(reader));
  flatkv_report* report = NULL;
  flatkv_roots roots, same;
  GOOD(flatkv_verify(reader, NULL, &report));
  EXPECT(flatkv_report_good(report) == 1 && flatkv_report_count(report) == 4);
  flatkv_free(report);
  GOOD(flatkv_view_new(reader, &view));
  GOOD(flatkv_committed_roots(reader, &roots));
  GOOD(flatkv_committed_roots(view, &same));
  EXPECT(memcmp(&roots, &same, sizeof roots) == 0);
  flatkv_free(reader); /* the view keeps the copy */
  EXPECT(slot_of(view, 2) == 22);
  flatkv_free(view), flatkv_free(options);
}

static void test_errors(const char* path) {
  flatkv_store* store = NULL;
  flatkv_buffer* remedies = NULL;
  int64_t version;
  uint32_t database;
  flatkv_error* error = flatkv_open(path, NULL, &store); /* it is open already */
  EXPECT(flatkv_error_code(error) == FLATKV_LOCKED && store == NULL);
  EXPECT(strlen(flatkv_error_message(error)) > 0 && strstr(flatkv_error_path(error), path));
  EXPECT(strstr(flatkv_error_text(error), "locked") != NULL);
  EXPECT(flatkv_error_database(error, &database) == 0 &&
         flatkv_error_version(error, &version) == 0);
  flatkv_free(error);
  flatkv_options* later = NULL;
  flatkv_reader* reader = NULL;
  GOOD(flatkv_options_new(&later));
  GOOD(flatkv_options_set(later, FLATKV_AT_VERSION, 12345));
  error = flatkv_open_reader(path, later, &reader);
  EXPECT(flatkv_error_code(error) == FLATKV_VERSION_MISMATCH && reader == NULL);
  version = 0;
  EXPECT(flatkv_error_version(error, &version) == 1 && version == 12345);
  EXPECT(flatkv_error_version(error, NULL) == 1);
  flatkv_free(error), flatkv_free(later);
  static const char* const names[] = {"",
                                      "invalid_argument",
                                      "not_found",
                                      "locked",
                                      "corruption",
                                      "log_gap",
                                      "log_behind",
                                      "version_mismatch",
                                      "format_too_new",
                                      "foreign_store",
                                      "import_incomplete",
                                      "store_failed",
                                      "io",
                                      "no_space",
                                      "permission",
                                      "cancelled",
                                      "unsupported",
                                      "out_of_memory",
                                      "stale",
                                      ""};
  for (uint32_t code = 0; code < sizeof names / sizeof names[0]; ++code) {
    EXPECT(strcmp(flatkv_code_name(code), names[code]) == 0);
  }
  GOOD(flatkv_remedies(path, &remedies));
  flatkv_free(remedies);
  REFUSED(FLATKV_NOT_FOUND, flatkv_remedies("/nonexistent/store", &remedies));
}

static void with_all_handles(flatkv_store* store, flatkv_options* options, const char* path,
                             const char* copy, const char* imported) {
  struct all_handles all = {.options = options, .store = store};
  GOOD(flatkv_repair(copy, 1U << FLATKV_CODE, NULL, NULL, &all.repairs));
  GOOD(flatkv_stop_new(&all.stop));
  GOOD(flatkv_named_cursors(store, &all.buffer));
  GOOD(flatkv_open_reader(path, NULL, &all.reader));
  GOOD(flatkv_view_new(store, &all.view));
  GOOD(flatkv_overlay_new(store, &all.overlay));
  GOOD(flatkv_iterate(store, FLATKV_STORAGE, none, none, none, &all.iterator));
  GOOD(flatkv_changes_new(store, 1, 1, &all.changes));
  GOOD(flatkv_changes_next(all.changes, &all.block));
  GOOD(flatkv_subscribe(store, NULL, &all.subscription));
  GOOD(flatkv_verify(store, NULL, &all.report));
  GOOD(flatkv_importer_new(imported, NULL, &all.importer));
  refuse_everything(&all, path);
  flatkv_free(all.importer), flatkv_free(all.repairs);
  flatkv_free(all.stop), flatkv_free(all.buffer), flatkv_free(all.reader), flatkv_free(all.view);
  flatkv_free(all.overlay), flatkv_free(all.iterator), flatkv_free(all.changes);
  flatkv_free(all.block), flatkv_free(all.subscription), flatkv_free(all.report);
}

int main(void) {
  static struct bytes bytes;
  char place[128], path[160], copy[160], other[160], strict[160], imported[160], threads[160];
  make_place(place);
  snprintf(path, sizeof path, "%s/store", place);
  snprintf(copy, sizeof copy, "%s/copy", place);
  snprintf(other, sizeof other, "%s/other", place);
  snprintf(strict, sizeof strict, "%s/strict", place);
  snprintf(imported, sizeof imported, "%s/imported", place);
  snprintf(threads, sizeof threads, "%s/threads", place);
  EXPECT(strlen(flatkv_version_text()) >= 5);

  GOOD(flatkv_create(other, NULL));
  BAD(flatkv_create(other, NULL));
  test_ranges(strict);
  test_option_limits(strict);
  test_strict(strict);
  test_executor(threads, &bytes);
  flatkv_options* options = make_options();
  flatkv_store* store = NULL;
  REFUSED(FLATKV_NOT_FOUND, flatkv_open(path, NULL, &store));
  GOOD(flatkv_open(path, options, &store));
  test_errors(path);
  test_blocks(store, &bytes);
  test_reads(store);
  test_iterator(store);
  test_prefetch(store);
  test_forks(store, &bytes);
  test_changes(store, &bytes);
  test_proof(store, options);
  test_hashes(store, &bytes);
  test_diff(store);
  test_streams(store, copy, &bytes);
  test_importer(store, copy);
  test_reader(path, place, &bytes);
  with_all_handles(store, options, path, copy, imported);
  flatkv_view* left = NULL;
  flatkv_overlay* overlay = NULL;
  GOOD(flatkv_view_new(store, &left));
  GOOD(flatkv_overlay_new(store, &overlay));
  GOOD(flatkv_close(store));
  GOOD(flatkv_close(store));
  EXPECT(flatkv_version(store) == 3 && slot_of(left, 3) == 33);
  refuse_closed(store, overlay);
  flatkv_free(store), flatkv_free(left), flatkv_free(overlay), flatkv_free(options);
  test_repair(path);
  GOOD(flatkv_rollback_path(path, 2, NULL));
  GOOD(flatkv_open(path, NULL, &store));
  EXPECT(flatkv_version(store) == 2);
  flatkv_open_report report = {.size = sizeof report};
  GOOD(flatkv_open_report_get(store, &report));
  EXPECT(report.clean == 1 && report.replayed_blocks == 0 && report.backfilled == 0);
  flatkv_free(store);
  flatkv_free(NULL);
  EXPECT(durable > 0 && logged > 0);

  remove_place(place);
  return 0;
}
