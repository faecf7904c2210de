// SPDX-License-Identifier: Apache-2.0

package flatkv

/*
#include <flatkv/flatkv.h>
#include <stdlib.h>
*/
import "C"

import (
	"encoding/hex"
	"fmt"
	"unsafe"
)

// Address is the address of an account.
type Address [20]byte

// Word is a big-endian word: a slot, a balance or a hash.
type Word [32]byte

// Hash is a checksum.
type Hash [32]byte

// String is the hash in hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Database is one of the five databases of a store.
type Database uint32

// The databases. The first four hold rows.
const (
	AccountDatabase  Database = C.FLATKV_ACCOUNT
	CodeDatabase     Database = C.FLATKV_CODE
	StorageDatabase  Database = C.FLATKV_STORAGE
	LegacyDatabase   Database = C.FLATKV_LEGACY
	MetadataDatabase Database = C.FLATKV_METADATA
)

// DataDatabases are those that hold rows, in the order in which a state is exported.
var DataDatabases = [4]Database{AccountDatabase, CodeDatabase, StorageDatabase, LegacyDatabase}

// String is the name of the database, such as "account".
func (d Database) String() string {
	names := [...]string{"account", "code", "storage", "legacy", "metadata"}
	if int(d) < len(names) {
		return names[d]
	}
	return fmt.Sprintf("database %d", uint32(d))
}

// Roots are the five checksums of a version. The root alone does not say in which database a row
// lies: compare all five.
type Roots struct {
	Root, Account, Code, Storage, Legacy Hash
}

// String is the roots line: the five checksums in hexadecimal digits.
func (r Roots) String() string {
	return fmt.Sprintf("%v %v %v %v %v", r.Root, r.Account, r.Code, r.Storage, r.Legacy)
}

// Of is the checksum of a data database, and the zero hash for another one.
func (r Roots) Of(database Database) Hash {
	switch database {
	case AccountDatabase:
		return r.Account
	case CodeDatabase:
		return r.Code
	case StorageDatabase:
		return r.Storage
	case LegacyDatabase:
		return r.Legacy
	}
	return Hash{}
}

func hashOf(bytes *[32]C.uint8_t) Hash { return *(*Hash)(unsafe.Pointer(bytes)) }

func rootsOf(from *C.flatkv_roots) Roots {
	return Roots{
		Root: hashOf(&from.root), Account: hashOf(&from.account), Code: hashOf(&from.code),
		Storage: hashOf(&from.storage), Legacy: hashOf(&from.legacy),
	}
}

func (r *Roots) c() C.flatkv_roots {
	var into C.flatkv_roots
	*(*Hash)(unsafe.Pointer(&into.root)) = r.Root
	*(*Hash)(unsafe.Pointer(&into.account)) = r.Account
	*(*Hash)(unsafe.Pointer(&into.code)) = r.Code
	*(*Hash)(unsafe.Pointer(&into.storage)) = r.Storage
	*(*Hash)(unsafe.Pointer(&into.legacy)) = r.Legacy
	return into
}

func freeString(text *C.char) { C.free(unsafe.Pointer(text)) }
