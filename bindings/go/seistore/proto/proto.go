// SPDX-License-Identifier: Apache-2.0

// Package proto mirrors the change sets of github.com/sei-protocol/sei-chain/sei-db/proto, field for
// field: the module proxy does not serve that module.
package proto

// KVPair is one write.
type KVPair struct {
	Delete bool
	Key    []byte
	Value  []byte
}

// ChangeSet is a list of writes.
type ChangeSet struct {
	Pairs []*KVPair
}

// NamedChangeSet is what one module wrote.
type NamedChangeSet struct {
	Changeset ChangeSet
	Name      string
}
