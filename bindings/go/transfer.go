// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>

int32_t flatkvGoWrite(void*, uint8_t*, size_t);
int64_t flatkvGoRead(void*, uint8_t*, size_t);
*/
import "C"

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"unsafe"
)

// run gives it to the library for one call, and raises again what it raised.
func (s *callee) run(call *call, step func(user unsafe.Pointer) *C.flatkv_error) error {
	s.ctx = call.ctx
	cell := newCell(s)
	err := call.failure(step(cell))
	freeCell(cell)
	if s.panicked != nil {
		panic(s.panicked)
	}
	if s.err == errLeft {
		return err // which has why
	}
	return because(err, s.err)
}

// Export writes the state of the view as a stream; equal states give equal bytes. An error of the
// writer is in what it returns. When the context ends, a Write that goes on is left alone.
func (v *View) Export(ctx context.Context, to io.Writer, options ...Option) error {
	if err := v.begin(); err != nil {
		return err
	}
	defer v.end()
	call, err := newCall(ctx, options)
	if err != nil {
		return err
	}
	defer call.done()
	s := callee{writer: to}
	return s.run(call, func(user unsafe.Pointer) *C.flatkv_error {
		return C.flatkv_export((*C.flatkv_view)(v.handle.pointer),
			C.flatkv_write_callback(C.flatkvGoWrite), user, call.options)
	})
}

// Import checks a stream row by row, makes it the store at path, and returns its version. Until all
// is proven, what was there stands. trusted, which may be nil, are the roots that it must have. When
// the context ends, a Read that goes on is left alone.
func Import(ctx context.Context, path string, from io.Reader, trusted *Roots, options ...Option) (int64, error) {
	name, call, err := begin(ctx, path, options)
	if err != nil {
		return 0, err
	}
	defer freeString(name)
	defer call.done()
	var roots C.flatkv_roots
	wanted := rootsOrNil(trusted, &roots)
	var version C.int64_t
	s := callee{reader: from}
	err = s.run(call, func(user unsafe.Pointer) *C.flatkv_error {
		return C.flatkv_import(name, C.flatkv_read_callback(C.flatkvGoRead), user, wanted,
			call.options, &version)
	})
	return int64(version), err
}

func rootsOrNil(roots *Roots, into *C.flatkv_roots) *C.flatkv_roots {
	if roots == nil {
		return nil
	}
	*into = roots.c()
	return into
}

// Importer builds a store from rows: databases in the order of DataDatabases, keys ascending. What
// was at its path stands until Finish. For one goroutine at a time.
type Importer struct {
	handle *handle
	packed []byte
}

// NewImporter begins to build a store. It holds the store's lock.
func NewImporter(path string, options ...Option) (*Importer, error) {
	name, call, err := begin(context.Background(), path, options)
	if err != nil {
		return nil, err
	}
	defer freeString(name)
	defer call.done()
	var made *C.flatkv_importer
	if err := call.failure(C.flatkv_importer_new(name, call.options, &made)); err != nil {
		return nil, err
	}
	h := newHandle(unsafe.Pointer(made), call.keeps)
	return collect(&Importer{handle: h}, h), nil
}

func (i *Importer) do(step func(*C.flatkv_importer) *C.flatkv_error) error {
	if !i.handle.enter() {
		return errClosed
	}
	defer i.handle.leave()
	return takeError(step((*C.flatkv_importer)(i.handle.pointer)))
}

// Add adds rows of a database, all of them with one call of the library. ErrCorruption for a row
// that is out of order, in the wrong database or malformed. Any error ends the import.
func (i *Importer) Add(database Database, rows ...Row) error {
	i.packed = i.packed[:0]
	for _, row := range rows {
		if len(row.Key) > math.MaxUint32 || len(row.Value) > math.MaxUint32 {
			return refused(ErrInvalidArgument, "a row of 4 GiB or more")
		}
		i.packed = binary.LittleEndian.AppendUint32(i.packed, uint32(len(row.Key)))
		i.packed = binary.LittleEndian.AppendUint32(i.packed, uint32(len(row.Value)))
		i.packed = append(append(i.packed, row.Key...), row.Value...)
	}
	data, size := bytesOf(i.packed)
	return i.do(func(c *C.flatkv_importer) *C.flatkv_error {
		return C.flatkv_importer_add(c, C.uint32_t(database), data, size)
	})
}

// Finish makes the rows the live store at version, from 0 on, and returns their roots. trusted,
// which may be nil, are the roots that they must have. It ends the import.
func (i *Importer) Finish(version int64, trusted *Roots) (Roots, error) {
	var wanted, found C.flatkv_roots
	err := i.do(func(c *C.flatkv_importer) *C.flatkv_error {
		return C.flatkv_importer_finish(c, C.int64_t(version), rootsOrNil(trusted, &wanted), &found)
	})
	i.handle.close()
	return rootsOf(&found), err
}

// Close removes what was built, unless Finish succeeded. Again: nothing.
func (i *Importer) Close() error {
	i.handle.close()
	return nil
}
