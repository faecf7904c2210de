// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
*/
import "C"

import (
	"context"
	"unsafe"
)

// Verdict is what a scan of a database found.
type Verdict struct {
	Database Database
	Good     bool
	// Readable is false if the scan did not finish: what was found means nothing then.
	Readable                bool
	Expected, Found         Hash
	ExpectedRows, FoundRows uint64
}

// Report is what Verify found.
type Report struct {
	Good     bool
	Verdicts []Verdict
}

// Verify scans the rows and compares them with the hashes. What differs is in the report and is no
// error.
func (s *Store) Verify(ctx context.Context, options ...Option) (*Report, error) {
	return s.verify(ctx, options)
}

// Verify is Store.Verify of a reader.
func (r *Reader) Verify(ctx context.Context, options ...Option) (*Report, error) {
	return r.verify(ctx, options)
}

// Verify is Store.Verify of a view.
func (v *View) Verify(ctx context.Context, options ...Option) (*Report, error) {
	return v.verify(ctx, options)
}

func (s *state) verify(ctx context.Context, options []Option) (*Report, error) {
	if !s.enter() {
		return nil, s.refusal()
	}
	defer s.leave()
	call, err := newCall(ctx, options)
	if err != nil {
		return nil, err
	}
	defer call.done()
	var found *C.flatkv_report
	if err := call.failure(C.flatkv_verify(s.pointer, call.options, &found)); err != nil {
		return nil, err
	}
	defer C.flatkv_free(unsafe.Pointer(found))
	report := &Report{Good: C.flatkv_report_good(found) != 0}
	for i := C.size_t(0); i < C.flatkv_report_count(found); i++ {
		verdict := C.flatkv_verdict{size: C.sizeof_flatkv_verdict}
		if err := takeError(C.flatkv_report_verdict(found, i, &verdict)); err != nil {
			return nil, err
		}
		report.Verdicts = append(report.Verdicts, Verdict{
			Database:     Database(verdict.database),
			Good:         verdict.good != 0,
			Readable:     verdict.readable != 0,
			Expected:     hashOf(&verdict.expected),
			Found:        hashOf(&verdict.found),
			ExpectedRows: uint64(verdict.expected_rows),
			FoundRows:    uint64(verdict.found_rows),
		})
	}
	return report, nil
}

// ScrubStatus is how far a scrub is.
type ScrubStatus struct {
	Round       uint64   // under way; those before are complete
	Database    Database // being read
	Rows        uint64   // of it that are done
	Findings    uint64   // since the open; at most 100 are counted
	FailedSaves uint64
}

func scrubStatus(from *C.flatkv_scrub_status) ScrubStatus {
	return ScrubStatus{
		Round:       uint64(from.round),
		Database:    Database(from.database),
		Rows:        uint64(from.rows),
		Findings:    uint64(from.findings),
		FailedSaves: uint64(from.failed_saves),
	}
}

// Scrub verifies at most so many rows more, from 1 on. ErrUnsupported if the scrub is off.
func (s *Store) Scrub(rows uint64) (ScrubStatus, error) {
	status := C.flatkv_scrub_status{size: C.sizeof_flatkv_scrub_status}
	err := s.beside(func() *C.flatkv_error { return C.flatkv_scrub(s.c(), C.uint64_t(rows), &status) })
	return scrubStatus(&status), err
}

// ScrubStatus is how far the scrub is. ErrUnsupported if it is off.
func (s *Store) ScrubStatus() (ScrubStatus, error) {
	status := C.flatkv_scrub_status{size: C.sizeof_flatkv_scrub_status}
	err := s.beside(func() *C.flatkv_error { return C.flatkv_scrub_status_get(s.c(), &status) })
	return scrubStatus(&status), err
}
