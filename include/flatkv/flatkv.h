/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLATKV_FLATKV_H
#define FLATKV_FLATKV_H

/*
 * FlatKV for C and for the languages that call C. C11 and later, C++ and whatever reads such
 * headers. docs/c-interface.md has an example.
 *
 * Errors. Functions that can fail return a flatkv_error, or NULL if all went well. The caller frees
 * it with flatkv_free. On an error nothing is written to the results, and handles in them are not
 * made. No C++ exception leaves. A null pointer where none is allowed, a handle of another kind, a
 * number that names nothing and a length that cannot be are FLATKV_INVALID_ARGUMENT; a closed store
 * is FLATKV_STORE_FAILED. Functions without an error to return do nothing then, and give 0 or NULL.
 * Each function names the codes that are its own. Besides these, any may return INVALID_ARGUMENT,
 * OUT_OF_MEMORY, UNSUPPORTED (in a forked child), and with a store STORE_FAILED, IO and CORRUPTION.
 *
 * Handles. Whatever a function makes belongs to the caller, who frees it with flatkv_free, in any
 * order: views, iterators, overlays and subscriptions may outlive their store. A freed handle must
 * not be used again. A library function never frees or keeps a handle that it is given, except that
 * options keep what they need of a stop.
 *
 * Bytes that are passed in are read during the call only. A pointer may be NULL where its size is
 * 0. Bytes that are handed out belong to a handle and stay as long as its function says.
 *
 * Threads. "Writer": one thread at a time for each store. "Any": any thread, beside the writer.
 * "Owner": one thread at a time for each handle. A handle may be freed when every call with it has
 * returned.
 *
 * Fork. In a child that is forked after the library was first used, functions with handles of the
 * parent are UNSUPPORTED, and freeing these leaves what is the parent's alone; views, iterators and
 * overlays must not be used. It can open no store, and must end by _exit or exec: exit() would wait
 * for threads of RocksDB that it has not got.
 *
 * The ABI. Structs begin with `size`, which the caller sets to sizeof: a later version of the
 * library adds members at the end, and reads and writes no more than `size` bytes. It sets the size
 * of a result to what it has written. Members that an older library does not know must be zero for
 * it. Enumerations grow; they are passed as uint32_t. Sizes are in bytes and times in nanoseconds
 * unless a name says otherwise.
 */

#include <stddef.h>
#include <stdint.h>

/* NOLINTBEGIN(modernize-*,readability-identifier-naming,performance-enum-size) */

#if defined(__GNUC__)
#define FLATKV_C_API __attribute__((visibility("default")))
#else
#define FLATKV_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flatkv_error flatkv_error;
typedef struct flatkv_options flatkv_options;
typedef struct flatkv_stop flatkv_stop;
typedef struct flatkv_buffer flatkv_buffer;
typedef struct flatkv_store flatkv_store;
typedef struct flatkv_reader flatkv_reader;
typedef struct flatkv_view flatkv_view;
typedef struct flatkv_overlay flatkv_overlay;
typedef struct flatkv_iterator flatkv_iterator;
typedef struct flatkv_changes flatkv_changes;
typedef struct flatkv_subscription flatkv_subscription;
typedef struct flatkv_block flatkv_block;
typedef struct flatkv_report flatkv_report;
typedef struct flatkv_importer flatkv_importer;
typedef struct flatkv_repairs flatkv_repairs;

/* A handle of several kinds. `flatkv_state`: a store, a reader, a view or an overlay.
 * `flatkv_working`: one that takes writes, so not a view. Their functions are for the writer with a
 * store, the owner with a reader or an overlay, and any thread with a view. */
typedef void flatkv_state;
typedef void flatkv_working;

/* Borrowed bytes. */
typedef struct flatkv_bytes {
  const uint8_t* data;
  size_t size;
} flatkv_bytes;

/* Frees a handle of any kind, and what only it keeps. Nothing happens with NULL. A store is closed
 * first and its error lost: call flatkv_close where that matters. Bytes of the handle end. */
FLATKV_C_API void flatkv_free(void* handle);

/* "major.minor.patch" of the library that is loaded. Any thread; never freed. */
FLATKV_C_API const char* flatkv_version_text(void);

/* ---- errors ---------------------------------------------------------------------------------- */

enum flatkv_code {
  FLATKV_OK = 0,
  FLATKV_INVALID_ARGUMENT = 1,   /* the caller's input is wrong; nothing has changed */
  FLATKV_NOT_FOUND = 2,          /* there is no such store, file, version or snapshot */
  FLATKV_LOCKED = 3,             /* another handle, in any process, has the store open */
  FLATKV_CORRUPTION = 4,         /* bytes on disk are not what was written */
  FLATKV_LOG_GAP = 5,            /* versions that are needed are missing from the log */
  FLATKV_LOG_BEHIND = 6,         /* the log ends below what is known to be durable */
  FLATKV_VERSION_MISMATCH = 7,   /* a version other than the expected one */
  FLATKV_FORMAT_TOO_NEW = 8,     /* written by a newer FlatKV */
  FLATKV_FOREIGN_STORE = 9,      /* belongs to another store */
  FLATKV_IMPORT_INCOMPLETE = 10, /* an import was interrupted, and there is no other data here */
  FLATKV_STORE_FAILED = 11,      /* an earlier failure poisoned the store, or it is closed */
  FLATKV_IO = 12,                /* the operating system failed */
  FLATKV_NO_SPACE = 13,          /* the disk or a configured limit is full */
  FLATKV_PERMISSION = 14,        /* the operating system refused access */
  FLATKV_CANCELLED = 15,         /* the caller asked to stop, or the store is being closed */
  FLATKV_UNSUPPORTED = 16,       /* not possible on this machine or in this mode */
  FLATKV_OUT_OF_MEMORY = 17,     /* an allocation failed */
  FLATKV_STALE = 18              /* stands on a block that is not the last committed one any more */
};

enum flatkv_database {
  FLATKV_ACCOUNT = 0,
  FLATKV_CODE = 1,
  FLATKV_STORAGE = 2,
  FLATKV_LEGACY = 3,
  FLATKV_METADATA = 4
};

/* Of an error; any thread. Texts end with a zero byte and belong to the error. */
/* One of flatkv_code; FLATKV_OK for NULL. */
FLATKV_C_API uint32_t flatkv_error_code(const flatkv_error* error);
/* "invalid_argument", ...; "" for a number that is no code. Never freed. */
FLATKV_C_API const char* flatkv_code_name(uint32_t code);
FLATKV_C_API const char* flatkv_error_message(const flatkv_error* error);
/* One line for people, with all that is known. */
FLATKV_C_API const char* flatkv_error_text(const flatkv_error* error);
/* The file or directory; "" if there is none. */
FLATKV_C_API const char* flatkv_error_path(const flatkv_error* error);
/* 1 and the value if the error has one, 0 if not. The result may be NULL. `database` is one of
 * flatkv_database; `offset` is in bytes, in the file at the path or, without one, in the bytes that
 * were passed in. */
FLATKV_C_API uint32_t flatkv_error_database(const flatkv_error* error, uint32_t* database);
FLATKV_C_API uint32_t flatkv_error_version(const flatkv_error* error, int64_t* version);
FLATKV_C_API uint32_t flatkv_error_offset(const flatkv_error* error, uint64_t* offset);
/* What could help with a store that flatkv_open or flatkv_open_reader refused: commands, one a
 * line, the likeliest first. A copy in `out`, to be freed; empty if nothing is known. Looks at
 * `store` without changing it. Any thread. Errors: those of looking: NOT_FOUND, PERMISSION, IO. */
FLATKV_C_API flatkv_error* flatkv_remedies(const char* store, flatkv_buffer** out);

/* ---- buffers --------------------------------------------------------------------------------- */

/* The bytes of a buffer, until it is freed. Any thread. NULL and 0 for none. */
FLATKV_C_API const uint8_t* flatkv_buffer_data(const flatkv_buffer* buffer);
FLATKV_C_API size_t flatkv_buffer_size(const flatkv_buffer* buffer);

/* ---- options --------------------------------------------------------------------------------- */

/* What is not set has the default of a C++ program. Each says which functions look at it: O
 * flatkv_open, C flatkv_create and an open that creates, R flatkv_open_reader, V flatkv_verify, T
 * export and import, B flatkv_rollback_path. flatkv_diff and flatkv_repair name theirs. */
enum flatkv_option {
  FLATKV_CREATE_IF_MISSING = 1,      /* O 0 or 1 */
  FLATKV_ACCOUNT_ROWS = 2,           /* C 0 keep, 1 prune_empty; so flatkv_importer_new */
  FLATKV_INITIAL_VERSION = 3,        /* C from 1 on */
  FLATKV_STRICT = 4,                 /* O R 0 or 1 */
  FLATKV_STRICT_LEGACY_KEYS = 5,     /* O R 0 or 1: allowed although strict */
  FLATKV_DURABILITY = 6,             /* O 0 sync, 1 process, 2 group */
  FLATKV_GROUP_BLOCKS = 7,           /* O from 1 on */
  FLATKV_WRITE_BUFFER_BYTES = 8,     /* O R B */
  FLATKV_MAX_LAG_BLOCKS = 9,         /* O */
  FLATKV_MAX_LAG_BYTES = 10,         /* O */
  FLATKV_ROW_CACHE_BYTES = 11,       /* O UINT64_MAX: automatic; 0: none */
  FLATKV_KEY_FILTER_BYTES = 12,      /* O */
  FLATKV_BLOCK_CACHE_BYTES = 13,     /* O R B */
  FLATKV_SNAPSHOT_INTERVAL = 14,     /* O in versions; 0: none by themselves */
  FLATKV_SNAPSHOT_KEEP = 15,         /* O besides the newest */
  FLATKV_SCRUB = 16,                 /* O 0 off, 1 by hand, 2 in the background */
  FLATKV_SCRUB_ROWS_PER_SECOND = 17, /* O from 1 on */
  FLATKV_SCRUB_PAUSE_SECONDS = 18,   /* O */
  FLATKV_SEGMENT_BYTES = 19,         /* O from 1 on */
  FLATKV_LOG_KEEP_BYTES = 20,        /* O beyond what snapshots need, for named cursors */
  FLATKV_MAX_VIEW_BYTES = 21,        /* O */
  FLATKV_RECENT_VERSIONS = 22,       /* O */
  FLATKV_OVERLAY_MEMORY_BYTES = 23,  /* O */
  FLATKV_ROLLBACK_DEPTH = 24,        /* O in blocks */
  FLATKV_THREADS = 25,               /* O R V B 0: one for each core; at most 1024 */
  FLATKV_AT_VERSION = 26,            /* R this version instead of the newest */
  FLATKV_ROWS_PER_SECOND = 27,       /* V 0: no limit */
  FLATKV_ONE_DATABASE = 28,          /* V one of flatkv_database but FLATKV_METADATA */
  FLATKV_REPLACE = 29,               /* T import: 0 or 1: replaces a store that is there */
  FLATKV_READS_IN_FLIGHT = 30,       /* O rows that a call reads at a time; from 1 to 1024 */
  FLATKV_PREFETCH_ROWS = 31, /* O rows that may wait for flatkv_prefetch; 0: it does nothing */
  FLATKV_LEVEL0_LIMIT = 32,  /* O files; a flush waits while there are more */
  FLATKV_PENDING_COMPACTION_BYTES = 33 /* O likewise */
};

/* New options with the defaults. Owner; other functions only read them, during their call. */
FLATKV_C_API flatkv_error* flatkv_options_new(flatkv_options** out);
/* INVALID_ARGUMENT: no such option, or a number that does not fit into it. Whether it is in range
 * is checked by the function that looks at it, which names the range. */
FLATKV_C_API flatkv_error* flatkv_options_set(flatkv_options* options, uint32_t option,
                                              uint64_t value);

/* Where flatkv_open_reader makes its copy; NULL: in the store's directory. R. */
FLATKV_C_API flatkv_error* flatkv_options_scratch(flatkv_options* options, const char* directory);
/* One more module besides "evm" whose change sets FLATKV_STRICT lets pass, to be ignored; NULL: no
 * such modules. O R. */
FLATKV_C_API flatkv_error* flatkv_options_strict_module(flatkv_options* options, const char* name);

/* `level`: 0 information, 1 warning, 2 error. `text` is not ended by a zero, and is valid for the
 * call. Called by any thread of the library, until the store and what outlives it are freed. Of the
 * store it may call only: flatkv_version, flatkv_committed_roots, flatkv_view_new,
 * flatkv_durable_version and flatkv_metrics_get. O R B T. NULL: no messages. */
typedef void (*flatkv_log_callback)(void* user, uint32_t level, const char* text, size_t size);
FLATKV_C_API flatkv_error* flatkv_options_log(flatkv_options* options, flatkv_log_callback callback,
                                              void* user);
/* Blocks up to `version` are durable. Called by the thread that syncs, with FLATKV_DURABILITY 2. It
 * may call what a log callback may. O. */
typedef void (*flatkv_durable_callback)(void* user, int64_t version);
FLATKV_C_API flatkv_error* flatkv_options_on_durable(flatkv_options* options,
                                                     flatkv_durable_callback callback, void* user);
/* How far a long call is: rows or blocks; both 0 where it cannot tell. Never called by two threads
 * at once. V T B. */
typedef void (*flatkv_progress_callback)(void* user, const char* step, size_t size, uint64_t done,
                                         uint64_t total);
FLATKV_C_API flatkv_error* flatkv_options_progress(flatkv_options* options,
                                                   flatkv_progress_callback callback, void* user);
/* Something to end long calls with, which then return CANCELLED. Requests cannot be taken back.
 * flatkv_stop_request: any thread. R V T B. */
FLATKV_C_API flatkv_error* flatkv_stop_new(flatkv_stop** out);
FLATKV_C_API void flatkv_stop_request(flatkv_stop* stop);
FLATKV_C_API flatkv_error* flatkv_options_stop(flatkv_options* options, const flatkv_stop* stop);
/* Threads of the caller that hash rows for a store, and look many up in memory. `run` must see to
 * it that `step(task)` is called once, soon, on another thread than its own, and returns 0; or
 * another number if it cannot, and never calls it then: the work is done at once. It may be called
 * by any thread, until the last task of what is opened so has ended. A task takes some hundred
 * microseconds and waits for no other. `threads`, from 1 on: how many run at the same time;
 * FLATKV_THREADS is the share of a store. O. NULL: the threads that the process's stores share. */
typedef int32_t (*flatkv_run_callback)(void* user, void (*step)(void* task), void* task);
FLATKV_C_API flatkv_error* flatkv_options_executor(flatkv_options* options, uint32_t threads,
                                                   flatkv_run_callback run, void* user);

/* ---- a store --------------------------------------------------------------------------------- */

/* Five checksums of 32 bytes. Never grows. */
typedef struct flatkv_roots {
  uint8_t root[32];
  uint8_t account[32];
  uint8_t code[32];
  uint8_t storage[32];
  uint8_t legacy[32];
} flatkv_roots;

/* Creates an empty store, durable on return. `options` may be NULL, here and everywhere. Any
 * thread. Errors: INVALID_ARGUMENT (there is one already, or options), NOT_FOUND (no directory to
 * make it in), UNSUPPORTED (network file system), LOCKED, IMPORT_INCOMPLETE, CORRUPTION (something
 * else than a directory is there), PERMISSION, IO, NO_SPACE. */
FLATKV_C_API flatkv_error* flatkv_create(const char* path, const flatkv_options* options);
/* Opens for writing, and recovers if needed; one handle a store, in all processes. Any thread.
 * Waits two seconds for another handle to close before it is LOCKED, as flatkv_create does.
 * Errors: NOT_FOUND, INVALID_ARGUMENT (options), UNSUPPORTED, LOCKED, CORRUPTION, LOG_GAP,
 * LOG_BEHIND, FOREIGN_STORE, FORMAT_TOO_NEW, IMPORT_INCOMPLETE, PERMISSION, IO, NO_SPACE. A refused
 * open has changed nothing; flatkv_remedies tells what could help. */
FLATKV_C_API flatkv_error* flatkv_open(const char* path, const flatkv_options* options,
                                       flatkv_store** out);
/* Opens a private copy at one version, made of links, beside a writer of any process. Takes reads,
 * and writes that are never committed. Any thread. Errors: those of flatkv_open, and
 * VERSION_MISMATCH, which names the versions there are. */
FLATKV_C_API flatkv_error* flatkv_open_reader(const char* path, const flatkv_options* options,
                                              flatkv_reader** out);
/* What the open or the last rollback found and did. */
typedef struct flatkv_open_report {
  size_t size;
  uint32_t clean;         /* 1: nothing was scanned, rewritten or replayed */
  uint32_t backfilled;    /* bit 1 << flatkv_database: whose hashes a full scan rebuilt */
  uint32_t truncated_log; /* 1: a torn tail was cut; a message to the log callback says where */
  uint32_t lost_log_tail; /* 1: the databases were ahead of the log, so a new one was started */
  uint32_t rebuilt_working_copy; /* 1: from a snapshot and the log */
  uint32_t rebuilt_metadata;
  int64_t replayed_blocks;
} flatkv_open_report;
/* Writer. */
FLATKV_C_API flatkv_error* flatkv_open_report_get(const flatkv_store* store,
                                                  flatkv_open_report* out);
/* Flushes, syncs, and releases the lock, or leaves that to the last view. Drops pending writes. The
 * handle still tells versions, roots, metrics and how far the scrub is; all else is STORE_FAILED,
 * and flatkv_discard does nothing. Again: nothing. Writer. */
FLATKV_C_API flatkv_error* flatkv_close(flatkv_store* store);

/* Adds writes to the pending block, all of them or, on any error, none. INVALID_ARGUMENT names the
 * change set and the pair, from 1 on. An overlay: also NO_SPACE and STALE.
 *
 * `changes` is a block in one piece, as flatkv_block_changes gives it: change sets one after the
 * other. Numbers are little-endian.
 *     change set: u32 length of the name, name ("evm"), u32 number of pairs, pairs
 *     pair:       u8 0 set or 1 delete, u32 length of the key, key, u32 length of the value, value
 * A delete has a value of length 0. Bytes that are not such pieces exactly are INVALID_ARGUMENT
 * with the offset. */
FLATKV_C_API flatkv_error* flatkv_apply(flatkv_working* target, const uint8_t* changes,
                                        size_t size);
/* Roots with the writes. */
FLATKV_C_API flatkv_error* flatkv_working_roots(const flatkv_working* target, flatkv_roots* out);
/* Drops the pending block of a store or a reader. */
FLATKV_C_API flatkv_error* flatkv_discard(flatkv_working* target);
/* Commits the pending block, which may be empty, as `version`, the next one; else VERSION_MISMATCH
 * and nothing has changed. Its roots in `out`, which may be NULL. Writer. An error after the log
 * record was begun fails the store. */
FLATKV_C_API flatkv_error* flatkv_commit(flatkv_store* store, int64_t version, flatkv_roots* out);
/* flatkv_apply and flatkv_commit in one call: a block crosses once. After INVALID_ARGUMENT and
 * VERSION_MISMATCH nothing has changed. Writer. */
FLATKV_C_API flatkv_error* flatkv_apply_commit(flatkv_store* store, const uint8_t* changes,
                                               size_t size, int64_t version, flatkv_roots* out);

/* The version of a state: committed, or of an overlay, what it would be committed as. Any thread
 * for a store. 0 for a handle of another kind. */
FLATKV_C_API int64_t flatkv_version(const flatkv_state* state);
/* What was fixed when the store was created; any thread. The first version of a store; the
 * FLATKV_ACCOUNT_ROWS of a store, a reader or a view. 0 for a handle of another kind. */
FLATKV_C_API int64_t flatkv_initial_version(const flatkv_store* store);
FLATKV_C_API uint32_t flatkv_account_rows(const flatkv_state* state);
/* Committed roots of a store, a reader or a view. Any thread for a store. */
FLATKV_C_API flatkv_error* flatkv_committed_roots(const flatkv_state* state, flatkv_roots* out);
/* The highest version known to be durable; any thread; and waits until `version` is. Errors of the
 * latter: INVALID_ARGUMENT (not committed), STALE (undone meanwhile), STORE_FAILED. */
FLATKV_C_API int64_t flatkv_durable_version(const flatkv_store* store);
FLATKV_C_API flatkv_error* flatkv_wait_durable(flatkv_store* store, int64_t version);

/* Writes all rows into the databases; writes a snapshot; goes back to `version`, by undoing blocks
 * in milliseconds down to flatkv_metrics.undo_floor, else by building a generation
 * (VERSION_MISMATCH names what can be reached). Writer. */
FLATKV_C_API flatkv_error* flatkv_flush(flatkv_store* store);
FLATKV_C_API flatkv_error* flatkv_snapshot(flatkv_store* store);
FLATKV_C_API flatkv_error* flatkv_rollback(flatkv_store* store, int64_t version);
/* The last of a store that nobody has open, also of one that does not open. Any thread. */
FLATKV_C_API flatkv_error* flatkv_rollback_path(const char* path, int64_t version,
                                                const flatkv_options* options);

/* ---- states ---------------------------------------------------------------------------------- */

/* The committed state of a store or a reader. Any thread. NO_SPACE while views keep more than
 * FLATKV_MAX_VIEW_BYTES. */
FLATKV_C_API flatkv_error* flatkv_view_new(const flatkv_state* state, flatkv_view** out);
/* One of the last FLATKV_RECENT_VERSIONS versions. VERSION_MISMATCH names those there are. Any. */
FLATKV_C_API flatkv_error* flatkv_view_at(const flatkv_store* store, int64_t version,
                                          flatkv_view** out);
/* An empty overlay on a store, a reader, or another overlay, which no longer changes then. Any
 * thread for a store. NO_SPACE, STALE, STORE_FAILED. */
FLATKV_C_API flatkv_error* flatkv_overlay_new(flatkv_working* below, flatkv_overlay** out);
/* Commits an overlay of this store, and before it those below it, each as a block. `out` may be
 * NULL. Writer. STALE, VERSION_MISMATCH (`version` is not the overlay's), INVALID_ARGUMENT (a block
 * is pending; committed before; another store's). */
FLATKV_C_API flatkv_error* flatkv_commit_overlay(flatkv_store* store, flatkv_overlay* overlay,
                                                 int64_t version, flatkv_roots* out);

#define FLATKV_ABSENT INT64_C(-1)

/* Copies a value into `into`, if `capacity` is enough for all of it; its size, or FLATKV_ABSENT, in
 * `size`. A size above `capacity` says that nothing was copied: call again with so much. A failed
 * read is an error, never absent. */
/* By external key, as in change sets. INVALID_ARGUMENT for one that is empty or above 64 KiB. */
FLATKV_C_API flatkv_error* flatkv_get(const flatkv_state* state, const uint8_t* key,
                                      size_t key_size, uint8_t* into, size_t capacity,
                                      int64_t* size);
/* A stored row by internal key; INVALID_ARGUMENT for FLATKV_METADATA. */
FLATKV_C_API flatkv_error* flatkv_row(const flatkv_state* state, uint32_t database,
                                      const uint8_t* key, size_t key_size, uint8_t* into,
                                      size_t capacity, int64_t* size);
/* The slot of 32 bytes of the account of 20. */
FLATKV_C_API flatkv_error* flatkv_storage(const flatkv_state* state, const uint8_t address[20],
                                          const uint8_t slot[32], uint8_t* into, size_t capacity,
                                          int64_t* size);
FLATKV_C_API flatkv_error* flatkv_code(const flatkv_state* state, const uint8_t address[20],
                                       uint8_t* into, size_t capacity, int64_t* size);

/* Never grows. Big-endian words; a code hash of zero says that there is none. */
typedef struct flatkv_account_fields {
  uint8_t balance[32];
  uint8_t code_hash[32];
  uint64_t nonce;
} flatkv_account_fields;
/* `exists` is 0 or 1; with 0 the fields are zero. */
FLATKV_C_API flatkv_error* flatkv_account(const flatkv_state* state, const uint8_t address[20],
                                          flatkv_account_fields* out, uint32_t* exists);

/* What flatkv_get gives for each of `count` keys, in one piece and in their order: u64 length of
 * the value, little-endian, or UINT64_MAX if absent; then the value. Faster than single reads. */
FLATKV_C_API flatkv_error* flatkv_get_many(const flatkv_state* state, const flatkv_bytes* keys,
                                           size_t count, flatkv_buffer** out);

/* Loads the rows of these keys into the row cache of a store, or of the store of an overlay, in the
 * background: for what a block is going to touch. A hint: beyond FLATKV_PREFETCH_ROWS rows are
 * dropped, and without a row cache all. Any thread for a store. INVALID_ARGUMENT (a key is empty or
 * above 64 KiB), STALE, STORE_FAILED. */
FLATKV_C_API flatkv_error* flatkv_prefetch(const flatkv_working* target, const flatkv_bytes* keys,
                                           size_t count);

/* ---- iterators ------------------------------------------------------------------------------- */

/* Rows of a data database, by internal key and in order: with `prefix`, from `start`, before `end`;
 * an empty one does not limit. It stands on the first row, and keeps its state. */
FLATKV_C_API flatkv_error* flatkv_iterate(const flatkv_state* state, uint32_t database,
                                          flatkv_bytes prefix, flatkv_bytes start, flatkv_bytes end,
                                          flatkv_iterator** out);
enum flatkv_move {
  FLATKV_FIRST = 0,
  FLATKV_LAST = 1,
  FLATKV_NEXT = 2,
  FLATKV_PREVIOUS = 3,
  FLATKV_SEEK = 4,             /* to the first row at or after a key */
  FLATKV_SEEK_FOR_PREVIOUS = 5 /* to the last row at or before a key */
};
/* `key` is for the last two only. `valid`, which may be NULL: 1 at a row, 0 beyond the ends. NEXT
 * and PREVIOUS beyond an end do nothing. An error ends the iteration. Owner, as the next two. */
FLATKV_C_API flatkv_error* flatkv_iterator_move(flatkv_iterator* iterator, uint32_t move,
                                                flatkv_bytes key, uint32_t* valid);
/* Where it stands; the bytes are valid until it moves. `valid` as above; either of `key` and
 * `value` may be NULL. */
FLATKV_C_API flatkv_error* flatkv_iterator_row(const flatkv_iterator* iterator, flatkv_bytes* key,
                                               flatkv_bytes* value, uint32_t* valid);
/* From where it stands, at most `rows` rows (from 1 on), and no further row after `bytes` bytes:
 * u32 length of the key, u32 length of the value, little-endian, key, value. Empty at the end. The
 * iterator then stands after them; after an error move it anew, since rows would be left out. */
FLATKV_C_API flatkv_error* flatkv_iterator_batch(flatkv_iterator* iterator, uint32_t rows,
                                                 size_t bytes, flatkv_buffer** out);

/* ---- what happened --------------------------------------------------------------------------- */

typedef struct flatkv_block_info {
  size_t size;
  uint32_t undo; /* 1: the store went back to `version`; roots and payload are zero */
  int64_t version;
  uint8_t chain[32]; /* tells this version from the same one of another branch */
  flatkv_roots roots;
  uint64_t payload_bytes;
  uint8_t payload_digest[32];
} flatkv_block_info;
/* Any thread. */
FLATKV_C_API flatkv_error* flatkv_block_info_get(const flatkv_block* block, flatkv_block_info* out);
/* Its change sets, as flatkv_apply takes them; empty for an undo. */
FLATKV_C_API flatkv_error* flatkv_block_changes(const flatkv_block* block, flatkv_buffer** out);

/* Blocks from version `from` to `to`, both included, from the log; `to` = `from` - 1 is none. Any.
 * VERSION_MISMATCH, LOG_GAP, INVALID_ARGUMENT, STORE_FAILED, CORRUPTION, IO. */
FLATKV_C_API flatkv_error* flatkv_changes_new(const flatkv_store* store, int64_t from, int64_t to,
                                              flatkv_changes** out);
/* The next block; NULL in `out` after the last. Owner. */
FLATKV_C_API flatkv_error* flatkv_changes_next(flatkv_changes* changes, flatkv_block** out);

typedef struct flatkv_subscribe_options {
  size_t size;
  uint32_t committed; /* 0: durable blocks, with a cursor; 1: all, as they are committed */
  uint32_t has_after; /* 1: begins after version `after`; 0: after the last block */
  int64_t after;
  flatkv_bytes cursor; /* where to go on; empty: none */
  uint32_t depth;      /* blocks that can be undone while away; 0: 128 */
  const char* name;    /* keeps up to FLATKV_LOG_KEEP_BYTES of log for this consumer; NULL: none */
} flatkv_subscribe_options;
/* `options` may be NULL. Any. FOREIGN_STORE, LOG_GAP, VERSION_MISMATCH, NO_SPACE, CORRUPTION (a
 * damaged cursor), INVALID_ARGUMENT (also if another subscription has the name). */
FLATKV_C_API flatkv_error* flatkv_subscribe(flatkv_store* store,
                                            const flatkv_subscribe_options* options,
                                            flatkv_subscription** out);
/* The next block or undo; NULL in `out` if none came within `milliseconds`; negative: does not
 * wait. Owner, as the next two. */
FLATKV_C_API flatkv_error* flatkv_subscription_next(flatkv_subscription* subscription,
                                                    int64_t milliseconds, flatkv_block** out);
/* After the last one delivered: to be stored with its effects. UNSUPPORTED with `committed`. */
FLATKV_C_API flatkv_error* flatkv_subscription_cursor(const flatkv_subscription* subscription,
                                                      flatkv_buffer** out);
/* This cursor is stored: the log before it need not be kept for the name. INVALID_ARGUMENT (no
 * name, or a cursor above what was delivered), NOT_FOUND (the name was dropped), CORRUPTION (a
 * damaged cursor), FOREIGN_STORE. */
FLATKV_C_API flatkv_error* flatkv_subscription_acknowledge(flatkv_subscription* subscription,
                                                           const uint8_t* cursor, size_t size);
/* The names there are: for each i64 version and u32 length, little-endian, and the name. Any. */
FLATKV_C_API flatkv_error* flatkv_named_cursors(const flatkv_store* store, flatkv_buffer** out);
/* NOT_FOUND if there is none of this name. Any. */
FLATKV_C_API flatkv_error* flatkv_drop_cursor(flatkv_store* store, const char* name);

/* ---- proof ----------------------------------------------------------------------------------- */

/* Scans a store, a reader or a view, and compares it with its hashes. Any thread. What differs is
 * in the report. CANCELLED, INVALID_ARGUMENT, STORE_FAILED. */
FLATKV_C_API flatkv_error* flatkv_verify(const flatkv_state* state, const flatkv_options* options,
                                         flatkv_report** out);
/* 1 if all is right. Any, as the next two. */
FLATKV_C_API uint32_t flatkv_report_good(const flatkv_report* report);
FLATKV_C_API size_t flatkv_report_count(const flatkv_report* report);
typedef struct flatkv_verdict {
  size_t size;
  uint32_t database;
  uint32_t good;
  uint32_t readable; /* 0: the scan did not finish; what was found means nothing */
  uint8_t expected[32];
  uint8_t found[32];
  uint64_t expected_rows;
  uint64_t found_rows;
} flatkv_verdict;
/* Of the database at `index`, below the count. */
FLATKV_C_API flatkv_error* flatkv_report_verdict(const flatkv_report* report, size_t index,
                                                 flatkv_verdict* out);

typedef struct flatkv_scrub_status {
  size_t size;
  uint64_t round;    /* under way; those before are complete */
  uint32_t database; /* being read */
  uint64_t rows;     /* of it that are done */
  uint64_t findings; /* since the open; at most 100 are counted */
  uint64_t failed_saves;
} flatkv_scrub_status;
/* Reads at most `rows` rows more, from 1 on. `out` may be NULL. Any. UNSUPPORTED (it is off),
 * STORE_FAILED, CANCELLED. */
FLATKV_C_API flatkv_error* flatkv_scrub(flatkv_store* store, uint64_t rows,
                                        flatkv_scrub_status* out);
/* How far it is; any. UNSUPPORTED if it is off. */
FLATKV_C_API flatkv_error* flatkv_scrub_status_get(const flatkv_store* store,
                                                   flatkv_scrub_status* out);

/* The lattice hash of the rows of a data database: 1024 numbers of 16 bits, little-endian, to be
 * added and subtracted one by one, modulo 65536. Of a store and an overlay with the pending writes.
 * A root is the checksum of the sum of the four. INVALID_ARGUMENT for FLATKV_METADATA and for a
 * reader, whose view has it. */
#define FLATKV_HASH_BYTES 2048
FLATKV_C_API flatkv_error* flatkv_hash(const flatkv_state* state, uint32_t database,
                                       uint8_t out[FLATKV_HASH_BYTES]);
/* Any thread. The hash of two sets of rows, and of one without those of another. */
FLATKV_C_API flatkv_error* flatkv_hash_add(uint8_t into[FLATKV_HASH_BYTES],
                                           const uint8_t other[FLATKV_HASH_BYTES]);
FLATKV_C_API flatkv_error* flatkv_hash_subtract(uint8_t from[FLATKV_HASH_BYTES],
                                                const uint8_t other[FLATKV_HASH_BYTES]);
/* BLAKE3-256 of a hash: what a roots line has. Any thread. */
FLATKV_C_API flatkv_error* flatkv_hash_checksum(const uint8_t hash[FLATKV_HASH_BYTES],
                                                uint8_t out[32]);

/* A row that differs, by its internal key; NULL: that side does not have it. The bytes are valid
 * for the call. Another number than 0 ends the comparison: CANCELLED. */
typedef int32_t (*flatkv_difference_callback)(void* user, uint32_t database, flatkv_bytes key,
                                              const flatkv_bytes* a, const flatkv_bytes* b);
/* Scans two states once, and shows the rows that differ, in the order of databases and keys, on the
 * calling thread. FLATKV_ONE_DATABASE, FLATKV_THREADS, FLATKV_ROWS_PER_SECOND, progress and stop.
 * Any. CANCELLED, CORRUPTION, IO. */
FLATKV_C_API flatkv_error* flatkv_diff(const flatkv_view* a, const flatkv_view* b,
                                       flatkv_difference_callback each, void* user,
                                       const flatkv_options* options);

/* Rebuilds those of `databases` (bits 1 << flatkv_database) that are damaged, in a store that nobody
 * has open, whether it opens or not: from a snapshot, or from `stream_file`, an exported state, and
 * the log. Compares and proves everything before it swaps. Name all that are damaged in one call.
 * If all verify, nothing is changed. `stream_file` may be NULL. FLATKV_THREADS,
 * FLATKV_BLOCK_CACHE_BYTES, FLATKV_WRITE_BUFFER_BYTES, log, progress and stop. Any. CORRUPTION (no
 * source is left), LOG_GAP, LOG_BEHIND, VERSION_MISMATCH and FOREIGN_STORE (the stream), NOT_FOUND,
 * LOCKED, IMPORT_INCOMPLETE, FORMAT_TOO_NEW, PERMISSION, IO, NO_SPACE, CANCELLED; an error of the
 * swap may leave either state. */
FLATKV_C_API flatkv_error* flatkv_repair(const char* path, uint32_t databases,
                                         const char* stream_file, const flatkv_options* options,
                                         flatkv_repairs** out);
/* One for each database that was named. Any thread, as the next two. */
FLATKV_C_API size_t flatkv_repairs_count(const flatkv_repairs* repairs);
typedef struct flatkv_repair_result {
  size_t size;
  uint32_t database;
  uint32_t repaired; /* 0: it verified, and nothing was changed */
  uint32_t source;   /* 0 none, 1 a snapshot, 2 the stream, 3 what the other databases know */
  uint32_t opens;    /* 0: nothing was repaired, and the store does not open all the same */
  int64_t version;   /* of the store now; if it verified, of the database's last flush */
  int64_t source_version;
  uint8_t checksum[32]; /* of the database at that version, by a full scan */
} flatkv_repair_result;
/* Of the database at `index`, below the count. */
FLATKV_C_API flatkv_error* flatkv_repairs_get(const flatkv_repairs* repairs, size_t index,
                                              flatkv_repair_result* out);
/* What was wrong with it, in `out`, to be freed; NULL if it verified. */
FLATKV_C_API flatkv_error* flatkv_repairs_damage(const flatkv_repairs* repairs, size_t index,
                                                 flatkv_error** out);

/* ---- export and import ----------------------------------------------------------------------- */

/* Takes all bytes, or ends the export by another number than 0: CANCELLED. */
typedef int32_t (*flatkv_write_callback)(void* user, const uint8_t* data, size_t size);
/* Reads at most `size` bytes; 0 at the end only; a negative number ends the import: CANCELLED. */
typedef int64_t (*flatkv_read_callback)(void* user, uint8_t* into, size_t size);

/* Writes the state of a view; equal states give equal bytes. Callbacks on the calling thread. Any.
 * CORRUPTION, CANCELLED, IO. */
FLATKV_C_API flatkv_error* flatkv_export(const flatkv_view* view, flatkv_write_callback write,
                                         void* user, const flatkv_options* options);
/* Checks a stream row by row and makes it the store at `path`. `trusted`, which may be NULL, are
 * the roots it must have. `version`, which may be NULL: of the state. Any. CORRUPTION,
 * FORMAT_TOO_NEW, CANCELLED, INVALID_ARGUMENT (a store is there), LOCKED, IO, NO_SPACE. */
FLATKV_C_API flatkv_error* flatkv_import(const char* path, flatkv_read_callback read, void* user,
                                         const flatkv_roots* trusted, const flatkv_options* options,
                                         int64_t* version);

/* Builds a store from rows, each hashed on the way. What was at `path` stands until finish swaps.
 * Freed before, it aborts. FLATKV_REPLACE, FLATKV_ACCOUNT_ROWS. Holds the store's lock. Any;
 * INVALID_ARGUMENT (a store is there), UNSUPPORTED, LOCKED, PERMISSION, IO, NO_SPACE. */
FLATKV_C_API flatkv_error* flatkv_importer_new(const char* path, const flatkv_options* options,
                                               flatkv_importer** out);
/* Adds rows of one database, as flatkv_iterator_batch gives them: account, code, storage, legacy,
 * and in each by ascending internal keys. Bytes that are not rows exactly are INVALID_ARGUMENT with
 * the offset, and add nothing. CORRUPTION (a row out of order, malformed or of another database)
 * and all other errors end the import: later calls are INVALID_ARGUMENT. Owner, as the next two. */
FLATKV_C_API flatkv_error* flatkv_importer_add(flatkv_importer* importer, uint32_t database,
                                               const uint8_t* rows, size_t size);
/* Makes them the store, at `version`, from 0 on, if they have the roots `trusted`, which may be
 * NULL; theirs in `out`, which may be NULL. Ends the import. CORRUPTION (other roots),
 * INVALID_ARGUMENT, IO, NO_SPACE; an error of the very last step may leave either store. */
FLATKV_C_API flatkv_error* flatkv_importer_finish(flatkv_importer* importer, int64_t version,
                                                  const flatkv_roots* trusted, flatkv_roots* out);
/* Removes what was built. Nothing happens once the import is over. */
FLATKV_C_API void flatkv_importer_abort(flatkv_importer* importer);

/* ---- metrics --------------------------------------------------------------------------------- */

/* Flushes of one database. */
typedef struct flatkv_flush_metrics {
  uint64_t tables;
  uint64_t bytes;
  uint64_t nanoseconds;
} flatkv_flush_metrics;
/* Since the open or the last rollback; memory is what is in use now. */
typedef struct flatkv_metrics {
  size_t size;
  int64_t undo_floor; /* the lowest version that a rollback reaches at once */
  uint64_t flushes;
  uint64_t flush_nanoseconds;
  uint64_t flushed_bytes;
  uint64_t log_bytes;
  uint64_t compaction_bytes;
  uint64_t buffer_memory;
  uint64_t view_memory;
  uint64_t recent_memory;
  uint64_t recent_versions;
  uint64_t superseded_bytes;
  uint64_t overlay_memory;
  uint64_t cache_memory;
  uint64_t cache_hits;
  uint64_t cache_misses;
  uint64_t key_filter_memory;
  uint64_t key_filter_answers;
  uint64_t ignored_change_sets;
  /* Of the last commit, in nanoseconds. */
  uint64_t commit_route;
  uint64_t commit_read;
  uint64_t commit_hash;
  uint64_t commit_log;
  uint64_t commit_buffer;
  uint64_t commit_publish;
  uint64_t commit_wait;
  uint64_t table_reads;      /* rows looked up on disk: no buffer, cache or filter knew them */
  uint64_t read_threads;     /* that run for such reads */
  uint64_t prefetch_asked;   /* rows given to flatkv_prefetch; what became of them: */
  uint64_t prefetch_loaded;  /* read into the row cache */
  uint64_t prefetch_hit;     /* in memory or asked for already, or known to be absent */
  uint64_t prefetch_dropped; /* too many, needed before they were read, or unreadable */
  flatkv_flush_metrics flushed[5]; /* by flatkv_database */
} flatkv_metrics;
/* Any. */
FLATKV_C_API flatkv_error* flatkv_metrics_get(const flatkv_store* store, flatkv_metrics* out);

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming,performance-enum-size) */
#endif
