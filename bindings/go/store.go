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

// Store is a store that is open for writing; one at a time, in all processes. It is a State.
//
// After an error that leaves nothing certain about the disk, such as a failed sync, the store has
// failed: writes are ErrStoreFailed and only reads go on. Close it and open it again.
type Store struct {
	state
	closing sync.Once
	closed  error
}

// Create makes an empty store, durable on return.
func Create(path string, options ...Option) error {
	name, call, err := begin(context.Background(), path, options)
	if err != nil {
		return err
	}
	defer freeString(name)
	defer call.done()
	return call.failure(C.flatkv_create(name, call.options))
}

// Open opens a store for writing, and recovers it if needed. A refused open has changed nothing;
// Remedies tells what could help.
func Open(path string, options ...Option) (*Store, error) {
	name, call, err := begin(context.Background(), path, options)
	if err != nil {
		return nil, err
	}
	defer freeString(name)
	defer call.done()
	var opened *C.flatkv_store
	if err := call.failure(C.flatkv_open(name, call.options, &opened)); err != nil {
		return nil, err
	}
	h := newHandle(unsafe.Pointer(opened), call.keeps)
	return collect(&Store{state: state{h, new(sync.Mutex), errStoreClosed}}, h), nil
}

func begin(ctx context.Context, path string, options []Option) (*C.char, *call, error) {
	name, err := cString(path)
	if err != nil {
		return nil, nil, err
	}
	made, err := newCall(ctx, options)
	if err != nil {
		freeString(name)
		return nil, nil, err
	}
	return name, made, nil
}

func (s *Store) c() *C.flatkv_store { return (*C.flatkv_store)(s.handle.pointer) }

// beside runs a call of the library that may run beside the writer.
func (s *state) beside(step func() *C.flatkv_error) error {
	if !s.enter() {
		return s.refusal()
	}
	defer s.leave()
	return takeError(step())
}

// Close flushes, syncs and releases the lock, or leaves that to the last view. Pending writes are
// dropped. It returns the first error, also when it is called again. In a callback of WithDurable it
// closes nothing and is ErrInvalidArgument.
func (s *Store) Close() error {
	if s.handle != nil && s.keeps != nil && s.keeps.inDurable() {
		return refused(ErrInvalidArgument, "a callback of the store must not close it")
	}
	s.closing.Do(func() {
		s.closed = s.do(func() *C.flatkv_error { return C.flatkv_close(s.c()) })
		s.handle.close()
	})
	return s.closed
}

// apply adds a block to the pending one of a store, a reader or an overlay.
func (s *state) apply(block *Block) error {
	if err := block.failed(); err != nil {
		return err
	}
	data, size := bytesOf(block.packed)
	return s.do(func() *C.flatkv_error { return C.flatkv_apply(s.pointer, data, size) })
}

func (s *state) workingRoots() (Roots, error) {
	var roots C.flatkv_roots
	err := s.do(func() *C.flatkv_error { return C.flatkv_working_roots(s.pointer, &roots) })
	return rootsOf(&roots), err
}

func (s *state) committedRoots() (Roots, error) {
	var roots C.flatkv_roots
	err := s.beside(func() *C.flatkv_error { return C.flatkv_committed_roots(s.pointer, &roots) })
	return rootsOf(&roots), err
}

// Apply adds writes to the pending block, all of them or, on any error, none. The error names the
// change set and the pair, from 1 on.
func (s *Store) Apply(block *Block) error { return s.apply(block) }

// WorkingRoots are the roots with the pending writes.
func (s *Store) WorkingRoots() (Roots, error) { return s.workingRoots() }

// CommittedRoots are those of the last commit.
func (s *Store) CommittedRoots() (Roots, error) { return s.committedRoots() }

// Discard drops the pending block.
func (s *Store) Discard() error {
	return s.do(func() *C.flatkv_error { return C.flatkv_discard(s.pointer) })
}

// Commit commits the pending block, which may be empty, as version, the next one; any other is
// ErrVersionMismatch and nothing has changed.
func (s *Store) Commit(version int64) (Roots, error) {
	var roots C.flatkv_roots
	err := s.do(func() *C.flatkv_error { return C.flatkv_commit(s.c(), C.int64_t(version), &roots) })
	return rootsOf(&roots), err
}

// ApplyCommit is Apply and Commit in one call of the library. After ErrInvalidArgument and
// ErrVersionMismatch nothing has changed.
func (s *Store) ApplyCommit(block *Block, version int64) (Roots, error) {
	if err := block.failed(); err != nil {
		return Roots{}, err
	}
	data, size := bytesOf(block.packed)
	var roots C.flatkv_roots
	err := s.do(func() *C.flatkv_error {
		return C.flatkv_apply_commit(s.c(), data, size, C.int64_t(version), &roots)
	})
	return rootsOf(&roots), err
}

// CommitOverlay commits an overlay of this store, and before it those below it, each as a block.
func (s *Store) CommitOverlay(overlay *Overlay, version int64) (Roots, error) {
	if overlay == nil {
		return Roots{}, errNil
	}
	var roots C.flatkv_roots
	err := s.do(func() *C.flatkv_error {
		if err := overlay.begin(); err != nil {
			// The library says what a pointer to nothing is.
			return C.flatkv_commit_overlay(s.c(), nil, C.int64_t(version), &roots)
		}
		defer overlay.end()
		return C.flatkv_commit_overlay(s.c(), (*C.flatkv_overlay)(overlay.handle.pointer),
			C.int64_t(version), &roots)
	})
	return rootsOf(&roots), err
}

// InitialVersion is the version of the store's first block; 0 after Close.
func (s *Store) InitialVersion() int64 {
	if !s.enter() {
		return 0
	}
	defer s.leave()
	return int64(C.flatkv_initial_version(s.c()))
}

// AccountRows is what was chosen when the store was created.
func (s *Store) AccountRows() AccountRows { return s.accountRows() }

func (s *state) accountRows() AccountRows {
	if !s.enter() {
		return KeepAccountRows
	}
	defer s.leave()
	return AccountRows(C.flatkv_account_rows(s.pointer))
}

// Flush writes all committed rows into the databases.
func (s *Store) Flush() error {
	return s.do(func() *C.flatkv_error { return C.flatkv_flush(s.c()) })
}

// Snapshot writes a snapshot of the committed state.
func (s *Store) Snapshot() error {
	return s.do(func() *C.flatkv_error { return C.flatkv_snapshot(s.c()) })
}

// Rollback goes back to an older version: in milliseconds from Metrics.UndoFloor on, below that by
// building the state anew. ErrVersionMismatch names the versions that can be reached.
func (s *Store) Rollback(version int64) error {
	return s.do(func() *C.flatkv_error { return C.flatkv_rollback(s.c(), C.int64_t(version)) })
}

// RollbackPath is Rollback of a store that nobody has open, also of one that does not open.
func RollbackPath(ctx context.Context, path string, version int64, options ...Option) error {
	name, call, err := begin(ctx, path, options)
	if err != nil {
		return err
	}
	defer freeString(name)
	defer call.done()
	return call.failure(C.flatkv_rollback_path(name, C.int64_t(version), call.options))
}

// DurableVersion is the highest version known to be durable; 0 after Close.
func (s *Store) DurableVersion() int64 {
	if !s.enter() {
		return 0
	}
	defer s.leave()
	return int64(C.flatkv_durable_version(s.c()))
}

// WaitDurable returns when the version is durable. ErrInvalidArgument if it is not committed,
// ErrStale if it is undone meanwhile.
func (s *Store) WaitDurable(ctx context.Context, version int64) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	waited := make(chan error, 1)
	go func() {
		waited <- s.beside(func() *C.flatkv_error {
			return C.flatkv_wait_durable(s.c(), C.int64_t(version))
		})
	}()
	select {
	case err := <-waited:
		return err
	case <-ctx.Done():
		return stopped(ctx)
	}
}

// View is the committed state, for reading by any number of goroutines. ErrNoSpace while views keep
// more than WithMaxViewBytes says.
func (s *Store) View() (*View, error) { return s.view() }

// ViewAt is one of the last versions, of which WithRecentVersions says how many there are;
// ErrVersionMismatch names them.
func (s *Store) ViewAt(version int64) (*View, error) {
	return newView(s.makeBeside(func(out *unsafe.Pointer) *C.flatkv_error {
		return C.flatkv_view_at(s.c(), C.int64_t(version), (**C.flatkv_view)(unsafe.Pointer(out)))
	}))
}

// Overlay is an empty overlay on the committed state.
func (s *Store) Overlay() (*Overlay, error) { return overlayOn(&s.state) }
