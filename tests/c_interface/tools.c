/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
/* Hashes, threads of the caller, differences and repair. */
#include <pthread.h>
#include <stddef.h>

#include "support.h"

/* Four hashes add up to the root, and what an overlay changes can be told from its hash. */
void test_hashes(flatkv_store* store, struct bytes* block) {
  static uint8_t sum[FLATKV_HASH_BYTES], one[FLATKV_HASH_BYTES], other[FLATKV_HASH_BYTES];
  uint8_t checksum[32];
  flatkv_roots roots;
  const uint8_t* all = (const uint8_t*)&roots;
  flatkv_view* view = NULL;
  flatkv_overlay* overlay = NULL;
  GOOD(flatkv_view_new(store, &view));
  GOOD(flatkv_committed_roots(view, &roots));
  for (uint32_t database = FLATKV_ACCOUNT; database <= FLATKV_LEGACY; ++database) {
    GOOD(flatkv_hash(view, database, one));
    GOOD(flatkv_hash(store, database, other));
    EXPECT(memcmp(one, other, sizeof one) == 0);
    GOOD(flatkv_hash_checksum(one, checksum));
    EXPECT(memcmp(checksum, all + offsetof(flatkv_roots, account) + (size_t)32 * database, 32) ==
           0);
    GOOD(flatkv_hash_add(sum, one));
  }
  GOOD(flatkv_hash_checksum(sum, checksum));
  EXPECT(memcmp(checksum, roots.root, 32) == 0);
  GOOD(flatkv_overlay_new(store, &overlay));
  make_block(block, 9, 99);
  GOOD(flatkv_apply(overlay, block->data, block->size));
  GOOD(flatkv_hash(overlay, FLATKV_STORAGE, one));
  GOOD(flatkv_hash(view, FLATKV_STORAGE, other));
  EXPECT(memcmp(one, other, sizeof one) != 0);
  memcpy(sum, one, sizeof sum);
  GOOD(flatkv_hash_subtract(sum, other)); /* the new row alone */
  GOOD(flatkv_hash_add(other, sum));
  EXPECT(memcmp(one, other, sizeof one) == 0);
  flatkv_free(overlay), flatkv_free(view);
}

struct seen {
  int count, end_at;
  uint8_t slot, a, b;
};
static int32_t on_difference(void* user, uint32_t database, flatkv_bytes row, const flatkv_bytes* a,
                             const flatkv_bytes* b) {
  struct seen* seen = user;
  EXPECT(database == FLATKV_STORAGE && row.size == 52);
  seen->slot = row.data[51];
  seen->a = a == NULL ? 0 : a->data[0];
  seen->b = b == NULL ? 0 : b->data[0];
  return ++seen->count == seen->end_at;
}

void test_diff(flatkv_store* store) {
  flatkv_view *old = NULL, *new = NULL;
  flatkv_options* one = NULL;
  struct seen seen = {.end_at = 99};
  GOOD(flatkv_view_at(store, 2, &old));
  GOOD(flatkv_view_new(store, &new));
  GOOD(flatkv_diff(old, old, on_difference, &seen, NULL));
  EXPECT(seen.count == 0);
  GOOD(flatkv_diff(old, new, on_difference, &seen, NULL));
  EXPECT(seen.count == 1 && seen.slot == 3 && seen.a == 0 && seen.b == 33);
  GOOD(flatkv_options_new(&one));
  GOOD(flatkv_options_set(one, FLATKV_ONE_DATABASE, FLATKV_CODE));
  GOOD(flatkv_diff(new, old, on_difference, &seen, one));
  EXPECT(seen.count == 1);
  seen = (struct seen){.end_at = 1};
  REFUSED(FLATKV_CANCELLED, flatkv_diff(new, old, on_difference, &seen, NULL));
  EXPECT(seen.count == 1 && seen.a == 33 && seen.b == 0);
  flatkv_free(one), flatkv_free(old), flatkv_free(new);
}

/* A damaged table is found and built anew. Nobody has the store open. */
void test_repair(const char* path) {
  char command[600];
  flatkv_repairs* repairs = NULL;
  flatkv_repair_result result = {.size = sizeof result};
  flatkv_error* damage = NULL;
  flatkv_store* store = NULL;
  const uint32_t both = 1U << FLATKV_CODE | 1U << FLATKV_STORAGE;
  GOOD(flatkv_repair(path, both, NULL, NULL, &repairs));
  EXPECT(flatkv_repairs_count(repairs) == 2);
  GOOD(flatkv_repairs_get(repairs, 0, &result));
  EXPECT(result.database == FLATKV_CODE && result.repaired == 0 && result.opens == 1);
  GOOD(flatkv_repairs_damage(repairs, 1, &damage));
  EXPECT(damage == NULL);
  flatkv_free(repairs);
  snprintf(command, sizeof command,
           "for table in '%s'/gen-*/working/storage/*.sst; do" /* not what a snapshot links */
           " cp $table $table.new && mv $table.new $table && printf 12345678 |"
           " dd of=$table bs=1 seek=10 conv=notrunc 2> /dev/null || exit 1; done",
           path);
  EXPECT(system(command) == 0);
  GOOD(flatkv_repair(path, both, NULL, NULL, &repairs));
  GOOD(flatkv_repairs_get(repairs, 1, &result));
  EXPECT(result.database == FLATKV_STORAGE && result.repaired == 1 && result.version == 3);
  EXPECT(result.source == 1 && result.source_version <= 3);
  GOOD(flatkv_repairs_damage(repairs, 1, &damage));
  EXPECT(flatkv_error_code(damage) == FLATKV_CORRUPTION);
  flatkv_free(damage);
  GOOD(flatkv_open(path, NULL, &store));
  flatkv_roots roots;
  GOOD(flatkv_committed_roots(store, &roots));
  EXPECT(slot_of(store, 3) == 33 && memcmp(roots.storage, result.checksum, 32) == 0);
  flatkv_free(store), flatkv_free(repairs);

  /* So short that an open finds it: it builds the copy anew, from a snapshot. */
  static const char* const cut_short =
      "for table in '%s'/gen-*/%s/storage/*.sst; do"
      " cp $table $table.new && mv $table.new $table && truncate -s 20 $table || exit 1; done";
  snprintf(command, sizeof command, cut_short, path, "working");
  EXPECT(system(command) == 0);
  GOOD(flatkv_open(path, NULL, &store));
  flatkv_open_report report = {.size = sizeof report};
  GOOD(flatkv_open_report_get(store, &report));
  EXPECT(report.clean == 0 && report.rebuilt_working_copy == 1 && slot_of(store, 3) == 33);
  flatkv_free(store), store = NULL;

  /* A copy with no sound snapshot: the error names the database, and the remedies are for that. */
  char lost[200], wanted[300];
  snprintf(lost, sizeof lost, "%s-lost", path);
  snprintf(command, sizeof command, "cp -a '%s' '%s'", path, lost);
  EXPECT(system(command) == 0);
  snprintf(command, sizeof command, cut_short, lost, "*");
  EXPECT(system(command) == 0);
  uint32_t database = 99;
  flatkv_error* refused = flatkv_open(lost, NULL, &store);
  EXPECT(flatkv_error_code(refused) == FLATKV_CORRUPTION && store == NULL);
  EXPECT(flatkv_error_database(refused, &database) == 1 && database == FLATKV_STORAGE);
  EXPECT(flatkv_error_database(refused, NULL) == 1);
  EXPECT(strstr(flatkv_error_path(refused), "/working/storage") != NULL);
  EXPECT(strstr(flatkv_error_message(refused), "no snapshot can replace the working copy") != NULL);
  flatkv_free(refused);
  flatkv_buffer* remedies = NULL;
  GOOD(flatkv_remedies(lost, &remedies));
  snprintf(wanted, sizeof wanted, "flatkv repair %s --db storage\n", lost);
  EXPECT(flatkv_buffer_size(remedies) > strlen(wanted));
  EXPECT(memcmp(flatkv_buffer_data(remedies), wanted, strlen(wanted)) == 0);
  EXPECT(flatkv_buffer_data(remedies)[flatkv_buffer_size(remedies) - 1] == '\n');
  flatkv_free(remedies);
}

/* Threads of a program that take one task each. */
struct pool {
  int taken, refused;
};
struct job {
  void (*step)(void*);
  void* task;
};
static void* run_job(void* given) {
  struct job* job = given;
  job->step(job->task);
  free(job);
  return NULL;
}
static int32_t on_run(void* user, void (*step)(void*), void* task) {
  struct pool* pool = user;
  pthread_t thread;
  if (__atomic_fetch_add(&pool->taken, 1, __ATOMIC_RELAXED) % 3 == 2) {
    __atomic_fetch_add(&pool->refused, 1, __ATOMIC_RELAXED);
    return 1;
  }
  struct job* job = malloc(sizeof *job);
  EXPECT(job != NULL);
  *job = (struct job){step, task};
  EXPECT(pthread_create(&thread, NULL, run_job, job) == 0 && pthread_detach(thread) == 0);
  return 0;
}

/* Blocks large enough that their rows are hashed by several threads. */
void test_executor(const char* path, struct bytes* block) {
  static struct pool pool; /* it outlives the last task */
  flatkv_options* options = NULL;
  flatkv_store *store = NULL, *plain = NULL;
  flatkv_roots roots, expected;
  char other[200];
  snprintf(other, sizeof other, "%s-plain", path);
  GOOD(flatkv_options_new(&options));
  GOOD(flatkv_options_set(options, FLATKV_CREATE_IF_MISSING, 1));
  GOOD(flatkv_options_set(options, FLATKV_THREADS, 4));
  GOOD(flatkv_open(other, options, &plain));
  GOOD(flatkv_options_executor(options, 4, on_run, &pool));
  GOOD(flatkv_open(path, options, &store));
  flatkv_free(options);
  for (int64_t version = 1; version <= 5; ++version) {
    const uint32_t count = 5000;
    block->size = 0;
    put32(block, 3);
    memcpy(block->data + block->size, "evm", 3);
    block->size += 3;
    put32(block, count);
    for (uint32_t i = 0; i < count; ++i) {
      block->data[block->size++] = 0;
      put32(block, 53);
      memset(block->data + block->size, 3, 49);
      block->size += 49;
      put32(block, i);
      put32(block, 32);
      memset(block->data + block->size, (int)version, 32);
      block->size += 32;
    }
    GOOD(flatkv_apply_commit(store, block->data, block->size, version, &roots));
    GOOD(flatkv_apply_commit(plain, block->data, block->size, version, &expected));
    EXPECT(memcmp(&roots, &expected, sizeof roots) == 0);
  }
  /* What stands on one store is no block of another, though both are equal. */
  flatkv_overlay* overlay = NULL;
  GOOD(flatkv_overlay_new(plain, &overlay));
  make_block(block, 1, 1);
  GOOD(flatkv_apply(overlay, block->data, block->size));
  flatkv_error* error = flatkv_commit_overlay(store, overlay, 6, &roots);
  EXPECT(flatkv_error_code(error) == FLATKV_INVALID_ARGUMENT);
  EXPECT(strcmp(flatkv_error_message(error), "the overlay belongs to another store") == 0);
  flatkv_free(error);
  EXPECT(flatkv_version(store) == 5 && flatkv_version(plain) == 5 && slot_of(store, 1) == 0);
  GOOD(flatkv_commit_overlay(plain, overlay, 6, NULL));
  EXPECT(slot_of(plain, 1) == 1);
  flatkv_free(overlay);
  GOOD(flatkv_close(store));
  EXPECT(pool.taken > pool.refused && pool.refused > 0);
  flatkv_free(store), flatkv_free(plain);
}
