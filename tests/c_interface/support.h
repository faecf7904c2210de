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

#endif
