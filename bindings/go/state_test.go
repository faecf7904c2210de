// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

func expect[T comparable](t testing.TB, what string, found, wanted T) {
	t.Helper()
	if found != wanted {
		t.Errorf("%s: %v, not %v", what, found, wanted)
	}
}

// Each kind of value is written and read by its own function and by key, from every kind of state.
func TestReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := must(flatkv.Open(path, fast()...))(t)
	defer store.Close()
	large := bytes.Repeat([]byte{7}, 100_000)
	var block flatkv.Block
	block.SetNonce(address(1), 258)
	block.SetBalance(address(1), flatkv.Word{31: 9})
	block.SetCodeHash(address(1), flatkv.Hash{0: 5})
	block.SetCode(address(1), large)
	block.SetStorage(address(1), slot(3), []byte("value"))
	block.SetStorage(address(1), slot(4), []byte("gone"))
	block.DeleteStorage(address(1), slot(4))
	block.Set([]byte("legacy"), nil)
	must(store.ApplyCommit(&block, 1))(t)

	overlay := must(store.Overlay())(t)
	defer overlay.Close()
	view := must(store.View())(t)
	defer view.Close()
	reader := must(flatkv.OpenReader(context.Background(), path))(t)
	defer reader.Close()
	for _, state := range []flatkv.State{store, overlay, view, reader} {
		t.Run(fmt.Sprintf("%T", state), func(t *testing.T) {
			account := must(state.Account(address(1)))(t)
			expect(t, "account", *account, flatkv.Account{Balance: flatkv.Word{31: 9}, CodeHash: flatkv.Hash{0: 5}, Nonce: 258})
			if absent := must(state.Account(address(2)))(t); absent != nil {
				t.Error("an account that is absent")
			}
			if code := must(state.Code(address(1)))(t); !bytes.Equal(code, large) {
				t.Errorf("code of %d bytes", len(code))
			}
			expect(t, "slot", string(must(state.Storage(address(1), slot(3)))(t)), "value")
			if gone := must(state.Storage(address(1), slot(4)))(t); gone != nil {
				t.Error("a slot that is absent")
			}
			if empty := must(state.Get([]byte("legacy")))(t); empty == nil || len(empty) != 0 {
				t.Errorf("the empty value is %v", empty)
			}
			nonce := append([]byte{flatkv.NoncePrefix}, addressBytes(1)...)
			values := must(state.GetMany([][]byte{[]byte("no"), nonce, []byte("legacy")}))(t)
			if len(values) != 3 || values[0] != nil || !bytes.Equal(values[1], []byte{0, 0, 0, 0, 0, 0, 1, 2}) ||
				values[2] == nil {
				t.Errorf("values %v", values)
			}
			into, there, err := state.GetInto([]byte("x"), nonce)
			ok(t, err)
			expect(t, "appended", string(into), "x\x00\x00\x00\x00\x00\x00\x01\x02")
			expect(t, "there", there, true)
			row := must(state.Row(flatkv.AccountDatabase, addressBytes(1)))(t)
			expect(t, "row", len(row), 72)
		})
	}
}

func addressBytes(n byte) []byte {
	account := address(n)
	return account[:]
}

// Iterators go back and forth within their range, and loops cross batches.
func TestRows(t *testing.T) {
	store := newStore(t)
	var block flatkv.Block
	const many = 1000
	key := func(n int) []byte { return []byte(fmt.Sprintf("k%04d", n)) }
	for n := range many {
		block.Set(key(n), bytes.Repeat([]byte{byte(n)}, 200))
	}
	must(store.ApplyCommit(&block, 1))(t)
	n := 0
	for row, err := range store.Rows(flatkv.LegacyDatabase, flatkv.Range{}) {
		ok(t, err)
		if !bytes.Equal(row.Key, key(n)) || len(row.Value) != 200 || row.Value[0] != byte(n) {
			t.Fatalf("row %d: %s", n, row.Key)
		}
		n++
	}
	expect(t, "rows", n, many)
	for row := range store.Rows(flatkv.LegacyDatabase, flatkv.Range{}) {
		expect(t, "first row", string(row.Key), "k0000")
		break
	}
	var some []string
	within := flatkv.Range{Prefix: []byte("k00"), Start: key(8), End: key(11)}
	for row, err := range store.Rows(flatkv.LegacyDatabase, within) {
		ok(t, err)
		some = append(some, string(row.Key))
	}
	if !slices.Equal(some, []string{"k0008", "k0009", "k0010"}) {
		t.Errorf("within: %v", some)
	}

	it := must(store.Iterate(flatkv.LegacyDatabase, within))(t)
	defer it.Close()
	stands := func(moved bool, wanted string) {
		t.Helper()
		ok(t, it.Err())
		expect(t, "moved", moved, wanted != "")
		if moved {
			expect(t, "key", string(it.Key()), wanted)
		}
	}
	stands(it.Valid(), "k0008")
	stands(it.Next(), "k0009")
	stands(it.Last(), "k0010")
	stands(it.Next(), "")
	stands(it.First(), "k0008")
	stands(it.Previous(), "")
	stands(it.Seek(key(9)), "k0009")
	stands(it.Seek(key(1)), "k0008")
	stands(it.Seek(key(11)), "")
	stands(it.SeekForPrevious(key(900)), "k0010")
	stands(it.Previous(), "k0009")
}

// A competing block is dropped, the other is committed; a recent version and an undone one are read.
func TestForks(t *testing.T) {
	store := newStore(t, flatkv.WithRecentVersions(4), flatkv.WithRollbackDepth(4))
	first := commit(t, store, 1, 1)
	var one, two flatkv.Block
	one.SetStorage(address(1), slot(1), []byte{2})
	two.SetStorage(address(1), slot(1), []byte{3})
	loser := must(store.Overlay())(t)
	defer loser.Close()
	ok(t, loser.Apply(&one))
	winner := must(store.Overlay())(t)
	defer winner.Close()
	ok(t, winner.Apply(&two))
	above := must(winner.Overlay())(t)
	defer above.Close()
	expect(t, "version above", above.Version(), 3)
	expect(t, "the loser's value", must(loser.Storage(address(1), slot(1)))(t)[0], 2)
	roots := must(store.CommitOverlay(winner, 2))(t)
	expect(t, "roots", roots, must(winner.Roots())(t))
	expect(t, "value", must(store.Storage(address(1), slot(1)))(t)[0], 3)
	before := must(store.ViewAt(1))(t)
	defer before.Close()
	expect(t, "recent value", must(before.Storage(address(1), slot(1)))(t)[0], 1)
	ok(t, store.Rollback(1))
	expect(t, "undone", must(store.CommittedRoots())(t), first)
	expect(t, "the view's version", before.Version(), 1)
}

func TestPendingBlock(t *testing.T) {
	store := newStore(t)
	committed := must(store.CommittedRoots())(t)
	var block flatkv.Block
	block.SetNonce(address(1), 1)
	ok(t, store.Apply(&block))
	if must(store.WorkingRoots())(t) == committed {
		t.Error("the pending block does not count")
	}
	ok(t, store.Discard())
	expect(t, "discarded", must(store.WorkingRoots())(t), committed)
	ok(t, store.Flush())
	ok(t, store.Snapshot())
	expect(t, "an empty block", must(store.Commit(1))(t), committed)
	ok(t, store.WaitDurable(context.Background(), 1))
	expect(t, "durable", store.DurableVersion(), 1)
}
