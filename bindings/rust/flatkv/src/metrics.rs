// SPDX-License-Identifier: Apache-2.0
use std::mem::size_of;
use std::time::Duration;

use flatkv_sys as sys;

use crate::error::{Result, check};

/// Counters since the open or the last rollback; memory is what is in use now, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The lowest version that a rollback reaches at once.
    pub undo_floor: i64,
    /// Flushes that are complete.
    pub flushes: u64,
    /// How long they took together.
    pub flush_time: Duration,
    /// What they wrote.
    pub flushed_bytes: u64,
    /// What was written to the log.
    pub log_bytes: u64,
    /// What RocksDB's compactions wrote.
    pub compaction_bytes: u64,
    /// Of committed rows that are not in the databases yet.
    pub buffer_memory: u64,
    /// Of buffers that only views keep.
    pub view_memory: u64,
    /// Of buffers that only recent versions keep.
    pub recent_memory: u64,
    /// How many versions `view_at` has.
    pub recent_versions: u64,
    /// In tables, of rows that were replaced since the oldest state that is kept.
    pub superseded_bytes: u64,
    /// Of overlays.
    pub overlay_memory: u64,
    /// Of the row cache.
    pub cache_memory: u64,
    /// Rows that the row cache had.
    pub cache_hits: u64,
    /// Rows that it had not.
    pub cache_misses: u64,
    /// Of the filters of absent keys.
    pub key_filter_memory: u64,
    /// Keys that they proved absent.
    pub key_filter_answers: u64,
    /// Change sets of modules other than `evm`.
    pub ignored_change_sets: u64,
    /// Of the last commit: checking and staging.
    pub commit_route: Duration,
    /// Reading old values.
    pub commit_read: Duration,
    /// Hashing.
    pub commit_hash: Duration,
    /// The log.
    pub commit_log: Duration,
    /// The write buffer.
    pub commit_buffer: Duration,
    /// Publishing the new state.
    pub commit_publish: Duration,
    /// Waiting for room.
    pub commit_wait: Duration,
    /// Rows that were looked up on disk: no buffer, cache or filter knew them.
    pub table_reads: u64,
    /// Threads that run for such reads.
    pub read_threads: u64,
    /// Rows given to `prefetch`. What became of them:
    pub prefetch_asked: u64,
    /// Read into the row cache.
    pub prefetch_loaded: u64,
    /// In memory or asked for already, or known to be absent.
    pub prefetch_hit: u64,
    /// Too many, needed before they were read, or unreadable.
    pub prefetch_dropped: u64,
    /// Flushes of each database, by the number of the [`Database`](crate::Database).
    pub flushed: [FlushMetrics; 5],
}

/// Flushes of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushMetrics {
    /// How many.
    pub tables: u64,
    /// What they wrote.
    pub bytes: u64,
    /// How long they took together.
    pub time: Duration,
}

impl Metrics {
    pub(crate) fn made(
        call: impl FnOnce(*mut sys::flatkv_metrics) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        let size = size_of::<sys::flatkv_metrics>();
        let mut from = sys::flatkv_metrics { size, ..Default::default() };
        check(call(&mut from))?;
        Ok(Metrics {
            undo_floor: from.undo_floor,
            flushes: from.flushes,
            flush_time: Duration::from_nanos(from.flush_nanoseconds),
            flushed_bytes: from.flushed_bytes,
            log_bytes: from.log_bytes,
            compaction_bytes: from.compaction_bytes,
            buffer_memory: from.buffer_memory,
            view_memory: from.view_memory,
            recent_memory: from.recent_memory,
            recent_versions: from.recent_versions,
            superseded_bytes: from.superseded_bytes,
            overlay_memory: from.overlay_memory,
            cache_memory: from.cache_memory,
            cache_hits: from.cache_hits,
            cache_misses: from.cache_misses,
            key_filter_memory: from.key_filter_memory,
            key_filter_answers: from.key_filter_answers,
            ignored_change_sets: from.ignored_change_sets,
            commit_route: Duration::from_nanos(from.commit_route),
            commit_read: Duration::from_nanos(from.commit_read),
            commit_hash: Duration::from_nanos(from.commit_hash),
            commit_log: Duration::from_nanos(from.commit_log),
            commit_buffer: Duration::from_nanos(from.commit_buffer),
            commit_publish: Duration::from_nanos(from.commit_publish),
            commit_wait: Duration::from_nanos(from.commit_wait),
            table_reads: from.table_reads,
            read_threads: from.read_threads,
            prefetch_asked: from.prefetch_asked,
            prefetch_loaded: from.prefetch_loaded,
            prefetch_hit: from.prefetch_hit,
            prefetch_dropped: from.prefetch_dropped,
            flushed: from.flushed.map(|one| FlushMetrics {
                tables: one.tables,
                bytes: one.bytes,
                time: Duration::from_nanos(one.nanoseconds),
            }),
        })
    }
}
