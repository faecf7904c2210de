/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
/* Every function with what it must refuse: nothing crashes, and nothing changes. */
#include "support.h"

static const flatkv_bytes none = {NULL, 0};
static const flatkv_bytes nowhere = {NULL, 5}; /* a size without bytes */
static uint8_t key[53] = {3};
static uint8_t place[64];

static int32_t write_bytes(void* user, const uint8_t* data, size_t size) {
  (void)user, (void)data, (void)size;
  return 0;
}
static int64_t read_bytes(void* user, uint8_t* into, size_t size) {
  (void)user, (void)into, (void)size;
  return 0;
}

static int32_t run_task(void* user, void (*step)(void*), void* task) {
  (void)user, (void)step, (void)task;
  return 1;
}
static int32_t see_difference(void* user, uint32_t database, flatkv_bytes row,
                              const flatkv_bytes* a, const flatkv_bytes* b) {
  (void)user, (void)database, (void)row, (void)a, (void)b;
  return 0;
}

/* Handles that a C program can only pass by mistake. */
#define AS(type, handle) ((type*)(void*)(handle))

static void refuse_options(const struct all_handles* all) {
  BAD(flatkv_options_new(NULL));
  BAD(flatkv_stop_new(NULL));
  BAD(flatkv_options_set(NULL, FLATKV_STRICT, 1));
  BAD(flatkv_options_set(AS(flatkv_options, all->store), FLATKV_STRICT, 1));
  BAD(flatkv_options_set(all->options, 0, 0));
  BAD(flatkv_options_set(all->options, 12345, 0));
  BAD(flatkv_options_set(all->options, FLATKV_STRICT, 2));
  BAD(flatkv_options_set(all->options, FLATKV_THREADS, UINT64_C(1) << 32));
  BAD(flatkv_options_set(all->options, FLATKV_INITIAL_VERSION, UINT64_MAX));
  BAD(flatkv_options_log(NULL, NULL, NULL));
  BAD(flatkv_options_log(AS(flatkv_options, all->view), NULL, NULL));
  BAD(flatkv_options_on_durable(NULL, NULL, NULL));
  BAD(flatkv_options_on_durable(AS(flatkv_options, all->view), NULL, NULL));
  BAD(flatkv_options_progress(NULL, NULL, NULL));
  BAD(flatkv_options_progress(AS(flatkv_options, all->view), NULL, NULL));
  BAD(flatkv_options_stop(all->options, NULL));
  BAD(flatkv_options_stop(NULL, all->stop));
  BAD(flatkv_options_stop(all->options, AS(const flatkv_stop, all->options)));
  BAD(flatkv_options_scratch(NULL, "/tmp"));
  BAD(flatkv_options_scratch(AS(flatkv_options, all->stop), "/tmp"));
  BAD(flatkv_options_strict_module(NULL, "bank"));
  BAD(flatkv_options_strict_module(AS(flatkv_options, all->stop), "bank"));
  BAD(flatkv_options_executor(NULL, 1, run_task, NULL));
  BAD(flatkv_options_executor(AS(flatkv_options, all->stop), 1, run_task, NULL));
  BAD(flatkv_options_executor(all->options, 0, run_task, NULL));
  flatkv_stop_request(NULL);
  flatkv_stop_request(AS(flatkv_stop, all->store));
}

static void refuse_lifetimes(const struct all_handles* all, const char* path) {
  const flatkv_options* wrong = AS(const flatkv_options, all->stop);
  flatkv_store* store = NULL;
  flatkv_reader* reader = NULL;
  flatkv_buffer* buffer = NULL;
  BAD(flatkv_remedies(NULL, &buffer));
  BAD(flatkv_remedies(path, NULL));
  BAD(flatkv_create(NULL, NULL));
  BAD(flatkv_create("/nonexistent/never", wrong));
  BAD(flatkv_open(NULL, NULL, &store));
  BAD(flatkv_open(path, NULL, NULL));
  BAD(flatkv_open(path, wrong, &store));
  BAD(flatkv_open_reader(NULL, NULL, &reader));
  BAD(flatkv_open_reader(path, NULL, NULL));
  BAD(flatkv_open_reader(path, wrong, &reader));
  BAD(flatkv_rollback_path(NULL, 1, NULL));
  BAD(flatkv_rollback_path(path, 1, wrong));
  EXPECT(store == NULL && reader == NULL && buffer == NULL);
}

static void refuse_writes(const struct all_handles* all) {
  flatkv_store* view = AS(flatkv_store, all->view);
  flatkv_store* both[] = {NULL, view};
  flatkv_roots roots;
  flatkv_overlay* overlay = NULL;
  for (int i = 0; i < 2; ++i) {
    BAD(flatkv_close(both[i]));
    BAD(flatkv_apply(both[i], NULL, 0));
    BAD(flatkv_working_roots(both[i], &roots));
    BAD(flatkv_discard(both[i]));
    BAD(flatkv_commit(both[i], 4, NULL));
    BAD(flatkv_apply_commit(both[i], NULL, 0, 4, NULL));
    BAD(flatkv_wait_durable(both[i], 1));
    BAD(flatkv_flush(both[i]));
    BAD(flatkv_snapshot(both[i]));
    BAD(flatkv_rollback(both[i], 1));
    BAD(flatkv_overlay_new(both[i], &overlay));
    BAD(flatkv_commit_overlay(both[i], all->overlay, 4, NULL));
    EXPECT(flatkv_durable_version(both[i]) == 0 && flatkv_initial_version(both[i]) == 0);
  }
  BAD(flatkv_apply(all->store, NULL, 7));
  BAD(flatkv_apply(all->store, key, SIZE_MAX));
  BAD(flatkv_apply_commit(all->store, NULL, 7, 4, NULL));
  BAD(flatkv_working_roots(all->store, NULL));
  BAD(flatkv_discard(all->overlay));
  BAD(flatkv_overlay_new(all->store, NULL));
  BAD(flatkv_commit_overlay(all->store, NULL, 4, NULL));
  BAD(flatkv_commit_overlay(all->store, AS(flatkv_overlay, all->view), 4, NULL));
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_commit(all->store, 77, NULL));
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_apply_commit(all->store, NULL, 0, 77, NULL));
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_commit_overlay(all->store, all->overlay, 77, NULL));
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_rollback(all->store, 77));
}

static void refuse_reads(const struct all_handles* all) {
  const void* both[] = {NULL, all->report};
  const flatkv_bytes keys[2] = {{key, 53}, {NULL, 5}};
  flatkv_account_fields account;
  flatkv_roots roots;
  flatkv_buffer* buffer = NULL;
  flatkv_view* view = NULL;
  flatkv_iterator* rows = NULL;
  uint32_t exists;
  int64_t size = 5;
  for (int i = 0; i < 2; ++i) {
    BAD(flatkv_get(both[i], key, 53, place, 64, &size));
    BAD(flatkv_row(both[i], FLATKV_CODE, key, 20, place, 64, &size));
    BAD(flatkv_storage(both[i], key, key, place, 64, &size));
    BAD(flatkv_code(both[i], key, place, 64, &size));
    BAD(flatkv_account(both[i], key, &account, &exists));
    BAD(flatkv_get_many(both[i], keys, 1, &buffer));
    BAD(flatkv_iterate(both[i], FLATKV_CODE, none, none, none, &rows));
    BAD(flatkv_view_new(both[i], &view));
    BAD(flatkv_view_at(both[i], 1, &view));
    BAD(flatkv_committed_roots(both[i], &roots));
    BAD(flatkv_prefetch(both[i], keys, 1));
    EXPECT(flatkv_version(both[i]) == 0 && flatkv_account_rows(both[i]) == 0);
  }
  BAD(flatkv_prefetch(all->view, keys, 1));
  BAD(flatkv_prefetch(all->reader, keys, 1));
  BAD(flatkv_prefetch(all->store, NULL, 1));
  BAD(flatkv_prefetch(all->store, keys, 2));
  BAD(flatkv_prefetch(all->overlay, keys, SIZE_MAX));
  BAD(flatkv_prefetch(all->overlay, &none, 1));
  BAD(flatkv_get(all->view, NULL, 53, place, 64, &size));
  BAD(flatkv_get(all->view, key, 53, NULL, 64, &size));
  BAD(flatkv_get(all->view, key, 53, place, 64, NULL));
  BAD(flatkv_get(all->view, key, SIZE_MAX, place, 64, &size));
  BAD(flatkv_row(all->view, 5, key, 20, place, 64, &size));
  BAD(flatkv_row(all->view, FLATKV_METADATA, key, 20, place, 64, &size));
  BAD(flatkv_row(all->view, FLATKV_CODE, NULL, 20, place, 64, &size));
  BAD(flatkv_row(all->view, FLATKV_CODE, key, 20, place, 64, NULL));
  BAD(flatkv_storage(all->view, NULL, key, place, 64, &size));
  BAD(flatkv_storage(all->view, key, NULL, place, 64, &size));
  BAD(flatkv_storage(all->view, key, key, place, 64, NULL));
  BAD(flatkv_code(all->view, NULL, place, 64, &size));
  BAD(flatkv_code(all->view, key, NULL, 64, &size));
  BAD(flatkv_code(all->view, key, place, 64, NULL));
  BAD(flatkv_account(all->view, NULL, &account, &exists));
  BAD(flatkv_account(all->view, key, NULL, &exists));
  BAD(flatkv_account(all->view, key, &account, NULL));
  BAD(flatkv_get_many(all->view, NULL, 2, &buffer));
  BAD(flatkv_get_many(all->view, keys, 2, &buffer));
  BAD(flatkv_get_many(all->view, keys, SIZE_MAX, &buffer));
  BAD(flatkv_get_many(all->view, keys, 1, NULL));
  BAD(flatkv_committed_roots(all->view, NULL));
  BAD(flatkv_committed_roots(all->overlay, &roots));
  BAD(flatkv_view_new(all->store, NULL));
  BAD(flatkv_view_new(all->view, &view));
  BAD(flatkv_view_at(all->store, 1, NULL));
  EXPECT(size == 5 && buffer == NULL && view == NULL && rows == NULL);
}

static void refuse_iterators(const struct all_handles* all) {
  flatkv_iterator* wrong = AS(flatkv_iterator, all->store);
  flatkv_iterator* rows = NULL;
  flatkv_buffer* buffer = NULL;
  uint32_t valid = 9;
  BAD(flatkv_iterate(all->view, 5, none, none, none, &rows));
  BAD(flatkv_iterate(all->view, FLATKV_METADATA, none, none, none, &rows));
  BAD(flatkv_iterate(all->view, FLATKV_CODE, nowhere, none, none, &rows));
  BAD(flatkv_iterate(all->view, FLATKV_CODE, none, nowhere, none, &rows));
  BAD(flatkv_iterate(all->view, FLATKV_CODE, none, none, nowhere, &rows));
  BAD(flatkv_iterate(all->view, FLATKV_CODE, none, none, none, NULL));
  BAD(flatkv_iterator_move(NULL, FLATKV_NEXT, none, &valid));
  BAD(flatkv_iterator_move(wrong, FLATKV_NEXT, none, &valid));
  BAD(flatkv_iterator_move(all->iterator, 6, none, &valid));
  BAD(flatkv_iterator_move(all->iterator, FLATKV_SEEK, nowhere, &valid));
  BAD(flatkv_iterator_row(NULL, NULL, NULL, &valid));
  BAD(flatkv_iterator_row(wrong, NULL, NULL, &valid));
  BAD(flatkv_iterator_batch(NULL, 1, 1, &buffer));
  BAD(flatkv_iterator_batch(wrong, 1, 1, &buffer));
  BAD(flatkv_iterator_batch(all->iterator, 0, 1, &buffer));
  BAD(flatkv_iterator_batch(all->iterator, 1, 1, NULL));
  EXPECT(valid == 9 && rows == NULL && buffer == NULL);
}

static void refuse_changes(const struct all_handles* all) {
  flatkv_subscribe_options options = {.size = sizeof options};
  flatkv_block_info info = {.size = sizeof info};
  flatkv_block* block = NULL;
  flatkv_buffer* buffer = NULL;
  flatkv_changes* changes = NULL;
  flatkv_subscription* subscription = NULL;
  void* const both[] = {NULL, all->options};
  for (int i = 0; i < 2; ++i) {
    BAD(flatkv_block_info_get(both[i], &info));
    BAD(flatkv_block_changes(both[i], &buffer));
    BAD(flatkv_changes_new(both[i], 1, 1, &changes));
    BAD(flatkv_changes_next(both[i], &block));
    BAD(flatkv_subscribe(both[i], NULL, &subscription));
    BAD(flatkv_subscription_next(both[i], 0, &block));
    BAD(flatkv_subscription_cursor(both[i], &buffer));
    BAD(flatkv_subscription_acknowledge(both[i], key, 1));
    BAD(flatkv_named_cursors(both[i], &buffer));
    BAD(flatkv_drop_cursor(both[i], "name"));
  }
  BAD(flatkv_block_info_get(all->block, NULL));
  info.size = 7;
  BAD(flatkv_block_info_get(all->block, &info));
  BAD(flatkv_block_changes(all->block, NULL));
  BAD(flatkv_changes_new(all->store, 1, 1, NULL));
  BAD(flatkv_changes_new(all->store, 3, 1, &changes));
  REFUSED(FLATKV_VERSION_MISMATCH, flatkv_changes_new(all->store, 1, 99, &changes));
  BAD(flatkv_changes_next(all->changes, NULL));
  BAD(flatkv_subscribe(all->store, NULL, NULL));
  options.size = 0;
  BAD(flatkv_subscribe(all->store, &options, &subscription));
  options.size = SIZE_MAX;
  BAD(flatkv_subscribe(all->store, &options, &subscription));
  struct {
    flatkv_subscribe_options known;
    uint64_t newer;
  } newer = {.known = {.size = sizeof newer}, .newer = 1};
  BAD(flatkv_subscribe(all->store, &newer.known, &subscription));
  options.size = sizeof options;
  options.committed = 2;
  BAD(flatkv_subscribe(all->store, &options, &subscription));
  options.committed = 0;
  options.cursor = nowhere;
  BAD(flatkv_subscribe(all->store, &options, &subscription));
  options.cursor = (flatkv_bytes){key, sizeof key};
  REFUSED(FLATKV_CORRUPTION, flatkv_subscribe(all->store, &options, &subscription));
  options.cursor = none;
  options.name = "no such / name";
  BAD(flatkv_subscribe(all->store, &options, &subscription));
  BAD(flatkv_subscription_next(all->subscription, 0, NULL));
  BAD(flatkv_subscription_cursor(all->subscription, NULL));
  BAD(flatkv_subscription_acknowledge(all->subscription, NULL, 5));
  REFUSED(FLATKV_CORRUPTION, flatkv_subscription_acknowledge(all->subscription, key, 53));
  BAD(flatkv_named_cursors(all->store, NULL));
  BAD(flatkv_drop_cursor(all->store, NULL));
  EXPECT(block == NULL && buffer == NULL && changes == NULL && subscription == NULL);
}

static void refuse_proof(const struct all_handles* all, const char* path) {
  const flatkv_options* wrong = AS(const flatkv_options, all->stop);
  flatkv_scrub_status scrub = {.size = sizeof scrub};
  flatkv_metrics metrics = {.size = sizeof metrics};
  flatkv_verdict verdict = {.size = sizeof verdict};
  flatkv_report* report = NULL;
  void* const both[] = {NULL, all->options};
  for (int i = 0; i < 2; ++i) {
    BAD(flatkv_verify(both[i], NULL, &report));
    EXPECT(flatkv_report_good(both[i]) == 0 && flatkv_report_count(both[i]) == 0);
    BAD(flatkv_report_verdict(both[i], 0, &verdict));
    BAD(flatkv_scrub(both[i], 1, &scrub));
    BAD(flatkv_scrub_status_get(both[i], &scrub));
    BAD(flatkv_export(both[i], write_bytes, NULL, NULL));
    BAD(flatkv_metrics_get(both[i], &metrics));
  }
  BAD(flatkv_verify(all->view, NULL, NULL));
  BAD(flatkv_verify(all->overlay, NULL, &report));
  BAD(flatkv_verify(all->view, wrong, &report));
  BAD(flatkv_report_verdict(all->report, 4, &verdict));
  BAD(flatkv_report_verdict(all->report, 0, NULL));
  BAD(flatkv_scrub(all->store, 0, &scrub));
  scrub.size = 7;
  BAD(flatkv_scrub(all->store, 1, &scrub));
  BAD(flatkv_scrub_status_get(all->store, NULL));
  BAD(flatkv_export(all->view, NULL, NULL, NULL));
  BAD(flatkv_export(all->view, write_bytes, NULL, wrong));
  BAD(flatkv_import(NULL, read_bytes, NULL, NULL, NULL, NULL));
  BAD(flatkv_import(path, NULL, NULL, NULL, NULL, NULL));
  BAD(flatkv_import(path, read_bytes, NULL, NULL, wrong, NULL));
  BAD(flatkv_metrics_get(all->store, NULL));
  metrics.size = 3;
  BAD(flatkv_metrics_get(all->store, &metrics));
  EXPECT(report == NULL);
}

static void refuse_hashes(const struct all_handles* all) {
  static uint8_t hash[FLATKV_HASH_BYTES], checksum[32];
  void* const wrong[] = {NULL, all->options, all->reader};
  for (int i = 0; i < 3; ++i) BAD(flatkv_hash(wrong[i], FLATKV_CODE, hash));
  BAD(flatkv_hash(all->view, FLATKV_METADATA, hash));
  BAD(flatkv_hash(all->overlay, FLATKV_METADATA, hash));
  BAD(flatkv_hash(all->view, 5, hash));
  BAD(flatkv_hash(all->view, FLATKV_CODE, NULL));
  BAD(flatkv_hash_add(NULL, hash));
  BAD(flatkv_hash_add(hash, NULL));
  BAD(flatkv_hash_subtract(NULL, hash));
  BAD(flatkv_hash_subtract(hash, NULL));
  BAD(flatkv_hash_checksum(NULL, checksum));
  BAD(flatkv_hash_checksum(hash, NULL));
  for (int i = 0; i < FLATKV_HASH_BYTES; ++i) EXPECT(hash[i] == 0);
}

static void refuse_tools(const struct all_handles* all, const char* path) {
  const flatkv_options* wrong = AS(const flatkv_options, all->stop);
  flatkv_open_report report = {.size = sizeof report};
  flatkv_repair_result result = {.size = sizeof result};
  flatkv_repairs* repairs = NULL;
  flatkv_error* damage = NULL;
  void* const both[] = {NULL, all->options};
  for (int i = 0; i < 2; ++i) {
    BAD(flatkv_open_report_get(both[i], &report));
    BAD(flatkv_diff(both[i], all->view, see_difference, NULL, NULL));
    BAD(flatkv_diff(all->view, both[i], see_difference, NULL, NULL));
    EXPECT(flatkv_repairs_count(both[i]) == 0);
    BAD(flatkv_repairs_get(both[i], 0, &result));
    BAD(flatkv_repairs_damage(both[i], 0, &damage));
  }
  BAD(flatkv_open_report_get(all->store, NULL));
  report.size = 7;
  BAD(flatkv_open_report_get(all->store, &report));
  BAD(flatkv_diff(all->view, all->view, NULL, NULL, NULL));
  BAD(flatkv_diff(all->view, all->view, see_difference, NULL, wrong));
  BAD(flatkv_repair(NULL, 1, NULL, NULL, &repairs));
  BAD(flatkv_repair(path, 0, NULL, NULL, &repairs));
  BAD(flatkv_repair(path, 32, NULL, NULL, &repairs));
  BAD(flatkv_repair(path, 1, NULL, wrong, &repairs));
  BAD(flatkv_repair(path, 1, NULL, NULL, NULL));
  REFUSED(FLATKV_LOCKED, flatkv_repair(path, 1, NULL, NULL, &repairs));
  BAD(flatkv_repairs_get(all->repairs, 5, &result));
  BAD(flatkv_repairs_get(all->repairs, 0, NULL));
  BAD(flatkv_repairs_damage(all->repairs, 5, &damage));
  BAD(flatkv_repairs_damage(all->repairs, 0, NULL));
  EXPECT(repairs == NULL && damage == NULL);
}

static void refuse_imports(const struct all_handles* all, const char* path) {
  static const uint8_t row[] = {20, 0, 0, 0, 1, 0, 0, 0, 9};
  flatkv_importer* importer = NULL;
  flatkv_roots roots;
  void* const both[] = {NULL, all->options};
  for (int i = 0; i < 2; ++i) {
    BAD(flatkv_importer_add(both[i], FLATKV_CODE, NULL, 0));
    BAD(flatkv_importer_finish(both[i], 1, NULL, &roots));
    flatkv_importer_abort(both[i]);
  }
  BAD(flatkv_importer_new(NULL, NULL, &importer));
  BAD(flatkv_importer_new(path, NULL, NULL));
  BAD(flatkv_importer_new(path, AS(const flatkv_options, all->stop), &importer));
  EXPECT(importer == NULL);
  BAD(flatkv_importer_add(all->importer, FLATKV_METADATA, NULL, 0));
  BAD(flatkv_importer_add(all->importer, 5, NULL, 0));
  BAD(flatkv_importer_add(all->importer, FLATKV_CODE, NULL, 5));
  for (size_t size = 1; size <= sizeof row; ++size) {
    flatkv_error* error = flatkv_importer_add(all->importer, FLATKV_CODE, row, size);
    uint64_t offset = 99;
    EXPECT(flatkv_error_code(error) == FLATKV_INVALID_ARGUMENT);
    EXPECT(flatkv_error_offset(error, &offset) == 1 && offset == 0);
    flatkv_free(error);
  }
}

static void refuse_errors_and_buffers(const struct all_handles* all) {
  const flatkv_error* wrong = AS(const flatkv_error, all->options);
  EXPECT(flatkv_error_code(wrong) == FLATKV_OK);
  EXPECT(strcmp(flatkv_error_message(NULL), "") == 0 && strcmp(flatkv_error_text(wrong), "") == 0);
  EXPECT(strcmp(flatkv_error_path(NULL), "") == 0 && strcmp(flatkv_error_path(wrong), "") == 0);
  EXPECT(flatkv_error_database(NULL, NULL) == 0 && flatkv_error_version(NULL, NULL) == 0);
  EXPECT(flatkv_error_offset(wrong, NULL) == 0);
  EXPECT(flatkv_buffer_data(NULL) == NULL && flatkv_buffer_size(NULL) == 0);
  EXPECT(flatkv_buffer_data(AS(const flatkv_buffer, all->view)) == NULL);
  EXPECT(flatkv_buffer_size(AS(const flatkv_buffer, all->view)) == 0);
  static uint64_t no_handle[8];
  flatkv_free(no_handle);
}

void refuse_everything(const struct all_handles* all, const char* path) {
  flatkv_roots before, after;
  const int64_t version = flatkv_version(all->store);
  GOOD(flatkv_working_roots(all->store, &before));
  refuse_options(all);
  refuse_lifetimes(all, path);
  refuse_writes(all);
  refuse_reads(all);
  refuse_iterators(all);
  refuse_changes(all);
  refuse_proof(all, path);
  refuse_hashes(all);
  refuse_tools(all, path);
  refuse_imports(all, path);
  refuse_errors_and_buffers(all);
  GOOD(flatkv_working_roots(all->store, &after));
  EXPECT(memcmp(&before, &after, sizeof before) == 0 && flatkv_version(all->store) == version);
}

void refuse_closed(flatkv_store* closed, flatkv_overlay* left) {
  const uint32_t gone = FLATKV_STORE_FAILED;
  const flatkv_bytes keys[1] = {{key, 53}};
  flatkv_account_fields account;
  flatkv_roots roots;
  flatkv_buffer* buffer = NULL;
  flatkv_view* view = NULL;
  flatkv_overlay* overlay = NULL;
  flatkv_iterator* rows = NULL;
  flatkv_changes* changes = NULL;
  flatkv_subscription* subscription = NULL;
  flatkv_report* report = NULL;
  uint32_t exists;
  int64_t size;
  REFUSED(gone, flatkv_apply(closed, NULL, 0));
  GOOD(flatkv_working_roots(closed, &roots));
  REFUSED(gone, flatkv_commit(closed, 4, NULL));
  REFUSED(gone, flatkv_apply_commit(closed, NULL, 0, 4, NULL));
  REFUSED(gone, flatkv_flush(closed));
  REFUSED(gone, flatkv_snapshot(closed));
  REFUSED(gone, flatkv_rollback(closed, 1));
  REFUSED(gone, flatkv_view_new(closed, &view));
  REFUSED(gone, flatkv_view_at(closed, 1, &view));
  REFUSED(gone, flatkv_overlay_new(closed, &overlay));
  REFUSED(gone, flatkv_get(closed, key, 53, place, 64, &size));
  REFUSED(gone, flatkv_row(closed, FLATKV_CODE, key, 20, place, 64, &size));
  REFUSED(gone, flatkv_storage(closed, key, key, place, 64, &size));
  REFUSED(gone, flatkv_code(closed, key, place, 64, &size));
  REFUSED(gone, flatkv_account(closed, key, &account, &exists));
  REFUSED(gone, flatkv_get_many(closed, keys, 1, &buffer));
  REFUSED(gone, flatkv_iterate(closed, FLATKV_CODE, none, none, none, &rows));
  REFUSED(gone, flatkv_changes_new(closed, 1, 1, &changes));
  REFUSED(gone, flatkv_subscribe(closed, NULL, &subscription));
  REFUSED(gone, flatkv_named_cursors(closed, &buffer));
  REFUSED(gone, flatkv_drop_cursor(closed, "name"));
  REFUSED(gone, flatkv_verify(closed, NULL, &report));
  REFUSED(gone, flatkv_scrub(closed, 1, NULL));
  REFUSED(gone, flatkv_prefetch(closed, keys, 1));
  REFUSED(gone, flatkv_commit_overlay(closed, left, 4, NULL));
  REFUSED(gone, flatkv_apply(left, NULL, 0));
  REFUSED(gone, flatkv_working_roots(left, &roots));
  REFUSED(gone, flatkv_get(left, key, 53, place, 64, &size));
  REFUSED(gone, flatkv_prefetch(left, keys, 1));
  REFUSED(gone, flatkv_overlay_new(left, &overlay));
  GOOD(flatkv_scrub_status_get(closed, &(flatkv_scrub_status){.size = 8}));
  GOOD(flatkv_metrics_get(closed, &(flatkv_metrics){.size = 8}));
  GOOD(flatkv_open_report_get(closed, &(flatkv_open_report){.size = 8}));
  GOOD(flatkv_discard(closed));
  GOOD(flatkv_committed_roots(closed, &roots));
  EXPECT(!view && !overlay && !rows && !changes && !subscription && !report && !buffer);
}
