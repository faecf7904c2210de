// SPDX-License-Identifier: Apache-2.0

package seistore

import (
	"bytes"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/seistore/proto"
)

// stands checks where a move led: the last byte of the slot, or nowhere with 0.
func stands(t testing.TB, it Iterator, moved bool, slot byte) {
	t.Helper()
	ok(t, it.Error())
	if moved != (slot != 0) || it.Valid() != moved {
		t.Fatalf("%v, %v, not at %d", moved, it.Valid(), slot)
	}
	if !moved {
		if it.Key() != nil || it.Value() != nil {
			t.Error("a row beyond the ends")
		}
		return
	}
	if key := it.Key(); len(key) != 52 || key[51] != slot || it.Value()[0] != slot {
		t.Fatalf("%x, not %d", key, slot)
	}
}

func slotsOf(t testing.TB) *Store {
	store := newStore(t)
	var pairs []*proto.KVPair
	for _, slot := range []byte{2, 4, 6, 8} {
		pairs = append(pairs, set(keyOf(flatkv.StoragePrefix, 5, slot), slot))
	}
	commit(t, store, append(pairs, set(keyOf(flatkv.StoragePrefix, 6, 9), 9), set(keyOf(flatkv.CodePrefix, 5), 1))...)
	return store
}

func TestIteratorMoves(t *testing.T) {
	store := slotsOf(t)
	start, end := keyOf(flatkv.StoragePrefix, 5, 3), keyOf(flatkv.StoragePrefix, 5, 8)
	it := store.Iterator(start, end)
	if from, to := it.Domain(); !bytes.Equal(from, start) || !bytes.Equal(to, end) {
		t.Error("domain")
	}
	at := func(slot byte) []byte { return keyOf(flatkv.StoragePrefix, 5, slot) }
	stands(t, it, it.Valid(), 0)
	stands(t, it, it.Next(), 4)
	stands(t, it, it.Prev(), 0)
	stands(t, it, it.Prev(), 0)
	stands(t, it, it.Next(), 4)
	stands(t, it, it.Last(), 6)
	stands(t, it, it.Next(), 0)
	stands(t, it, it.Next(), 0)
	stands(t, it, it.Prev(), 6)
	stands(t, it, it.First(), 4)
	stands(t, it, it.SeekGE(at(5)), 6)
	stands(t, it, it.SeekGE(at(1)), 4)
	stands(t, it, it.SeekGE(at(8)), 0)
	stands(t, it, it.SeekLT(at(6)), 4)
	stands(t, it, it.SeekLT(at(7)), 6)
	stands(t, it, it.SeekLT(at(9)), 6)
	stands(t, it, it.SeekLT(at(4)), 0)
	stands(t, it, it.Next(), 4)
	if it.SeekGE(keyOf(flatkv.CodePrefix, 5)) || it.Error() == nil {
		t.Error("a key of another kind")
	}
	ok(t, it.Close())
	ok(t, it.Close())
	if it.First() || it.Valid() {
		t.Error("a closed iterator moves")
	}
	fresh := store.Iterator(nil, nil)
	stands(t, fresh, fresh.Prev(), 9)
	ok(t, fresh.Close())
}

func count(t testing.TB, it Iterator) int {
	t.Helper()
	n := 0
	for more := it.First(); more; more = it.Next() {
		n++
	}
	ok(t, it.Error())
	ok(t, it.Close())
	return n
}

// Iterators cover committed slots, and nothing else.
func TestWhatIteratorsCover(t *testing.T) {
	store := slotsOf(t)
	ok(t, store.ApplyChangeSets([]*proto.NamedChangeSet{{Name: "evm", Changeset: proto.ChangeSet{
		Pairs: []*proto.KVPair{set(keyOf(flatkv.StoragePrefix, 5, 10), 10)},
	}}}))
	low, high := keyOf(flatkv.StoragePrefix, 5, 2), keyOf(flatkv.StoragePrefix, 5, 6)
	for name, call := range map[string]struct {
		it   Iterator
		rows int
	}{
		"all":                    {store.Iterator(nil, nil), 5},
		"from":                   {store.Iterator(high, nil), 3},
		"until":                  {store.Iterator(nil, high), 2},
		"turned round":           {store.Iterator(high, low), 0},
		"nothing between":        {store.Iterator(low, low), 0},
		"code keys":              {store.Iterator(keyOf(flatkv.CodePrefix, 5), nil), 0},
		"until code keys":        {store.Iterator(nil, keyOf(flatkv.CodePrefix, 5)), 0},
		"an account":             {store.Iterator(keyOf(flatkv.StoragePrefix, 5)[:21], nil), 0},
		"an empty bound":         {store.Iterator([]byte{}, nil), 0},
		"no prefix":              {store.IteratorByPrefix(nil), 5},
		"an account's prefix":    {store.IteratorByPrefix(low[:21]), 4},
		"a slot's prefix":        {store.IteratorByPrefix(low), 1},
		"the prefix of slots":    {store.IteratorByPrefix(low[:1]), 0},
		"a code key as a prefix": {store.IteratorByPrefix(keyOf(flatkv.CodePrefix, 5)), 0},
	} {
		if rows := count(t, call.it); rows != call.rows {
			t.Errorf("%s: %d rows, not %d", name, rows, call.rows)
		}
	}
	it := store.IteratorByPrefix(low[:21])
	defer it.Close()
	if start, end := it.Domain(); !bytes.Equal(start, low[:21]) || !bytes.Equal(end, after(low[:21])) {
		t.Error("domain of a prefix")
	}
	commit(t, store)
	if rows := count(t, store.IteratorByPrefix(low[:21])); rows != 5 {
		t.Errorf("%d rows after the commit", rows)
	}
	older, err := store.LoadVersion(1, true)
	ok(t, err)
	defer older.Close()
	if rows := count(t, older.Iterator(nil, nil)); rows != 5 {
		t.Errorf("%d rows at version 1", rows)
	}
}
