// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
#include <stdlib.h>

// The keys come packed, each after its length: an array of pointers into Go's memory would have to
// be pinned. Without memory the library refuses a null pointer.
static flatkv_bytes* unpack(const uint8_t* packed, size_t count) {
  flatkv_bytes* keys = count == 0 ? NULL : malloc(count * sizeof *keys);
  for (size_t i = 0; keys != NULL && i < count; ++i) {
    uint32_t size = packed[0] | packed[1] << 8 | packed[2] << 16 | (uint32_t)packed[3] << 24;
    keys[i].data = packed + 4;
    keys[i].size = size;
    packed += 4 + (size_t)size;
  }
  return keys;
}

static flatkv_error* go_get_many(const flatkv_state* state, const uint8_t* packed, size_t count,
                                 flatkv_buffer** out) {
  flatkv_bytes* keys = unpack(packed, count);
  flatkv_error* failed = flatkv_get_many(state, keys, count, out);
  free(keys);
  return failed;
}

static flatkv_error* go_prefetch(flatkv_working* target, const uint8_t* packed, size_t count) {
  flatkv_bytes* keys = unpack(packed, count);
  flatkv_error* failed = flatkv_prefetch(target, keys, count);
  free(keys);
  return failed;
}

// Reads of one value. The handle is a number here, since of a pointer without a type cgo looks up
// what memory it leads to; and size and error are a result, since memory of Go would have to be
// allocated for them.
typedef struct go_value {
  int64_t size;
  flatkv_error* failed;
} go_value;

static go_value read_key(uintptr_t state, const uint8_t* key, size_t key_size, uint8_t* into,
                       size_t capacity) {
  go_value value = {FLATKV_ABSENT, NULL};
  value.failed = flatkv_get((const flatkv_state*)state, key, key_size, into, capacity, &value.size);
  return value;
}

static go_value read_row(uintptr_t state, uint32_t database, const uint8_t* key, size_t key_size,
                       uint8_t* into, size_t capacity) {
  go_value value = {FLATKV_ABSENT, NULL};
  value.failed = flatkv_row((const flatkv_state*)state, database, key, key_size, into, capacity,
                            &value.size);
  return value;
}

static go_value read_slot(uintptr_t state, const uint8_t* address, const uint8_t* slot,
                           uint8_t* into, size_t capacity) {
  go_value value = {FLATKV_ABSENT, NULL};
  value.failed =
      flatkv_storage((const flatkv_state*)state, address, slot, into, capacity, &value.size);
  return value;
}

static go_value read_code(uintptr_t state, const uint8_t* address, uint8_t* into, size_t capacity) {
  go_value value = {FLATKV_ABSENT, NULL};
  value.failed = flatkv_code((const flatkv_state*)state, address, into, capacity, &value.size);
  return value;
}
*/
import "C"

import (
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"sync"
	"unsafe"
)

// State is what reads go to: a *Store or *Reader with its pending writes, a *View, or an *Overlay.
// A value that is nil is absent: an empty one is not nil.
type State interface {
	// Version is the committed version, or of an overlay what it would be committed as; 0 after
	// Close of what is no store.
	Version() int64

	// Get reads by the key that change sets use. A key that is empty or above 64 KiB is
	// ErrInvalidArgument.
	Get(key []byte) ([]byte, error)
	// GetInto is Get that appends to a slice of the caller, and allocates nothing if it has room.
	// It tells whether the key is there.
	GetInto(into, key []byte) ([]byte, bool, error)
	// GetMany reads many keys with one call, in their order; faster than single reads.
	GetMany(keys [][]byte) ([][]byte, error)
	// Row reads a stored row by its internal key.
	Row(database Database, key []byte) ([]byte, error)
	Storage(address Address, slot Word) ([]byte, error)
	Code(address Address) ([]byte, error)
	// Account is nil if there is none.
	Account(address Address) (*Account, error)

	// Rows goes over the rows of a data database in the order of their internal keys, as they were
	// when the loop began. Each row has memory of its own. An error ends the loop; it comes with an
	// empty row.
	Rows(database Database, within Range) iter.Seq2[Row, error]
	// Iterate is Rows for going back and forth.
	Iterate(database Database, within Range) (*Iterator, error)
}

var (
	_ State = (*Store)(nil)
	_ State = (*Reader)(nil)
	_ State = (*View)(nil)
	_ State = (*Overlay)(nil)
)

// Account is an account row. A code hash of zero says that there is none.
type Account struct {
	Balance  Word
	CodeHash Hash
	Nonce    uint64
}

// Range limits rows by internal key: those with Prefix, from Start on, before End. What is empty
// does not limit.
type Range struct {
	Prefix, Start, End []byte
}

// state is what stores, readers, views and overlays have in common.
type state struct {
	*handle
	turns *sync.Mutex // of those that take writes; nil: any number of calls at once
	gone  error       // what calls return after the close; nil, which is of a zero value: errClosed
}

// refusal is what calls return without a handle.
func (s *state) refusal() error {
	if s.gone == nil {
		return errClosed
	}
	return s.gone
}

// begin holds the handle for a call, which ends with end.
func (s *state) begin() error {
	if !s.enter() {
		return s.refusal()
	}
	if s.turns != nil {
		s.turns.Lock()
	}
	return nil
}

func (s *state) end() {
	if s.turns != nil {
		s.turns.Unlock()
	}
	s.leave()
}

// do runs a call of the library with the handle.
func (s *state) do(step func() *C.flatkv_error) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.end()
	return takeError(step())
}

// make runs a call of the library that makes a handle of this one. The new one keeps the functions of
// the caller before the call is over: a close beside it may let go of them then.
func (s *state) make(step func(out *unsafe.Pointer) *C.flatkv_error) (*handle, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end()
	return s.made(step)
}

// makeBeside is make of a call that may run beside the writer.
func (s *state) makeBeside(step func(out *unsafe.Pointer) *C.flatkv_error) (*handle, error) {
	if !s.enter() {
		return nil, s.refusal()
	}
	defer s.leave()
	return s.made(step)
}

func (s *state) made(step func(out *unsafe.Pointer) *C.flatkv_error) (*handle, error) {
	var out unsafe.Pointer
	if err := takeError(step(&out)); err != nil {
		return nil, err
	}
	return newHandle(out, s.keeps), nil
}

func (s *state) Version() int64 {
	if !s.enter() {
		return 0
	}
	defer s.leave()
	return int64(C.flatkv_version(s.pointer))
}

// Slots and the fields of accounts fit into this, so that a read costs one call and one allocation.
const usualBytes = 64

// reading is a function of the library that copies a value out.
type reading func(state C.uintptr_t, into *C.uint8_t, capacity C.size_t) C.go_value

// appendValue appends what a read finds.
func (s *state) appendValue(to []byte, read reading) ([]byte, bool, error) {
	if err := s.begin(); err != nil {
		return to, false, err
	}
	defer s.end()
	for {
		room := to[len(to):cap(to)]
		into, capacity := bytesOf(room)
		value := read(C.uintptr_t(uintptr(s.pointer)), into, capacity)
		if value.failed != nil {
			return to, false, takeError(value.failed)
		}
		if value.size == C.FLATKV_ABSENT {
			return to, false, nil
		}
		if int(value.size) <= len(room) {
			return to[:len(to)+int(value.size)], true, nil
		}
		// It did not fit. It may be another one by now, even a larger one.
		to = slices.Grow(to, int(value.size))
	}
}

// value is what a read finds, or nil.
func (s *state) value(read reading) ([]byte, error) {
	value, there, err := s.appendValue(make([]byte, 0, usualBytes), read)
	if !there {
		return nil, err
	}
	return value, nil
}

func getting(key []byte) reading {
	return func(state C.uintptr_t, into *C.uint8_t, capacity C.size_t) C.go_value {
		data, size := bytesOf(key)
		return C.read_key(state, data, size, into, capacity)
	}
}

func (s *state) Get(key []byte) ([]byte, error) { return s.value(getting(key)) }

func (s *state) GetInto(into, key []byte) ([]byte, bool, error) {
	return s.appendValue(into, getting(key))
}

func (s *state) Row(database Database, key []byte) ([]byte, error) {
	data, size := bytesOf(key)
	return s.value(func(state C.uintptr_t, into *C.uint8_t, capacity C.size_t) C.go_value {
		return C.read_row(state, C.uint32_t(database), data, size, into, capacity)
	})
}

func (s *state) Storage(address Address, slot Word) ([]byte, error) {
	account, _ := bytesOf(address[:])
	word, _ := bytesOf(slot[:])
	return s.value(func(state C.uintptr_t, into *C.uint8_t, capacity C.size_t) C.go_value {
		return C.read_slot(state, account, word, into, capacity)
	})
}

func (s *state) Code(address Address) ([]byte, error) {
	account, _ := bytesOf(address[:])
	return s.value(func(state C.uintptr_t, into *C.uint8_t, capacity C.size_t) C.go_value {
		return C.read_code(state, account, into, capacity)
	})
}

func (s *state) Account(address Address) (*Account, error) {
	var fields C.flatkv_account_fields
	var exists C.uint32_t
	account, _ := bytesOf(address[:])
	err := s.do(func() *C.flatkv_error { return C.flatkv_account(s.pointer, account, &fields, &exists) })
	if err != nil || exists == 0 {
		return nil, err
	}
	return &Account{
		Balance:  Word(hashOf(&fields.balance)),
		CodeHash: hashOf(&fields.code_hash),
		Nonce:    uint64(fields.nonce),
	}, nil
}

func (s *state) GetMany(keys [][]byte) ([][]byte, error) {
	packed, err := packKeys(keys)
	if err != nil {
		return nil, err
	}
	data, _ := bytesOf(packed)
	var buffer *C.flatkv_buffer
	err = s.do(func() *C.flatkv_error {
		return C.go_get_many(s.pointer, data, C.size_t(len(keys)), &buffer)
	})
	if err != nil {
		return nil, err
	}
	return unpackValues(takeBuffer(buffer), len(keys)), nil
}

func packKeys(keys [][]byte) ([]byte, error) {
	var packed []byte
	for _, key := range keys {
		if len(key) > math.MaxUint32 {
			return nil, refused(ErrInvalidArgument, "a key of 4 GiB or more")
		}
		packed = binary.LittleEndian.AppendUint32(packed, uint32(len(key)))
		packed = append(packed, key...)
	}
	return packed, nil
}

// Prefetch loads the rows of these keys into the row cache in the background: those that a block is
// going to touch. It is a hint. Beyond WithPrefetchRows rows are dropped, without a row cache all.
func (s *Store) Prefetch(keys [][]byte) error { return s.prefetch(keys) }

// Prefetch is that of the overlay's store.
func (o *Overlay) Prefetch(keys [][]byte) error { return o.prefetch(keys) }

func (s *state) prefetch(keys [][]byte) error {
	packed, err := packKeys(keys)
	if err != nil {
		return err
	}
	data, _ := bytesOf(packed)
	return s.beside(func() *C.flatkv_error {
		return C.go_prefetch(s.pointer, data, C.size_t(len(keys)))
	})
}

func unpackValues(packed []byte, count int) [][]byte {
	values := make([][]byte, count)
	for i := range values {
		size := binary.LittleEndian.Uint64(packed)
		packed = packed[8:]
		if size == math.MaxUint64 {
			continue
		}
		values[i] = packed[:size:size]
		packed = packed[size:]
	}
	return values
}
