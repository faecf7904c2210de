// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
*/
import "C"

import "time"

// Metrics are counters since the open or the last rollback; memory is what is in use now.
type Metrics struct {
	UndoFloor         int64 // the lowest version that Rollback reaches at once
	Flushes           uint64
	FlushTime         time.Duration
	FlushedBytes      uint64
	LogBytes          uint64
	CompactionBytes   uint64
	BufferMemory      uint64
	ViewMemory        uint64
	RecentMemory      uint64
	RecentVersions    uint64
	SupersededBytes   uint64
	OverlayMemory     uint64
	CacheMemory       uint64
	CacheHits         uint64
	CacheMisses       uint64
	KeyFilterMemory   uint64
	KeyFilterAnswers  uint64
	IgnoredChangeSets uint64
	TableReads        uint64          // rows looked up on disk: no buffer, cache or filter knew them
	ReadThreads       uint64          // that run for such reads
	PrefetchAsked     uint64          // rows given to Prefetch; what became of them:
	PrefetchLoaded    uint64          // read into the row cache
	PrefetchHit       uint64          // in memory or asked for already, or known to be absent
	PrefetchDropped   uint64          // too many, needed before they were read, or unreadable
	Flushed           [5]FlushMetrics // by Database
	LastCommit        CommitTimes
}

// FlushMetrics are the flushes of one database.
type FlushMetrics struct {
	Tables, Bytes uint64
	Time          time.Duration
}

// CommitTimes are what the last commit took, by step.
type CommitTimes struct {
	Route, Read, Hash, Log, Buffer, Publish, Wait time.Duration
}

// Metrics are those of the store.
func (s *Store) Metrics() (Metrics, error) {
	m := C.flatkv_metrics{size: C.sizeof_flatkv_metrics}
	err := s.beside(func() *C.flatkv_error { return C.flatkv_metrics_get(s.c(), &m) })
	var flushed [5]FlushMetrics
	for database := range flushed {
		from := &m.flushed[database]
		flushed[database] = FlushMetrics{uint64(from.tables), uint64(from.bytes), time.Duration(from.nanoseconds)}
	}
	return Metrics{
		TableReads:        uint64(m.table_reads),
		ReadThreads:       uint64(m.read_threads),
		PrefetchAsked:     uint64(m.prefetch_asked),
		PrefetchLoaded:    uint64(m.prefetch_loaded),
		PrefetchHit:       uint64(m.prefetch_hit),
		PrefetchDropped:   uint64(m.prefetch_dropped),
		Flushed:           flushed,
		UndoFloor:         int64(m.undo_floor),
		Flushes:           uint64(m.flushes),
		FlushTime:         time.Duration(m.flush_nanoseconds),
		FlushedBytes:      uint64(m.flushed_bytes),
		LogBytes:          uint64(m.log_bytes),
		CompactionBytes:   uint64(m.compaction_bytes),
		BufferMemory:      uint64(m.buffer_memory),
		ViewMemory:        uint64(m.view_memory),
		RecentMemory:      uint64(m.recent_memory),
		RecentVersions:    uint64(m.recent_versions),
		SupersededBytes:   uint64(m.superseded_bytes),
		OverlayMemory:     uint64(m.overlay_memory),
		CacheMemory:       uint64(m.cache_memory),
		CacheHits:         uint64(m.cache_hits),
		CacheMisses:       uint64(m.cache_misses),
		KeyFilterMemory:   uint64(m.key_filter_memory),
		KeyFilterAnswers:  uint64(m.key_filter_answers),
		IgnoredChangeSets: uint64(m.ignored_change_sets),
		LastCommit: CommitTimes{
			Route:   time.Duration(m.commit_route),
			Read:    time.Duration(m.commit_read),
			Hash:    time.Duration(m.commit_hash),
			Log:     time.Duration(m.commit_log),
			Buffer:  time.Duration(m.commit_buffer),
			Publish: time.Duration(m.commit_publish),
			Wait:    time.Duration(m.commit_wait),
		},
	}, err
}
