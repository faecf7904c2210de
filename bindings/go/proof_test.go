// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

// Four hashes add up to the root, and what an overlay changes can be told from its hash.
func TestLtHash(t *testing.T) {
	store := newStore(t)
	var block flatkv.Block
	block.SetNonce(address(1), 7)
	block.SetCode(address(1), []byte{1, 2})
	block.SetStorage(address(1), slot(1), []byte{3})
	block.Set([]byte("legacy"), []byte{4})
	roots := must(store.ApplyCommit(&block, 1))(t)
	view := must(store.View())(t)
	defer view.Close()
	var sum flatkv.LtHash
	for _, database := range flatkv.DataDatabases {
		hash := must(view.LtHash(database))(t)
		expect(t, "the store's", *must(store.LtHash(database))(t), *hash)
		expect(t, database.String(), must(hash.Checksum())(t), roots.Of(database))
		ok(t, sum.Add(hash))
	}
	expect(t, "root", must(sum.Checksum())(t), roots.Root)

	overlay := must(store.Overlay())(t)
	defer overlay.Close()
	block.Reset()
	block.SetStorage(address(2), slot(2), []byte{5})
	ok(t, overlay.Apply(&block))
	with := must(overlay.LtHash(flatkv.StorageDatabase))(t)
	before := must(view.LtHash(flatkv.StorageDatabase))(t)
	row := *with
	ok(t, row.Subtract(before))
	alone := newStore(t) // the new row alone
	must(alone.ApplyCommit(&block, 1))(t)
	expect(t, "the new row", row, *must(alone.LtHash(flatkv.StorageDatabase))(t))
	ok(t, before.Add(&row))
	expect(t, "with the new row", *before, *with)

	_, err := store.LtHash(flatkv.MetadataDatabase)
	refused(t, err, flatkv.ErrInvalidArgument)
	ok(t, view.Close())
	_, err = view.LtHash(flatkv.CodeDatabase)
	refused(t, err, flatkv.ErrInvalidArgument)
}

// Rows that were added, changed and removed are shown, each with what it was.
func TestDiff(t *testing.T) {
	store := newStore(t)
	var block flatkv.Block
	block.SetStorage(address(1), slot(1), []byte{1})
	block.SetStorage(address(1), slot(2), []byte{2})
	block.SetCode(address(1), []byte{9})
	must(store.ApplyCommit(&block, 1))(t)
	block.Reset()
	block.DeleteStorage(address(1), slot(1))
	block.SetStorage(address(1), slot(2), []byte{22})
	block.SetCode(address(2), []byte{8})
	must(store.ApplyCommit(&block, 2))(t)
	a, b := must(store.ViewAt(1))(t), must(store.View())(t)
	defer a.Close()
	defer b.Close()
	all := func(options ...flatkv.Option) (found []flatkv.Difference) {
		ok(t, flatkv.Diff(context.Background(), a, b, func(row flatkv.Difference) error {
			found = append(found, row)
			return nil
		}, options...))
		return found
	}
	type values = []byte
	expected := []flatkv.Difference{
		{Database: flatkv.CodeDatabase, Key: addressBytes(2), B: values{8}},
		{Database: flatkv.StorageDatabase, Key: slices.Concat(addressBytes(1), values(slotBytes(1))), A: values{1}},
		{Database: flatkv.StorageDatabase, Key: slices.Concat(addressBytes(1), values(slotBytes(2))), A: values{2}, B: values{22}},
	}
	same := func(found, wanted flatkv.Difference) bool {
		return found.Database == wanted.Database && bytes.Equal(found.Key, wanted.Key) &&
			bytes.Equal(found.A, wanted.A) && bytes.Equal(found.B, wanted.B) &&
			(found.A == nil) == (wanted.A == nil) && (found.B == nil) == (wanted.B == nil)
	}
	if found := all(); !slices.EqualFunc(found, expected, same) {
		t.Errorf("%v, not %v", found, expected)
	}
	if found := all(flatkv.WithOneDatabase(flatkv.CodeDatabase)); !slices.EqualFunc(found, expected[:1], same) {
		t.Errorf("of code: %v", found)
	}
	enough := errors.New("enough")
	count := 0
	err := flatkv.Diff(context.Background(), a, b, func(flatkv.Difference) error { count++; return enough })
	refused(t, err, flatkv.ErrCancelled)
	if !errors.Is(err, enough) || count != 1 {
		t.Errorf("%v after %d", err, count)
	}
	defer func() { expect(t, "panic", recover(), any(enough)) }()
	flatkv.Diff(context.Background(), a, b, func(flatkv.Difference) error { panic(enough) })
}

func slotBytes(n byte) []byte {
	word := slot(n)
	return word[:]
}

// damage writes over a few bytes of each table of a database, without those that snapshots link.
func damage(t testing.TB, path, database string) {
	t.Helper()
	tables := must(filepath.Glob(filepath.Join(path, "gen-*", "working", database, "*.sst")))(t)
	if len(tables) == 0 {
		t.Fatal("no tables")
	}
	for _, table := range tables {
		content := must(os.ReadFile(table))(t)
		copy(content[10:], "12345678")
		ok(t, os.Remove(table))
		ok(t, os.WriteFile(table, content, 0o600))
	}
}

// A damaged database is built anew from a snapshot or an exported state, one that is not is left as it is.
func TestRepair(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := must(flatkv.Open(path, fast()...))(t)
	report := must(store.OpenReport())(t)
	expect(t, "clean", report.Clean, true)
	expect(t, "replayed", report.ReplayedBlocks, 0)
	commit(t, store, 1, 1)
	ok(t, store.Snapshot())
	view := must(store.View())(t)
	stream := filepath.Join(t.TempDir(), "stream")
	file := must(os.Create(stream))(t)
	ok(t, view.Export(context.Background(), file))
	ok(t, file.Close())
	ok(t, view.Close())
	roots := commit(t, store, 2, 2)
	ok(t, store.Close())
	_, err := store.OpenReport()
	refused(t, err, flatkv.ErrStoreFailed)

	both := []flatkv.Database{flatkv.CodeDatabase, flatkv.StorageDatabase}
	ctx := context.Background()
	for _, one := range must(flatkv.Repair(ctx, path, both))(t) {
		expect(t, "opens", one.Opens, true)
		expect(t, "source", one.Source, flatkv.RepairedFromNothing)
		ok(t, one.Damage)
	}
	for source, options := range map[flatkv.RepairSource][]flatkv.Option{
		flatkv.RepairedFromSnapshot: nil,
		flatkv.RepairedFromStream:   {flatkv.WithStreamFile(stream)},
	} {
		damage(t, path, "storage")
		repaired := must(flatkv.Repair(ctx, path, both, options...))(t)
		expect(t, "results", len(repaired), 2)
		ok(t, repaired[0].Damage)
		one := repaired[1]
		refused(t, one.Damage, flatkv.ErrCorruption)
		expect(t, "database", one.Database, flatkv.StorageDatabase)
		expect(t, "source", one.Source, source)
		expect(t, "version", one.Version, 2)
		expect(t, "from a version", one.SourceVersion >= 1 && one.SourceVersion <= 2, true)
		expect(t, "checksum", one.Checksum, roots.Storage)
		opened := must(flatkv.Open(path, fast()...))(t)
		expect(t, "roots", must(opened.CommittedRoots())(t), roots)
		ok(t, opened.Close())
	}
	_, err = flatkv.Repair(ctx, path, nil)
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = flatkv.Repair(ctx, path, []flatkv.Database{7})
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = flatkv.Repair(ctx, path+"-none", both)
	refused(t, err, flatkv.ErrNotFound)
}

// Rows are hashed by goroutines, those that are refused at once, and the roots are the same.
func TestExecutor(t *testing.T) {
	var taken, refusals atomic.Int64
	hashed := newStore(t, flatkv.WithThreads(4), flatkv.WithExecutor(4, func(task func()) bool {
		if taken.Add(1)%3 == 2 {
			refusals.Add(1)
			return false
		}
		go func() {
			task()
			task() // is nothing
		}()
		return true
	}))
	plain := newStore(t, flatkv.WithThreads(1))
	for version := int64(1); version <= 5; version++ {
		var block flatkv.Block
		for n := range 5000 {
			block.SetStorage(address(1), flatkv.Word{30: byte(n >> 8), 31: byte(n)}, bytes.Repeat([]byte{byte(version)}, 32))
		}
		expect(t, "roots", must(hashed.ApplyCommit(&block, version))(t), must(plain.ApplyCommit(&block, version))(t))
	}
	if taken.Load() == 0 || refusals.Load() == 0 || taken.Load() == refusals.Load() {
		t.Errorf("%d tasks, %d refused", taken.Load(), refusals.Load())
	}
	_, err := flatkv.Open(t.TempDir(), flatkv.WithExecutor(0, func(func()) bool { return false }))
	refused(t, err, flatkv.ErrInvalidArgument)
}
