/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever includes this defines _POSIX_C_SOURCE before all else. */
#ifndef FLATKV_TESTS_C_INTERFACE_SUPPORT_H
#define FLATKV_TESTS_C_INTERFACE_SUPPORT_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flatkv/flatkv.h"

/* The program ends at the first thing that is not as it should be. */
#define EXPECT(condition)                                                     \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

#define GOOD(call) expect_code(__FILE__, __LINE__, #call, (call), FLATKV_OK)
#define REFUSED(code, call) expect_code(__FILE__, __LINE__, #call, (call), (code))
#define BAD(call) REFUSED(FLATKV_INVALID_ARGUMENT, call)

static inline void expect_code(const char* file, int line, const char* what, flatkv_error* error,
                               uint32_t wanted) {
  if (flatkv_error_code(error) != wanted) {
    fprintf(stderr, "%s:%d: %s: expected '%s', found '%s'\n", file, line, what,
            flatkv_code_name(wanted), flatkv_error_text(error));
    exit(1);
  }
  flatkv_free(error);
}

/* A new directory below TMPDIR; its path and a name in it. */
static inline void make_place(char place[128]) {
  const char* below = getenv("TMPDIR");
  snprintf(place, 128, "%s/flatkv-c-XXXXXX", below == NULL ? "/tmp" : below);
  EXPECT(mkdtemp(place) != NULL);
}
static inline void remove_place(const char* place) {
  char command[160];
  snprintf(command, sizeof command, "rm -rf '%s'", place);
  EXPECT(system(command) == 0);
}

struct bytes {
  uint8_t data[1 << 20];
  size_t size, at;
};

static inline void put32(struct bytes* into, uint32_t number) {
  for (int i = 0; i < 4; ++i) into->data[into->size++] = (uint8_t)(number >> (8 * i));
}

/* A block in one piece: slot `slot` of account 7…7 is `value`, or is deleted if that is 0. */
static inline void make_block(struct bytes* block, uint8_t slot, uint8_t value) {
  block->size = block->at = 0;
  put32(block, 3);
  memcpy(block->data + block->size, "evm", 3);
  block->size += 3;
  put32(block, 1);
  block->data[block->size++] = value == 0;
  put32(block, 53);
  memset(block->data + block->size, 7, 53);
  block->data[block->size] = 3; /* storage */
  block->data[block->size + 52] = slot;
  block->size += 53;
  put32(block, value == 0 ? 0 : 32);
  if (value == 0) return;
  memset(block->data + block->size, value, 32);
  block->size += 32;
}

static inline void key_of(uint8_t* key, uint8_t slot) {
  memset(key, 7, 53);
  key[0] = 3;
  key[52] = slot;
}

/* The first byte of a slot in a state; 0 if it is absent. */
static inline uint8_t slot_of(const flatkv_state* state, uint8_t slot) {
  uint8_t key[53], value[32], again[32];
  int64_t size = 0, same = 0;
  key_of(key, slot);
  GOOD(flatkv_get(state, key, sizeof key, value, sizeof value, &size));
  GOOD(flatkv_storage(state, key + 1, key + 21, again, sizeof again, &same));
  EXPECT(size == same);
  GOOD(flatkv_row(state, FLATKV_STORAGE, key + 1, 52, again, sizeof again, &same));
  EXPECT(size == same);
  if (size == FLATKV_ABSENT) return 0;
  EXPECT(size == 32 && memcmp(value, again, 32) == 0);
  value[0] ^= 1; /* too small: the size alone */
  GOOD(flatkv_get(state, key, sizeof key, value, 31, &size));
  EXPECT(size == 32 && value[0] == (again[0] ^ 1));
  return again[0];
}

/* Something of each kind, for calls that get another one. */
struct all_handles {
  flatkv_options* options;
  flatkv_stop* stop;
  flatkv_buffer* buffer;
  flatkv_store* store;
  flatkv_reader* reader;
  flatkv_view* view;
  flatkv_overlay* overlay;
  flatkv_iterator* iterator;
  flatkv_changes* changes;
  flatkv_subscription* subscription;
  flatkv_block* block;
  flatkv_report* report;
  flatkv_importer* importer;
  flatkv_repairs* repairs;
};

/* Calls every function with null pointers, with handles of other kinds and with numbers and lengths
 * that cannot be. The handles are as before afterwards. */
void refuse_everything(const struct all_handles* handles, const char* path);
/* Calls what a closed store and an overlay on it refuse. */
void refuse_closed(flatkv_store* closed, flatkv_overlay* left);

/* Of tools.c. `store` is at version 3, with slots 1 to 3; `path` is such a store that nobody has open; and
 * `empty` a place for stores. */
void test_hashes(flatkv_store* store, struct bytes* block);
void test_diff(flatkv_store* store);
void test_repair(const char* path);
void test_executor(const char* empty, struct bytes* block);

#endif
