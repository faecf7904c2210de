// SPDX-License-Identifier: Apache-2.0

package seistore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"path/filepath"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/internal/golden"
	"github.com/flatkv/flatkv/bindings/go/seistore/proto"
	"github.com/flatkv/flatkv/bindings/go/seistore/types"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB) *Store {
	t.Helper()
	store := New(filepath.Join(t.TempDir(), "flatkv"), flatkv.WithDurability(flatkv.SurviveProcess))
	loaded, err := store.LoadVersion(0, false)
	ok(t, err)
	if loaded != Interface(store) {
		t.Fatal("LoadVersion gave another store")
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// keyOf is the key of a kind, of account n, with a slot if it is one.
func keyOf(prefix, n byte, slots ...byte) []byte {
	key := append([]byte{prefix}, bytes.Repeat([]byte{n}, 20)...)
	if prefix == flatkv.StoragePrefix {
		key = append(key, make([]byte, 31)...)
		key = append(key, slots...)
	}
	return key
}

func set(key []byte, value ...byte) *proto.KVPair { return &proto.KVPair{Key: key, Value: value} }

// commit commits a block with these writes.
func commit(t testing.TB, store *Store, pairs ...*proto.KVPair) {
	t.Helper()
	before := store.Version()
	ok(t, store.ApplyChangeSets([]*proto.NamedChangeSet{{Name: "evm", Changeset: proto.ChangeSet{Pairs: pairs}}}))
	version, err := store.Commit()
	ok(t, err)
	if version != before+1 || store.Version() != version {
		t.Fatalf("version %d after %d", version, before)
	}
}

func gives(t testing.TB, store Interface, key []byte, wanted ...byte) {
	t.Helper()
	value, there := store.Get(key)
	if there != (wanted != nil) || store.Has(key) != there || !bytes.Equal(value, wanted) || !there && value != nil {
		t.Errorf("%x: %x, %v, not %x", key, value, there, wanted)
	}
}

func TestGoldenRoots(t *testing.T) {
	lines, err := golden.Read[golden.Line]("mixed.jsonl")
	ok(t, err)
	roots, err := golden.Read[golden.Roots]("mixed.roots.jsonl")
	ok(t, err)
	if len(lines) == 0 || len(roots) == 0 {
		t.Fatal("no trace")
	}
	store := newStore(t)
	for _, expected := range roots {
		for ; len(lines) > 0 && lines[0].Version == expected.Version; lines = lines[1:] {
			ok(t, store.ApplyChangeSets(changeSets(lines[0])))
		}
		working := store.RootHash()
		_, err := store.Commit()
		ok(t, err)
		found := hex.EncodeToString(store.CommittedRootHash())
		if found != expected.Root || hex.EncodeToString(working) != found {
			t.Fatalf("version %d: %s", expected.Version, found)
		}
	}
	if len(lines) > 0 {
		t.Fatalf("not applied: %d lines", len(lines))
	}
}

func changeSets(line golden.Line) []*proto.NamedChangeSet {
	var sets []*proto.NamedChangeSet
	for _, from := range line.Changesets {
		named := &proto.NamedChangeSet{Name: from.Name}
		for _, pair := range from.Pairs {
			named.Changeset.Pairs = append(named.Changeset.Pairs, &proto.KVPair{Key: pair.Key, Value: pair.Value, Delete: pair.Delete})
		}
		sets = append(sets, named)
	}
	return sets
}

func TestReads(t *testing.T) {
	store := newStore(t)
	nonce, hash, code := keyOf(flatkv.NoncePrefix, 1), keyOf(flatkv.CodeHashPrefix, 1), keyOf(flatkv.CodePrefix, 1)
	gives(t, store, nonce)
	ok(t, store.ApplyChangeSets([]*proto.NamedChangeSet{
		nil,
		{Name: "bank", Changeset: proto.ChangeSet{Pairs: []*proto.KVPair{set(code, 9)}}},
		{Name: "evm", Changeset: proto.ChangeSet{Pairs: []*proto.KVPair{nil, set(nil, 1), set(hash, bytes.Repeat([]byte{5}, 32)...)}}},
	}))
	gives(t, store, hash, bytes.Repeat([]byte{5}, 32)...) // before the commit, too
	gives(t, store, nonce, 0, 0, 0, 0, 0, 0, 0, 0)
	gives(t, store, code)
	commit(t, store, set(code, 7), set(keyOf(flatkv.StoragePrefix, 1, 1), 1), set([]byte("other"), 2), set([]byte("empty")))
	gives(t, store, code, 7)
	gives(t, store, keyOf(flatkv.StoragePrefix, 1, 1), 1)
	gives(t, store, keyOf(flatkv.StoragePrefix, 1, 2))
	gives(t, store, []byte("other"), 2)
	gives(t, store, []byte("empty"), []byte{}...)
	if !store.Has([]byte("empty")) {
		t.Error("an empty value is absent")
	}
	commit(t, store, &proto.KVPair{Key: hash, Delete: true}, &proto.KVPair{Key: code, Delete: true})
	gives(t, store, hash)
	gives(t, store, code)
	gives(t, store, nonce, 0, 0, 0, 0, 0, 0, 0, 0)
	gives(t, store, nil)
	gives(t, store, make([]byte, maxKey+1))
}

// A read that fails is a panic: neither absent nor a value.
func TestFailedRead(t *testing.T) {
	store := newStore(t)
	commit(t, store, set([]byte("key"), 1))
	ok(t, store.store.Close()) // as if it had failed
	for _, read := range []func(){
		func() { store.Get([]byte("key")) },
		func() { store.Has([]byte("key")) },
		func() { store.RootHash() },
	} {
		func() {
			defer func() {
				if err, is := recover().(error); !is || !errors.Is(err, flatkv.ErrStoreFailed) {
					t.Errorf("%v", err)
				}
			}()
			read()
		}()
	}
	it := store.Iterator(nil, nil)
	if it.First() || !errors.Is(it.Error(), flatkv.ErrStoreFailed) {
		t.Errorf("%v", it.Error())
	}
	ok(t, it.Close())
}

func TestVersions(t *testing.T) {
	store := newStore(t)
	if !bytes.Equal(store.RootHash(), emptyRoot()) {
		t.Error("the root without rows")
	}
	key := []byte("key")
	var roots [][]byte
	for n := range byte(4) {
		commit(t, store, set(key, n+1))
		roots = append(roots, store.CommittedRootHash())
	}
	ok(t, store.WriteSnapshot("nowhere"))

	older, err := store.LoadVersion(2, true)
	ok(t, err)
	gives(t, older, key, 2)
	if older.Version() != 2 || !bytes.Equal(older.RootHash(), roots[1]) {
		t.Error("not version 2")
	}
	if err := older.ApplyChangeSets(nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v", err)
	}
	if _, err := older.Commit(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("%v", err)
	}
	ok(t, older.Close())

	_, err = store.LoadVersion(3, false) // a look
	ok(t, err)
	gives(t, store, key, 3)
	if !bytes.Equal(store.RootHash(), roots[2]) || store.Version() != 3 {
		t.Error("not version 3")
	}
	_, err = store.LoadVersion(0, false)
	ok(t, err)
	gives(t, store, key, 4)
	_, err = store.LoadVersion(3, false)
	ok(t, err)
	commit(t, store, set(key, 9))
	gives(t, store, key, 9)

	ok(t, store.Rollback(1))
	gives(t, store, key, 1)
	if !bytes.Equal(store.CommittedRootHash(), roots[0]) {
		t.Error("not version 1")
	}
	if err := store.Rollback(5); !errors.Is(err, flatkv.ErrVersionMismatch) {
		t.Errorf("%v", err)
	}
	if _, err := store.LoadVersion(5, false); err == nil {
		t.Error("a version that is not there")
	}
	if _, err := store.Commit(); err == nil {
		t.Error("a store that is not loaded")
	}
	ok(t, store.Close())
	if store.Version() != 1 || !bytes.Equal(store.CommittedRootHash(), roots[0]) {
		t.Error("a closed store knows no version")
	}
	if store.GetPhaseTimer() == nil {
		t.Error("no timer")
	}
}

// What is exported gives the same root elsewhere, also in another order, and replaces what is there.
func TestExportAndImport(t *testing.T) {
	store := newStore(t)
	commit(t, store, set(keyOf(flatkv.NoncePrefix, 1), 0, 0, 0, 0, 0, 0, 0, 3),
		set(keyOf(flatkv.CodeHashPrefix, 1), bytes.Repeat([]byte{1}, 32)...), set(keyOf(flatkv.CodePrefix, 1), 1, 2),
		set(keyOf(flatkv.BalancePrefix, 2), bytes.Repeat([]byte{4}, 32)...),
		set(keyOf(flatkv.StoragePrefix, 1, 1), 5), set([]byte("legacy"), 6), set([]byte("empty")))
	commit(t, store, &proto.KVPair{Key: keyOf(flatkv.NoncePrefix, 3), Delete: true})
	exported, err := store.Exporter(0)
	ok(t, err)
	var found []*types.SnapshotNode
	for {
		next, err := exported.Next()
		if errors.Is(err, ErrorExportDone) {
			break
		}
		ok(t, err)
		found = append(found, next.(*types.SnapshotNode))
	}
	ok(t, exported.Close())

	other := newStore(t)
	commit(t, other, set([]byte("gone"), 1))
	imported, err := other.Importer(2)
	ok(t, err)
	ok(t, imported.AddModule("evm"))
	imported.AddNode(&types.SnapshotNode{Height: 1, Key: []byte("branch")})
	for i := range found {
		node := found[len(found)-1-i]
		if node.Version != 2 || node.Height != 0 {
			t.Errorf("%v", node)
		}
		imported.AddNode(node)
	}
	ok(t, imported.Close())
	ok(t, imported.Close())
	if other.Version() != 2 || !bytes.Equal(other.RootHash(), store.RootHash()) {
		t.Error("another state")
	}
	gives(t, other, []byte("gone"))
	commit(t, other, set([]byte("more"), 1))
}

// What the reference's composite store does with its FlatKV, as its tests have it: change sets of all
// modules in one call, the working root in the commit info of a block and the committed one after it, a
// crash that leaves this store behind, and a state that is streamed into another node's closed store.
func TestUnderACompositeStore(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "flatkv")
	load := func(target int64) *Store {
		t.Helper()
		loaded, err := New(directory, flatkv.WithDurability(flatkv.SurviveProcess)).LoadVersion(target, false)
		ok(t, err)
		return loaded.(*Store)
	}
	slot, nonce := keyOf(flatkv.StoragePrefix, 1, 1), keyOf(flatkv.NoncePrefix, 1)
	word := func(n byte) []byte { return append(make([]byte, 31), n) }
	block := func(store *Store, n byte) []byte {
		t.Helper()
		ok(t, store.ApplyChangeSets([]*proto.NamedChangeSet{
			{Name: "bank", Changeset: proto.ChangeSet{Pairs: []*proto.KVPair{set([]byte("balance"), n)}}},
			{Name: "evm", Changeset: proto.ChangeSet{Pairs: []*proto.KVPair{
				set(slot, word(n)...), set(nonce, 0, 0, 0, 0, 0, 0, 0, n),
			}}},
		}))
		before, working := store.CommittedRootHash(), store.RootHash()
		version, err := store.Commit()
		ok(t, err)
		if version != store.Version() || !bytes.Equal(working, store.CommittedRootHash()) || bytes.Equal(working, before) {
			t.Fatalf("version %d: the working root is not the committed one, or none of its own", version)
		}
		return working
	}
	store := load(0)
	if store.Version() != 0 {
		t.Errorf("a new store is at %d", store.Version())
	}
	ok(t, store.ApplyChangeSets(nil))
	ok(t, store.ApplyChangeSets([]*proto.NamedChangeSet{}))
	if !bytes.Equal(store.RootHash(), store.CommittedRootHash()) {
		t.Error("no change sets change the root")
	}
	var roots [][]byte
	for n := range byte(3) {
		roots = append(roots, block(store, n+1))
	}
	gives(t, store, []byte("balance")) // of another module
	ok(t, store.Close())
	again, err := store.LoadVersion(0, true) // of a closed store
	ok(t, err)
	if again == Interface(store) || again.Version() != 3 {
		t.Error("not a store of its own")
	}
	ok(t, again.Close())

	// The other half of the node is at 3 and this store is not: both go on from 2, with other blocks.
	store = load(0)
	ok(t, store.Rollback(2))
	ok(t, store.Close())
	store = load(0)
	if store.Version() != 2 || !bytes.Equal(store.CommittedRootHash(), roots[1]) {
		t.Errorf("at %d after the rollback", store.Version())
	}
	for n := range byte(3) {
		block(store, 0xa3+n)
	}
	if store.Version() != 5 {
		t.Errorf("at %d, not 5", store.Version())
	}
	ok(t, store.Close())
	store = load(0)
	defer store.Close()
	gives(t, store, slot, word(0xa5)...)
	gives(t, store, nonce, 0, 0, 0, 0, 0, 0, 0, 0xa5)

	exported, err := store.Exporter(5)
	ok(t, err)
	other := newStore(t)
	ok(t, other.Close())
	imported, err := other.Importer(5)
	ok(t, err)
	ok(t, imported.AddModule("evm_flatkv"))
	for {
		next, err := exported.Next()
		if errors.Is(err, ErrorExportDone) {
			break
		}
		ok(t, err)
		imported.AddNode(next.(*types.SnapshotNode))
	}
	ok(t, exported.Close())
	ok(t, imported.Close())
	_, err = other.LoadVersion(5, false)
	ok(t, err)
	gives(t, other, slot, word(0xa5)...)
	gives(t, other, nonce, 0, 0, 0, 0, 0, 0, 0, 0xa5)
	if !bytes.Equal(other.CommittedRootHash(), store.CommittedRootHash()) {
		t.Error("another root after the import")
	}
}

// An import that fails leaves what was there.
func TestImportThatFails(t *testing.T) {
	store := newStore(t)
	commit(t, store, set([]byte("kept"), 1))
	imported, err := store.Importer(7)
	ok(t, err)
	imported.AddNode(&types.SnapshotNode{Key: keyOf(flatkv.NoncePrefix, 1), Value: []byte("short")})
	if err := imported.Close(); !errors.Is(err, flatkv.ErrInvalidArgument) {
		t.Errorf("%v", err)
	}
	_, err = store.LoadVersion(0, false)
	ok(t, err)
	gives(t, store, []byte("kept"), 1)
}
