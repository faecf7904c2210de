// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
*/
import "C"

import "unsafe"

// LtHash is the lattice hash of a set of rows: 1024 numbers of 16 bits, little-endian. The zero value
// is that of no rows. The root of a state is the checksum of the sum of its four databases' hashes.
type LtHash [C.FLATKV_HASH_BYTES]byte

func (h *LtHash) c() *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(h)) }

// Add makes it the hash of both sets of rows.
func (h *LtHash) Add(other *LtHash) error {
	return takeError(C.flatkv_hash_add(h.c(), other.c()))
}

// Subtract makes it the hash of its rows without those of the other.
func (h *LtHash) Subtract(other *LtHash) error {
	return takeError(C.flatkv_hash_subtract(h.c(), other.c()))
}

// Checksum is its BLAKE3-256: what a roots line has.
func (h *LtHash) Checksum() (Hash, error) {
	var sum [32]C.uint8_t
	err := takeError(C.flatkv_hash_checksum(h.c(), &sum[0]))
	return hashOf(&sum), err
}

// LtHash is the lattice hash of a data database with the pending writes.
func (s *Store) LtHash(database Database) (*LtHash, error) { return s.ltHash(database) }

// LtHash is the lattice hash of a data database.
func (v *View) LtHash(database Database) (*LtHash, error) { return v.ltHash(database) }

// LtHash is the lattice hash of a data database with the writes of the overlay and of those below it.
func (o *Overlay) LtHash(database Database) (*LtHash, error) { return o.ltHash(database) }

func (s *state) ltHash(database Database) (*LtHash, error) {
	hash := new(LtHash)
	err := s.do(func() *C.flatkv_error {
		return C.flatkv_hash(s.pointer, C.uint32_t(database), hash.c())
	})
	if err != nil {
		return nil, err
	}
	return hash, nil
}
