// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>

static flatkv_error* go_iterate(const flatkv_state* state, uint32_t database, const uint8_t* prefix,
                                size_t prefix_size, const uint8_t* start, size_t start_size,
                                const uint8_t* end, size_t end_size, flatkv_iterator** out) {
  flatkv_bytes with = {prefix, prefix_size}, from = {start, start_size}, before = {end, end_size};
  return flatkv_iterate(state, database, with, from, before, out);
}

typedef struct go_row {
  flatkv_bytes key, value;
  uint32_t valid;
} go_row;

// Moves, unless `how` is beyond the moves, and shows where it stands then.
static flatkv_error* go_step(flatkv_iterator* iterator, uint32_t how, const uint8_t* key,
                             size_t key_size, go_row* row) {
  flatkv_bytes wanted = {key, key_size};
  flatkv_error* failed = NULL;
  if (how <= FLATKV_SEEK_FOR_PREVIOUS) failed = flatkv_iterator_move(iterator, how, wanted, NULL);
  if (failed != NULL) return failed;
  return flatkv_iterator_row(iterator, &row->key, &row->value, &row->valid);
}
*/
import "C"

import (
	"encoding/binary"
	"iter"
	"unsafe"
)

// Row is a stored row, by internal key.
type Row struct {
	Key, Value []byte
}

func (s *state) open(database Database, within Range) (*handle, error) {
	prefix, prefixSize := bytesOf(within.Prefix)
	start, startSize := bytesOf(within.Start)
	end, endSize := bytesOf(within.End)
	return s.make(func(out *unsafe.Pointer) *C.flatkv_error {
		return C.go_iterate(s.pointer, C.uint32_t(database), prefix, prefixSize, start, startSize,
			end, endSize, (**C.flatkv_iterator)(unsafe.Pointer(out)))
	})
}

// A batch of rows crosses at once.
const (
	batchRows  = 256
	batchBytes = 64 << 10
)

func (s *state) Rows(database Database, within Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		h, err := s.open(database, within)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer h.close()
		opened := (*C.flatkv_iterator)(h.pointer)
		for {
			var buffer *C.flatkv_buffer
			err := takeError(C.flatkv_iterator_batch(opened, batchRows, batchBytes, &buffer))
			if err != nil {
				yield(Row{}, err)
				return
			}
			batch := takeBuffer(buffer)
			if len(batch) == 0 {
				return
			}
			for len(batch) > 0 {
				var row Row
				if row, batch = unpackRow(batch); !yield(row, nil) {
					return
				}
			}
		}
	}
}

func unpackRow(packed []byte) (row Row, rest []byte) {
	key := 8 + binary.LittleEndian.Uint32(packed)
	value := key + binary.LittleEndian.Uint32(packed[4:])
	return Row{Key: packed[8:key:key], Value: packed[key:value:value]}, packed[value:]
}

// Iterator stands on a row of a data database, or beyond its rows. It keeps the state it was made
// of. It begins on the first row. For one goroutine at a time.
type Iterator struct {
	handle *handle
	key    []byte
	value  []byte
	valid  bool
	err    error
}

func (s *state) Iterate(database Database, within Range) (*Iterator, error) {
	h, err := s.open(database, within)
	if err != nil {
		return nil, err
	}
	it := collect(&Iterator{handle: h}, h)
	it.step(C.FLATKV_SEEK_FOR_PREVIOUS+1, nil)
	return it, it.err
}

func (it *Iterator) step(how C.uint32_t, key []byte) bool {
	it.valid = false
	if it.err != nil {
		return false
	}
	if !it.handle.enter() {
		it.err = errClosed
		return false
	}
	defer it.handle.leave()
	data, size := bytesOf(key)
	var row C.go_row
	if it.err = takeError(C.go_step((*C.flatkv_iterator)(it.handle.pointer), how, data, size, &row)); it.err != nil {
		return false
	}
	it.valid = row.valid != 0
	it.key = appendBytes(it.key[:0], row.key)
	it.value = appendBytes(it.value[:0], row.value)
	return it.valid
}

func appendBytes(to []byte, from C.flatkv_bytes) []byte {
	return append(to, unsafe.Slice((*byte)(from.data), int(from.size))...)
}

// First goes to the first row and tells, as all moves do, whether there is one.
func (it *Iterator) First() bool { return it.step(C.FLATKV_FIRST, nil) }

// Last goes to the last row.
func (it *Iterator) Last() bool { return it.step(C.FLATKV_LAST, nil) }

// Next goes on. Beyond an end it stays there.
func (it *Iterator) Next() bool { return it.step(C.FLATKV_NEXT, nil) }

// Previous goes back. Beyond an end it stays there.
func (it *Iterator) Previous() bool { return it.step(C.FLATKV_PREVIOUS, nil) }

// Seek goes to the first row at or after a key.
func (it *Iterator) Seek(key []byte) bool { return it.step(C.FLATKV_SEEK, key) }

// SeekForPrevious goes to the last row at or before a key.
func (it *Iterator) SeekForPrevious(key []byte) bool {
	return it.step(C.FLATKV_SEEK_FOR_PREVIOUS, key)
}

// Valid tells whether it stands on a row.
func (it *Iterator) Valid() bool { return it.valid }

// Key is the internal key of the row, until the next move.
func (it *Iterator) Key() []byte { return it.key }

// Value is the value of the row, until the next move.
func (it *Iterator) Value() []byte { return it.value }

// Err is the error that ended the iteration. Look at it when a move gave false.
func (it *Iterator) Err() error { return it.err }

// Close ends the iteration. Again: nothing.
func (it *Iterator) Close() error {
	it.valid = false
	it.handle.close()
	return nil
}
