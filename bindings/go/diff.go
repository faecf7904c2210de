// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>

int32_t flatkvGoDifference(void*, uint32_t, flatkv_bytes, flatkv_bytes*, flatkv_bytes*);
*/
import "C"

import (
	"context"
	"unsafe"
)

// Difference is a row that two states have different. Key is its internal key; a value is nil if that
// state does not have the row. The memory is the caller's.
type Difference struct {
	Database Database
	Key      []byte
	A, B     []byte
}

// Diff scans two states and calls each with the rows that differ, in the order of databases and
// keys. An error of each ends it and is in what Diff returns. WithOneDatabase, WithThreads and WithRowsPerSecond.
func Diff(ctx context.Context, a, b *View, each func(Difference) error, options ...Option) error {
	for _, view := range [...]*View{a, b} {
		if view == nil {
			return errNil
		}
		if err := view.begin(); err != nil {
			return err
		}
		defer view.end()
	}
	call, err := newCall(ctx, options)
	if err != nil {
		return err
	}
	defer call.done()
	s := callee{difference: each}
	return s.run(call, func(user unsafe.Pointer) *C.flatkv_error {
		return C.flatkv_diff((*C.flatkv_view)(a.handle.pointer), (*C.flatkv_view)(b.handle.pointer),
			C.flatkv_difference_callback(C.flatkvGoDifference), user, call.options)
	})
}
