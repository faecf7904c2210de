// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
*/
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// View is a committed state that stays as it is, for any number of goroutines. It is a State. It
// outlives commits, rollbacks and its store, and keeps the store's files open.
type View struct {
	state
}

func newView(h *handle, err error) (*View, error) {
	if err != nil {
		return nil, err
	}
	return collect(&View{state{h, nil, errClosed}}, h), nil
}

// view may be taken beside the writer.
func (s *state) view() (*View, error) {
	return newView(s.makeBeside(func(out *unsafe.Pointer) *C.flatkv_error {
		return C.flatkv_view_new(s.pointer, (**C.flatkv_view)(unsafe.Pointer(out)))
	}))
}

// Roots are those of the view's version.
func (v *View) Roots() (Roots, error) { return v.committedRoots() }

// AccountRows is what was chosen when the store was created.
func (v *View) AccountRows() AccountRows { return v.accountRows() }

// Close lets go of what the view keeps. Again: nothing.
func (v *View) Close() error {
	v.handle.close()
	return nil
}

// Reader is a private copy of a store at one version, beside a writer of any process. It is a State,
// and takes writes that are never committed.
type Reader struct {
	state
}

// OpenReader opens a store for reading, at WithVersion or at its newest version.
func OpenReader(ctx context.Context, path string, options ...Option) (*Reader, error) {
	name, call, err := begin(ctx, path, options)
	if err != nil {
		return nil, err
	}
	defer freeString(name)
	defer call.done()
	var opened *C.flatkv_reader
	if err := call.failure(C.flatkv_open_reader(name, call.options, &opened)); err != nil {
		return nil, err
	}
	h := newHandle(unsafe.Pointer(opened), call.keeps)
	return collect(&Reader{state{h, new(sync.Mutex), errClosed}}, h), nil
}

// Apply adds writes to the pending block.
func (r *Reader) Apply(block *Block) error { return r.apply(block) }

// WorkingRoots are the roots with the pending writes.
func (r *Reader) WorkingRoots() (Roots, error) { return r.workingRoots() }

// Roots are those of the reader's version.
func (r *Reader) Roots() (Roots, error) { return r.committedRoots() }

// AccountRows is what was chosen when the store was created.
func (r *Reader) AccountRows() AccountRows { return r.accountRows() }

// Discard drops the pending block.
func (r *Reader) Discard() error {
	return r.do(func() *C.flatkv_error { return C.flatkv_discard(r.pointer) })
}

// View is the state without the pending writes, for any number of goroutines.
func (r *Reader) View() (*View, error) { return r.view() }

// Overlay is an empty overlay on the reader's state.
func (r *Reader) Overlay() (*Overlay, error) { return overlayOn(&r.state) }

// Close removes the copy. Again: nothing.
func (r *Reader) Close() error {
	r.handle.close()
	return nil
}

// Overlay is an uncommitted block on a committed state or on another overlay, beside any number of
// others. It is a State. It may be closed when others stand on it.
type Overlay struct {
	state
}

func overlayOn(below *state) (*Overlay, error) {
	h, err := below.make(func(out *unsafe.Pointer) *C.flatkv_error {
		return C.flatkv_overlay_new(below.pointer, (**C.flatkv_overlay)(unsafe.Pointer(out)))
	})
	if err != nil {
		return nil, err
	}
	return collect(&Overlay{state{h, new(sync.Mutex), errClosed}}, h), nil
}

// Apply adds writes, all of them or, on any error, none. Not to one that others stand on.
func (o *Overlay) Apply(block *Block) error { return o.apply(block) }

// Roots are those that its version would have.
func (o *Overlay) Roots() (Roots, error) { return o.workingRoots() }

// Overlay is an empty overlay on this one, which no longer changes then.
func (o *Overlay) Overlay() (*Overlay, error) { return overlayOn(&o.state) }

// Close drops it. Again: nothing.
func (o *Overlay) Close() error {
	o.handle.close()
	return nil
}
