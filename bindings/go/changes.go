// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
#include <stdlib.h>

static flatkv_error* go_subscribe(flatkv_store* store, uint32_t committed, uint32_t has_after,
                                  int64_t after, const uint8_t* cursor, size_t cursor_size,
                                  uint32_t depth, const char* name, flatkv_subscription** out) {
  flatkv_subscribe_options options = {.size = sizeof options,
                                      .committed = committed,
                                      .has_after = has_after,
                                      .after = after,
                                      .cursor = {cursor, cursor_size},
                                      .depth = depth,
                                      .name = name};
  return flatkv_subscribe(store, &options, out);
}
*/
import "C"

import (
	"context"
	"encoding/binary"
	"iter"
	"unsafe"
)

// Event is a block that was committed, or with Undo, that the store went back to Version.
type Event struct {
	Undo    bool
	Version int64
	Chain   Hash  // tells this version from the same one of another branch
	Roots   Roots // zero with Undo
	// Changes are its change sets, as they came; empty with Undo.
	Changes       []ChangeSet
	PayloadBytes  uint64
	PayloadDigest Hash
}

// takeEvent reads a block of the library and frees it; nil gives nil.
func takeEvent(block *C.flatkv_block) (*Event, error) {
	if block == nil {
		return nil, nil
	}
	defer C.flatkv_free(unsafe.Pointer(block))
	info := C.flatkv_block_info{size: C.sizeof_flatkv_block_info}
	if err := takeError(C.flatkv_block_info_get(block, &info)); err != nil {
		return nil, err
	}
	var packed *C.flatkv_buffer
	if err := takeError(C.flatkv_block_changes(block, &packed)); err != nil {
		return nil, err
	}
	return &Event{
		Undo:          info.undo != 0,
		Version:       int64(info.version),
		Chain:         hashOf(&info.chain),
		Roots:         rootsOf(&info.roots),
		Changes:       unpackChanges(takeBuffer(packed)),
		PayloadBytes:  uint64(info.payload_bytes),
		PayloadDigest: hashOf(&info.payload_digest),
	}, nil
}

// Changes goes over the blocks of the log from version from to version to, both included. An error
// ends the loop; it comes without an event.
func (s *Store) Changes(from, to int64) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		h, err := s.makeBeside(func(out *unsafe.Pointer) *C.flatkv_error {
			return C.flatkv_changes_new(s.c(), C.int64_t(from), C.int64_t(to),
				(**C.flatkv_changes)(unsafe.Pointer(out)))
		})
		if err != nil {
			yield(nil, err)
			return
		}
		defer h.close()
		reader := (*C.flatkv_changes)(h.pointer)
		for {
			var block *C.flatkv_block
			err := takeError(C.flatkv_changes_next(reader, &block))
			if err != nil {
				yield(nil, err)
				return
			}
			event, err := takeEvent(block)
			if event == nil && err == nil {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// SubscribeOptions say where a subscription begins and what it delivers. The zero value: durable
// blocks after the last one.
type SubscribeOptions struct {
	Committed bool   // all blocks, as they are committed; else durable ones, with a cursor
	After     *int64 // begin after this version
	Cursor    []byte // go on here
	Depth     uint32 // blocks that can be undone while away; 0: 128
	Name      string // keeps the log for this consumer
}

// Subscription delivers what is committed and undone. For one goroutine at a time.
type Subscription struct {
	handle *handle
}

// Subscribe begins a subscription.
func (s *Store) Subscribe(options SubscribeOptions) (*Subscription, error) {
	name, err := cString(options.Name)
	if err != nil {
		return nil, err
	}
	defer freeString(name)
	var committed, hasAfter C.uint32_t
	var after C.int64_t
	if options.Committed {
		committed = 1
	}
	if options.After != nil {
		hasAfter, after = 1, C.int64_t(*options.After)
	}
	cursor, size := bytesOf(options.Cursor)
	h, err := s.makeBeside(func(out *unsafe.Pointer) *C.flatkv_error {
		return C.go_subscribe(s.c(), committed, hasAfter, after, cursor, size,
			C.uint32_t(options.Depth), name, (**C.flatkv_subscription)(unsafe.Pointer(out)))
	})
	if err != nil {
		return nil, err
	}
	return collect(&Subscription{h}, h), nil
}

func (s *Subscription) do(step func(*C.flatkv_subscription) *C.flatkv_error) error {
	if !s.handle.enter() {
		return errClosed
	}
	defer s.handle.leave()
	return takeError(step((*C.flatkv_subscription)(s.handle.pointer)))
}

// How long a wait inside the library lasts before the context is looked at again.
const waitMilliseconds = 50

// Next waits for the next event, until the context ends.
func (s *Subscription) Next(ctx context.Context) (*Event, error) {
	for {
		if ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		if event, err := s.next(waitMilliseconds); event != nil || err != nil {
			return event, err
		}
	}
}

// Poll is the next event if there is one now, and nil if not.
func (s *Subscription) Poll() (*Event, error) { return s.next(-1) }

func (s *Subscription) next(milliseconds int64) (*Event, error) {
	var block *C.flatkv_block
	err := s.do(func(c *C.flatkv_subscription) *C.flatkv_error {
		return C.flatkv_subscription_next(c, C.int64_t(milliseconds), &block)
	})
	if err != nil {
		return nil, err
	}
	return takeEvent(block)
}

// Cursor is after the last event delivered: store it with the effects of that. ErrUnsupported with
// Committed.
func (s *Subscription) Cursor() ([]byte, error) {
	var buffer *C.flatkv_buffer
	err := s.do(func(c *C.flatkv_subscription) *C.flatkv_error {
		return C.flatkv_subscription_cursor(c, &buffer)
	})
	if err != nil {
		return nil, err
	}
	return takeBuffer(buffer), nil
}

// Acknowledge tells that this cursor is stored: the log before it need not be kept for the name.
func (s *Subscription) Acknowledge(cursor []byte) error {
	data, size := bytesOf(cursor)
	return s.do(func(c *C.flatkv_subscription) *C.flatkv_error {
		return C.flatkv_subscription_acknowledge(c, data, size)
	})
}

// Close ends the subscription; a name keeps the log on. Again: nothing.
func (s *Subscription) Close() error {
	s.handle.close()
	return nil
}

// NamedCursor is a consumer for whom the log above Version is kept: what its cursor needs, from the
// oldest block that can still be undone for it.
type NamedCursor struct {
	Name    string
	Version int64
}

// NamedCursors are the consumers for whom the log is kept.
func (s *Store) NamedCursors() ([]NamedCursor, error) {
	var buffer *C.flatkv_buffer
	err := s.beside(func() *C.flatkv_error { return C.flatkv_named_cursors(s.c(), &buffer) })
	if err != nil {
		return nil, err
	}
	var cursors []NamedCursor
	for packed := takeBuffer(buffer); len(packed) > 0; {
		version := int64(binary.LittleEndian.Uint64(packed))
		end := 12 + binary.LittleEndian.Uint32(packed[8:])
		cursors = append(cursors, NamedCursor{string(packed[12:end]), version})
		packed = packed[end:]
	}
	return cursors, nil
}

// DropCursor keeps the log no more for a name; ErrNotFound if there is none.
func (s *Store) DropCursor(name string) error {
	text, err := cString(name)
	if err != nil {
		return err
	}
	defer freeString(text)
	return s.beside(func() *C.flatkv_error { return C.flatkv_drop_cursor(s.c(), text) })
}
