// SPDX-License-Identifier: Apache-2.0

// Package seistore is FlatKV behind the store interface of Sei's FlatKV, for a node that has that
// one now. Its methods and their meaning are the reference's:
//
//   - A missing key is nil and false. A failed read is never that: Get and Has panic, as the
//     reference does, and an iterator has an Error.
//   - The nonce of an account that exists is eight bytes, zero or not.
//   - Get sees the writes since the last commit. Iterators see committed state, and cover storage
//     slots only.
//
// The types of github.com/sei-protocol/sei-chain are mirrored in the packages proto, types and
// metrics, because the module proxy does not serve that module. Where the node is built with it,
// replace the imports of those three.
//
// Where it differs: keys of 21 bytes that begin with 0x21 are balances, and not rows like any other.
// Change sets of other modules are ignored. What an import replaces stays until the import succeeds.
// To take over the directory of a node, use flatkv-from-sei.
package seistore

import (
	"io"

	"github.com/flatkv/flatkv/bindings/go/seistore/metrics"
	"github.com/flatkv/flatkv/bindings/go/seistore/proto"
	"github.com/flatkv/flatkv/bindings/go/seistore/types"
)

// Interface is the store interface of the reference.
type Interface interface {
	// LoadVersion opens the store at a version; 0 is the latest. With readOnly it gives another
	// store, which the caller closes, and leaves this one as it is. Without, this one is closed
	// first, if it is open, and is what is returned.
	LoadVersion(targetVersion int64, readOnly bool) (Interface, error)
	// ApplyChangeSets adds writes to the block that Commit commits.
	ApplyChangeSets(sets []*proto.NamedChangeSet) error
	// Commit commits them as the next version, which it returns.
	Commit() (int64, error)
	Get(key []byte) ([]byte, bool)
	Has(key []byte) bool
	// Iterator goes over the storage keys from start on, before end; nil does not limit.
	Iterator(start, end []byte) Iterator
	// IteratorByPrefix goes over the slots of an account, or one slot; all, if the prefix is empty.
	IteratorByPrefix(prefix []byte) Iterator
	// RootHash is the root with the writes since the last commit.
	RootHash() []byte
	CommittedRootHash() []byte
	Version() int64
	// WriteSnapshot writes a snapshot into the store; the directory is not used, as in the reference.
	WriteSnapshot(dir string) error
	// Rollback goes back to a version. Those above are gone then.
	Rollback(targetVersion int64) error
	// Exporter gives the state of a version; 0 is the latest.
	Exporter(version int64) (types.Exporter, error)
	// Importer replaces the state by what it is given, when it is closed.
	Importer(version int64) (types.Importer, error)
	GetPhaseTimer() *metrics.PhaseTimer
	io.Closer
}

// Iterator goes over storage rows. It begins on none.
type Iterator interface {
	Domain() (start, end []byte)
	Valid() bool
	Error() error
	Close() error
	First() bool
	Last() bool
	SeekGE(key []byte) bool
	SeekLT(key []byte) bool
	Next() bool
	Prev() bool
	// Key is the address and the slot, without the prefix of storage keys, until the next move.
	Key() []byte
	Value() []byte
}
