// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#cgo pkg-config: flatkv
#include <flatkv/flatkv.h>
#include <stdlib.h>
*/
import "C"

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// LibraryVersion is the version of the C library that is loaded: "major.minor.patch".
func LibraryVersion() string {
	return C.GoString(C.flatkv_version_text())
}

// handle owns a handle of the library. A call holds it with enter and leave, so that a close beside
// it frees the handle only when the last call has returned.
type handle struct {
	pointer unsafe.Pointer
	keeps   *callbacks // may be nil
	users   atomic.Int64
	closed  atomic.Bool
	freed   sync.Once
}

// newHandle takes over a handle that the library made.
func newHandle(pointer unsafe.Pointer, keeps *callbacks) *handle {
	h := &handle{pointer: pointer, keeps: keeps}
	h.users.Store(1)
	keeps.retain()
	return h
}

// collect closes the handle when owner is garbage, if nobody has closed it before.
func collect[T any](owner *T, h *handle) *T {
	runtime.AddCleanup(owner, (*handle).close, h)
	return owner
}

func (h *handle) enter() bool {
	if h == nil {
		return false
	}
	h.users.Add(1)
	if h.closed.Load() {
		h.leave()
		return false
	}
	return true
}

func (h *handle) leave() {
	if h.users.Add(-1) != 0 {
		return
	}
	// Calls that find the handle closed may come to zero again.
	h.freed.Do(func() {
		C.flatkv_free(h.pointer)
		h.keeps.release()
	})
}

// close frees the handle, now or when the last call has returned. Again: nothing.
func (h *handle) close() {
	if h != nil && !h.closed.Swap(true) {
		h.leave()
	}
}

// bytesOf is how a slice is passed. The library reads it during the call only.
func bytesOf(bytes []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.SliceData(bytes)), C.size_t(len(bytes))
}

// takeBuffer copies a buffer of the library and frees it.
func takeBuffer(buffer *C.flatkv_buffer) []byte {
	defer C.flatkv_free(unsafe.Pointer(buffer))
	size := C.flatkv_buffer_size(buffer)
	copied := make([]byte, int(size))
	copy(copied, unsafe.Slice((*byte)(unsafe.Pointer(C.flatkv_buffer_data(buffer))), int(size)))
	return copied
}
