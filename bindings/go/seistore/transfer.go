// SPDX-License-Identifier: Apache-2.0

package seistore

import (
	"errors"
	"fmt"
	"iter"
	"os"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/seistore/types"
)

// ErrorExportDone is what Next of an exporter gives after the last node.
var ErrorExportDone = errors.New("export is complete")

// Exporter needs the store neither open nor closed: it reads a copy of its own.
func (s *Store) Exporter(version int64) (types.Exporter, error) {
	if s.only {
		return nil, ErrReadOnly
	}
	reader, err := s.openReader(version)
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(nodes(reader, reader.Version()))
	return &exporter{reader: reader, next: next, stop: stop}, nil
}

type exporter struct {
	reader *flatkv.Reader
	next   func() (*types.SnapshotNode, error, bool)
	stop   func()
}

func (e *exporter) Next() (interface{}, error) {
	node, err, more := e.next()
	if !more {
		return nil, ErrorExportDone
	}
	if err != nil {
		return nil, err
	}
	return node, nil
}

func (e *exporter) Close() error {
	e.stop()
	return e.reader.Close()
}

// nodes are the rows of a state, as the keys and values that change sets would have.
func nodes(state flatkv.State, version int64) iter.Seq2[*types.SnapshotNode, error] {
	return func(yield func(*types.SnapshotNode, error) bool) {
		for _, database := range flatkv.DataDatabases {
			for row, err := range state.Rows(database, flatkv.Range{}) {
				if err != nil {
					yield(nil, err)
					return
				}
				for _, node := range nodesOf(database, row) {
					node.Version = version
					if !yield(node, nil) {
						return
					}
				}
			}
		}
	}
}

func nodesOf(database flatkv.Database, row flatkv.Row) []*types.SnapshotNode {
	node := func(prefix byte, value []byte) *types.SnapshotNode {
		return &types.SnapshotNode{Key: append([]byte{prefix}, row.Key...), Value: value}
	}
	switch database {
	case flatkv.AccountDatabase:
		return accountNodes(row, node)
	case flatkv.CodeDatabase:
		return []*types.SnapshotNode{node(flatkv.CodePrefix, row.Value)}
	case flatkv.StorageDatabase:
		return []*types.SnapshotNode{node(flatkv.StoragePrefix, row.Value)}
	}
	return []*types.SnapshotNode{{Key: row.Key, Value: row.Value}}
}

// accountNodes takes an account row apart: balance (32 bytes), nonce (8) and, if there is one, code
// hash (32). The nonce makes the account, be it zero.
func accountNodes(row flatkv.Row, node func(byte, []byte) *types.SnapshotNode) []*types.SnapshotNode {
	const balanceEnd, nonceEnd = 32, 40
	found := []*types.SnapshotNode{node(flatkv.NoncePrefix, row.Value[balanceEnd:nonceEnd])}
	if len(row.Value) > nonceEnd {
		found = append(found, node(flatkv.CodeHashPrefix, row.Value[nonceEnd:]))
	}
	for _, digit := range row.Value[:balanceEnd] {
		if digit != 0 {
			return append(found, node(flatkv.BalancePrefix, row.Value[:balanceEnd]))
		}
	}
	return found
}

// Nodes are written so many at a time.
const nodesAtOnce = 20000

// Importer collects the nodes, which may come in any order, in a store of its own; Close makes the
// state of that this store's, at the version, and opens it. Until then what was there stands.
func (s *Store) Importer(version int64) (types.Importer, error) {
	if s.only {
		return nil, ErrReadOnly
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	made := &importer{store: s, version: version, path: s.directory + ".importing"}
	if err := os.RemoveAll(made.path); err != nil { // of an import that was killed
		return nil, err
	}
	var err error
	made.nodes, err = flatkv.Open(made.path, append(s.options[:len(s.options):len(s.options)],
		flatkv.WithCreateIfMissing(), flatkv.WithInitialVersion(1),
		flatkv.WithDurability(flatkv.SurviveProcess), flatkv.WithSnapshotInterval(0))...)
	if err != nil {
		return nil, err
	}
	return made, nil
}

type importer struct {
	store   *Store
	version int64
	path    string
	nodes   *flatkv.Store
	block   flatkv.Block
	count   int
	err     error
	closed  bool
}

func (i *importer) AddModule(string) error { return i.err }

func (i *importer) AddNode(node *types.SnapshotNode) {
	if i.err != nil || node == nil || node.Height != 0 || len(node.Key) == 0 {
		return
	}
	i.block.Set(node.Key, node.Value)
	if i.count++; i.count == nodesAtOnce {
		i.write()
	}
}

func (i *importer) write() {
	_, i.err = i.nodes.ApplyCommit(&i.block, i.nodes.Version()+1)
	i.block.Reset()
	i.count = 0
}

func (i *importer) Close() error {
	if i.closed {
		return i.err
	}
	i.closed = true
	if i.err == nil {
		i.write()
	}
	if i.err == nil {
		i.err = i.finish()
	}
	err := errors.Join(i.nodes.Close(), os.RemoveAll(i.path))
	if i.err == nil {
		i.err = err
	}
	if i.err == nil {
		i.err = i.store.load(0)
	}
	if i.err != nil {
		i.err = fmt.Errorf("flatkv: import: %w", i.err)
	}
	return i.err
}

func (i *importer) finish() error {
	made, err := flatkv.NewImporter(i.store.directory,
		append(i.store.options[:len(i.store.options):len(i.store.options)], flatkv.WithReplace())...)
	if err != nil {
		return err
	}
	defer made.Close()
	for _, database := range flatkv.DataDatabases {
		var rows []flatkv.Row
		for row, err := range i.nodes.Rows(database, flatkv.Range{}) {
			if err != nil {
				return err
			}
			if rows = append(rows, row); len(rows) == nodesAtOnce {
				if err := made.Add(database, rows...); err != nil {
					return err
				}
				rows = rows[:0]
			}
		}
		if err := made.Add(database, rows...); err != nil {
			return err
		}
	}
	_, err = made.Finish(i.version, nil)
	return err
}
