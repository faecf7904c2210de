// SPDX-License-Identifier: Apache-2.0
//! The C interface of FlatKV, declaration for declaration as in `flatkv/flatkv.h`. What each
//! function does, who frees what and which thread may call it stands in that header; this crate
//! adds nothing. A test compares the two. Use the crate `flatkv`, which is safe.
#![no_std]
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[doc = concat!("An opaque handle, `", stringify!($name), "`.")]
        #[repr(C)]
        pub struct $name {
            private: [u8; 0],
            marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )*};
}
opaque! {
    flatkv_error flatkv_options flatkv_stop flatkv_buffer flatkv_store flatkv_reader flatkv_view
    flatkv_overlay flatkv_iterator flatkv_changes flatkv_subscription flatkv_block flatkv_report
    flatkv_importer flatkv_repairs
}

/// A handle of a store, a reader, a view or an overlay.
pub type flatkv_state = c_void;
/// A handle of a store, a reader or an overlay.
pub type flatkv_working = c_void;

macro_rules! numbers {
    ($type:ty: $($name:ident = $value:expr;)*) => {$(
        #[doc = concat!("`", stringify!($name), "` of the header.")]
        pub const $name: $type = $value;
    )*};
}
numbers! { u32:
    FLATKV_OK = 0;
    FLATKV_INVALID_ARGUMENT = 1;
    FLATKV_NOT_FOUND = 2;
    FLATKV_LOCKED = 3;
    FLATKV_CORRUPTION = 4;
    FLATKV_LOG_GAP = 5;
    FLATKV_LOG_BEHIND = 6;
    FLATKV_VERSION_MISMATCH = 7;
    FLATKV_FORMAT_TOO_NEW = 8;
    FLATKV_FOREIGN_STORE = 9;
    FLATKV_IMPORT_INCOMPLETE = 10;
    FLATKV_STORE_FAILED = 11;
    FLATKV_IO = 12;
    FLATKV_NO_SPACE = 13;
    FLATKV_PERMISSION = 14;
    FLATKV_CANCELLED = 15;
    FLATKV_UNSUPPORTED = 16;
    FLATKV_OUT_OF_MEMORY = 17;
    FLATKV_STALE = 18;
}
numbers! { usize:
    FLATKV_HASH_BYTES = 2048;
}
numbers! { u32:
    FLATKV_ACCOUNT = 0;
    FLATKV_CODE = 1;
    FLATKV_STORAGE = 2;
    FLATKV_LEGACY = 3;
    FLATKV_METADATA = 4;
}
numbers! { u32:
    FLATKV_CREATE_IF_MISSING = 1;
    FLATKV_ACCOUNT_ROWS = 2;
    FLATKV_INITIAL_VERSION = 3;
    FLATKV_STRICT = 4;
    FLATKV_STRICT_LEGACY_KEYS = 5;
    FLATKV_DURABILITY = 6;
    FLATKV_GROUP_BLOCKS = 7;
    FLATKV_WRITE_BUFFER_BYTES = 8;
    FLATKV_MAX_LAG_BLOCKS = 9;
    FLATKV_MAX_LAG_BYTES = 10;
    FLATKV_ROW_CACHE_BYTES = 11;
    FLATKV_KEY_FILTER_BYTES = 12;
    FLATKV_BLOCK_CACHE_BYTES = 13;
    FLATKV_SNAPSHOT_INTERVAL = 14;
    FLATKV_SNAPSHOT_KEEP = 15;
    FLATKV_SCRUB = 16;
    FLATKV_SCRUB_ROWS_PER_SECOND = 17;
    FLATKV_SCRUB_PAUSE_SECONDS = 18;
    FLATKV_SEGMENT_BYTES = 19;
    FLATKV_LOG_KEEP_BYTES = 20;
    FLATKV_MAX_VIEW_BYTES = 21;
    FLATKV_RECENT_VERSIONS = 22;
    FLATKV_OVERLAY_MEMORY_BYTES = 23;
    FLATKV_ROLLBACK_DEPTH = 24;
    FLATKV_THREADS = 25;
    FLATKV_AT_VERSION = 26;
    FLATKV_ROWS_PER_SECOND = 27;
    FLATKV_ONE_DATABASE = 28;
    FLATKV_REPLACE = 29;
    FLATKV_READS_IN_FLIGHT = 30;
    FLATKV_PREFETCH_ROWS = 31;
    FLATKV_LEVEL0_LIMIT = 32;
    FLATKV_PENDING_COMPACTION_BYTES = 33;
}
numbers! { u32:
    FLATKV_FIRST = 0;
    FLATKV_LAST = 1;
    FLATKV_NEXT = 2;
    FLATKV_PREVIOUS = 3;
    FLATKV_SEEK = 4;
    FLATKV_SEEK_FOR_PREVIOUS = 5;
}
numbers! { i64:
    FLATKV_ABSENT = -1;
}

macro_rules! structs {
    ($($(#[$derive:meta])* struct $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        #[doc = concat!("`", stringify!($name), "` of the header.")]
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        $(#[$derive])*
        pub struct $name {
            $(
                #[doc = concat!("`", stringify!($field), "` of the header.")]
                pub $field: $type,
            )*
        }
    )*};
}
structs! {
    struct flatkv_bytes {
        data: *const u8,
        size: usize,
    }
    #[derive(Default)]
    struct flatkv_roots {
        root: [u8; 32],
        account: [u8; 32],
        code: [u8; 32],
        storage: [u8; 32],
        legacy: [u8; 32],
    }
    #[derive(Default)]
    struct flatkv_account_fields {
        balance: [u8; 32],
        code_hash: [u8; 32],
        nonce: u64,
    }
    #[derive(Default)]
    struct flatkv_block_info {
        size: usize,
        undo: u32,
        version: i64,
        chain: [u8; 32],
        roots: flatkv_roots,
        payload_bytes: u64,
        payload_digest: [u8; 32],
    }
    struct flatkv_subscribe_options {
        size: usize,
        committed: u32,
        has_after: u32,
        after: i64,
        cursor: flatkv_bytes,
        depth: u32,
        name: *const c_char,
    }
    #[derive(Default)]
    struct flatkv_open_report {
        size: usize,
        clean: u32,
        backfilled: u32,
        truncated_log: u32,
        lost_log_tail: u32,
        rebuilt_working_copy: u32,
        rebuilt_metadata: u32,
        replayed_blocks: i64,
    }
    #[derive(Default)]
    struct flatkv_repair_result {
        size: usize,
        database: u32,
        repaired: u32,
        source: u32,
        opens: u32,
        version: i64,
        source_version: i64,
        checksum: [u8; 32],
    }
    #[derive(Default)]
    struct flatkv_verdict {
        size: usize,
        database: u32,
        good: u32,
        readable: u32,
        expected: [u8; 32],
        found: [u8; 32],
        expected_rows: u64,
        found_rows: u64,
    }
    #[derive(Default)]
    struct flatkv_scrub_status {
        size: usize,
        round: u64,
        database: u32,
        rows: u64,
        findings: u64,
        failed_saves: u64,
    }
    #[derive(Default)]
    struct flatkv_flush_metrics {
        tables: u64,
        bytes: u64,
        nanoseconds: u64,
    }
    #[derive(Default)]
    struct flatkv_metrics {
        size: usize,
        undo_floor: i64,
        flushes: u64,
        flush_nanoseconds: u64,
        flushed_bytes: u64,
        log_bytes: u64,
        compaction_bytes: u64,
        buffer_memory: u64,
        view_memory: u64,
        recent_memory: u64,
        recent_versions: u64,
        superseded_bytes: u64,
        overlay_memory: u64,
        cache_memory: u64,
        cache_hits: u64,
        cache_misses: u64,
        key_filter_memory: u64,
        key_filter_answers: u64,
        ignored_change_sets: u64,
        commit_route: u64,
        commit_read: u64,
        commit_hash: u64,
        commit_log: u64,
        commit_buffer: u64,
        commit_publish: u64,
        commit_wait: u64,
        table_reads: u64,
        read_threads: u64,
        prefetch_asked: u64,
        prefetch_loaded: u64,
        prefetch_hit: u64,
        prefetch_dropped: u64,
        flushed: [flatkv_flush_metrics; 5],
    }
}

/// Messages of the library.
pub type flatkv_log_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, level: u32, text: *const c_char, size: usize)>;
/// Blocks up to a version are durable.
pub type flatkv_durable_callback = Option<unsafe extern "C" fn(user: *mut c_void, version: i64)>;
/// How far a long call is.
pub type flatkv_progress_callback = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        step: *const c_char,
        size: usize,
        done: u64,
        total: u64,
    ),
>;
/// Has a task run by another thread.
pub type flatkv_run_callback = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        step: Option<unsafe extern "C" fn(task: *mut c_void)>,
        task: *mut c_void,
    ) -> i32,
>;
/// Sees a row that differs.
pub type flatkv_difference_callback = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        database: u32,
        key: flatkv_bytes,
        a: *const flatkv_bytes,
        b: *const flatkv_bytes,
    ) -> i32,
>;
/// Takes bytes of an export.
pub type flatkv_write_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, data: *const u8, size: usize) -> i32>;
/// Gives bytes to an import.
pub type flatkv_read_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, into: *mut u8, size: usize) -> i64>;

// One line for each function; the header explains them.
#[allow(missing_docs)]
#[rustfmt::skip]
mod functions;
pub use functions::*;
