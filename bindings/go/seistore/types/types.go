// SPDX-License-Identifier: Apache-2.0

// Package types mirrors what the store's interface takes from
// github.com/sei-protocol/sei-chain/sei-db/state_db/sc/types: the module proxy does not serve that
// module.
package types

import "io"

// SnapshotNode is one key of a state that is exported or imported. Leaves have the height 0.
type SnapshotNode struct {
	Key     []byte
	Value   []byte
	Version int64
	Height  int8
}

// Exporter gives *SnapshotNode after *SnapshotNode.
type Exporter interface {
	Next() (interface{}, error)
	io.Closer
}

// Importer takes the nodes of a state. Close finishes it, and tells what went wrong.
type Importer interface {
	AddModule(name string) error
	AddNode(node *SnapshotNode)
	io.Closer
}
