// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"errors"
	"path/filepath"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/internal/golden"
)

// must is the value of a call that has to succeed.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks the code of an error, and that it is an *Error.
func refused(t testing.TB, err error, code flatkv.Code) *flatkv.Error {
	t.Helper()
	var failed *flatkv.Error
	if !errors.As(err, &failed) || !errors.Is(err, code) {
		t.Fatalf("not %v: %v", code, err)
	}
	return failed
}

// fast does not wait for the disk: no test here is about that.
func fast(options ...flatkv.Option) []flatkv.Option {
	return append([]flatkv.Option{flatkv.WithCreateIfMissing(),
		flatkv.WithDurability(flatkv.SurviveProcess), flatkv.WithSnapshotInterval(0)}, options...)
}

func newStore(t testing.TB, options ...flatkv.Option) *flatkv.Store {
	t.Helper()
	store := must(flatkv.Open(filepath.Join(t.TempDir(), "store"), fast(options...)...))(t)
	t.Cleanup(func() { store.Close() })
	return store
}

func address(n byte) flatkv.Address { return flatkv.Address{0: n, 19: n} }

func slot(n byte) flatkv.Word { return flatkv.Word{31: n} }

// commit commits a block with one slot of account 1.
func commit(t testing.TB, store *flatkv.Store, n, value byte) flatkv.Roots {
	t.Helper()
	var block flatkv.Block
	block.SetStorage(address(1), slot(n), []byte{value})
	return must(store.ApplyCommit(&block, store.Version()+1))(t)
}

func fill(block *flatkv.Block, line golden.Line) {
	for _, set := range line.Changesets {
		named := flatkv.ChangeSet{Name: set.Name}
		for _, pair := range set.Pairs {
			named.Pairs = append(named.Pairs, flatkv.Pair{Key: pair.Key, Value: pair.Value, Delete: pair.Delete})
		}
		block.Add(named)
	}
}
