// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
*/
import "C"

import (
	"context"
	"fmt"
	"unsafe"
)

// OpenReport is what an open, or the last rollback, found and did.
type OpenReport struct {
	Clean              bool // nothing was scanned, rewritten or replayed
	ReplayedBlocks     int64
	Backfilled         []Database // whose hashes a full scan rebuilt
	TruncatedLog       bool       // a torn tail was cut; a message to WithLog says where
	LostLogTail        bool       // the databases were ahead of the log, so a new one was started
	RebuiltWorkingCopy bool       // from a snapshot and the log
	RebuiltMetadata    bool
}

// OpenReport says what the open did.
func (s *Store) OpenReport() (OpenReport, error) {
	report := C.flatkv_open_report{size: C.sizeof_flatkv_open_report}
	err := s.do(func() *C.flatkv_error { return C.flatkv_open_report_get(s.c(), &report) })
	var backfilled []Database
	for _, database := range DataDatabases {
		if report.backfilled>>database&1 != 0 {
			backfilled = append(backfilled, database)
		}
	}
	return OpenReport{
		Clean:              report.clean != 0,
		ReplayedBlocks:     int64(report.replayed_blocks),
		Backfilled:         backfilled,
		TruncatedLog:       report.truncated_log != 0,
		LostLogTail:        report.lost_log_tail != 0,
		RebuiltWorkingCopy: report.rebuilt_working_copy != 0,
		RebuiltMetadata:    report.rebuilt_metadata != 0,
	}, err
}

// RepairSource is what a database was rebuilt from, before the log was replayed.
type RepairSource uint32

const (
	RepairedFromNothing   RepairSource = 0 // it verified
	RepairedFromSnapshot  RepairSource = 1
	RepairedFromStream    RepairSource = 2
	RepairedFromLocalMeta RepairSource = 3 // what the other databases know: of the metadata database
)

// Repaired is what Repair did with a database.
type Repaired struct {
	Database Database
	// Damage is what was wrong; nil if the database verified, and then nothing was changed.
	Damage error
	Source RepairSource
	// SourceVersion is that of the snapshot or the stream.
	SourceVersion int64
	// Version is that of the store now or, if the database verified, of its last flush.
	Version int64
	// Checksum is that of the database at Version, by a full scan.
	Checksum Hash
	// Opens is false if nothing was repaired and the store does not open all the same.
	Opens bool
}

// Repair rebuilds those of the databases that are damaged, in a store that nobody has open, whether
// it opens or not: from a snapshot, or from the exported state of WithStreamFile, and the log. All is
// compared and proven before it is swapped in. Name all that are damaged in one call. One result for
// each of them, in the order of their numbers. ErrCorruption if no source is left; an error of the very last
// step may leave either state, any other has changed nothing.
func Repair(ctx context.Context, path string, databases []Database, options ...Option) ([]Repaired, error) {
	var set C.uint32_t
	for _, database := range databases {
		if database > MetadataDatabase {
			return nil, refused(ErrInvalidArgument, fmt.Sprintf("there is no %v", database))
		}
		set |= 1 << database
	}
	name, call, err := begin(ctx, path, options)
	if err != nil {
		return nil, err
	}
	defer freeString(name)
	defer call.done()
	var repairs *C.flatkv_repairs
	if err := call.failure(C.flatkv_repair(name, set, call.stream, call.options, &repairs)); err != nil {
		return nil, err
	}
	defer C.flatkv_free(unsafe.Pointer(repairs))
	var found []Repaired
	for i := range C.flatkv_repairs_count(repairs) {
		one, err := repairedOf(repairs, i)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func repairedOf(repairs *C.flatkv_repairs, index C.size_t) (Repaired, error) {
	result := C.flatkv_repair_result{size: C.sizeof_flatkv_repair_result}
	if err := takeError(C.flatkv_repairs_get(repairs, index, &result)); err != nil {
		return Repaired{}, err
	}
	var damage *C.flatkv_error
	if err := takeError(C.flatkv_repairs_damage(repairs, index, &damage)); err != nil {
		return Repaired{}, err
	}
	return Repaired{
		Database:      Database(result.database),
		Damage:        takeError(damage),
		Source:        RepairSource(result.source),
		SourceVersion: int64(result.source_version),
		Version:       int64(result.version),
		Checksum:      hashOf(&result.checksum),
		Opens:         result.opens != 0,
	}, nil
}
