// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

func TestCodesHaveTheNamesOfTheLibrary(t *testing.T) {
	names := map[flatkv.Code]string{
		flatkv.ErrInvalidArgument: "invalid_argument", flatkv.ErrNotFound: "not_found",
		flatkv.ErrLocked: "locked", flatkv.ErrCorruption: "corruption", flatkv.ErrLogGap: "log_gap",
		flatkv.ErrLogBehind: "log_behind", flatkv.ErrVersionMismatch: "version_mismatch",
		flatkv.ErrFormatTooNew: "format_too_new", flatkv.ErrForeignStore: "foreign_store",
		flatkv.ErrImportIncomplete: "import_incomplete", flatkv.ErrStoreFailed: "store_failed",
		flatkv.ErrIO: "io", flatkv.ErrNoSpace: "no_space", flatkv.ErrPermission: "permission",
		flatkv.ErrCancelled: "cancelled", flatkv.ErrUnsupported: "unsupported",
		flatkv.ErrOutOfMemory: "out_of_memory", flatkv.ErrStale: "stale",
	}
	for code, name := range names {
		if code.Error() != name {
			t.Errorf("%d is %q, not %q", code, code.Error(), name)
		}
	}
	if name := flatkv.Code(len(names) + 1).Error(); name != "" {
		t.Errorf("code %q is not in this package", name)
	}
}

// What a block is refused for, and that a refused block has changed nothing.
func TestRefusedBlocks(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	account := append([]byte{flatkv.NoncePrefix}, make([]byte, 20)...)
	for name, set := range map[string]flatkv.ChangeSet{
		"empty key":        {Name: "evm", Pairs: []flatkv.Pair{{Value: []byte{1}}}},
		"empty name":       {Pairs: []flatkv.Pair{{Key: []byte{1}}}},
		"short nonce":      {Name: "evm", Pairs: []flatkv.Pair{{Key: account, Value: []byte{1}}}},
		"key above 64 KiB": {Name: "evm", Pairs: []flatkv.Pair{{Key: make([]byte, 65537)}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := must(store.WorkingRoots())(t)
			var block flatkv.Block
			block.SetStorage(address(2), slot(1), []byte{1})
			block.Add(set)
			err := refused(t, store.Apply(&block), flatkv.ErrInvalidArgument)
			if err.Version == nil || *err.Version != 2 || !strings.Contains(err.Message, "2") {
				t.Errorf("names neither version nor change set: %v", err)
			}
			if after := must(store.WorkingRoots())(t); after != before {
				t.Error("the refused block has changed something")
			}
		})
	}
}

// The same mistakes have the codes that they have in C++.
func TestRefusedCalls(t *testing.T) {
	store := newStore(t, flatkv.WithRecentVersions(2))
	directory := t.TempDir()
	missing := filepath.Join(directory, "missing")
	commit(t, store, 1, 1)
	overlay := must(store.Overlay())(t)
	commit(t, store, 1, 2)

	_, err := flatkv.Open(missing)
	if failed := refused(t, err, flatkv.ErrNotFound); failed.Path == "" {
		t.Error("no path")
	}
	_, err = flatkv.Open(missing, flatkv.WithThreads(5000))
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = flatkv.Open("a\x00b")
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = flatkv.OpenReader(context.Background(), missing)
	refused(t, err, flatkv.ErrNotFound)

	_, err = store.Commit(7)
	refused(t, err, flatkv.ErrVersionMismatch)
	_, err = store.CommitOverlay(overlay, 2)
	refused(t, err, flatkv.ErrStale)
	_, err = store.ViewAt(9)
	refused(t, err, flatkv.ErrVersionMismatch)
	refused(t, store.Rollback(9), flatkv.ErrVersionMismatch)
	refused(t, store.WaitDurable(context.Background(), 9), flatkv.ErrInvalidArgument)
	refused(t, store.DropCursor("nobody"), flatkv.ErrNotFound)
	_, err = store.Subscribe(flatkv.SubscribeOptions{Cursor: []byte("no cursor")})
	refused(t, err, flatkv.ErrCorruption)
	_, err = store.Get(nil)
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = store.GetMany([][]byte{{1}, {}})
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = store.Row(flatkv.MetadataDatabase, []byte{1})
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = store.Iterate(flatkv.MetadataDatabase, flatkv.Range{})
	refused(t, err, flatkv.ErrInvalidArgument)
	for _, err := range store.Changes(5, 9) {
		refused(t, err, flatkv.ErrVersionMismatch)
	}
	_, err = flatkv.Import(context.Background(), missing, strings.NewReader("no stream"), nil)
	refused(t, err, flatkv.ErrCorruption)
}

func TestLockedStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := must(flatkv.Open(path, fast()...))(t)
	defer store.Close()
	_, err := flatkv.Open(path)
	refused(t, err, flatkv.ErrLocked)
}

func TestScrubThatIsOff(t *testing.T) {
	store := newStore(t, flatkv.WithScrub(flatkv.ScrubOff))
	_, err := store.Scrub(1)
	refused(t, err, flatkv.ErrUnsupported)
	_, err = store.ScrubStatus()
	refused(t, err, flatkv.ErrUnsupported)
}

// A damaged store is refused with the path, and the library says what could help.
func TestDamagedStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := must(flatkv.Open(path, fast()...))(t)
	commit(t, store, 1, 1)
	ok(t, store.Close())
	manifests := must(filepath.Glob(filepath.Join(path, "gen-*", "MANIFEST.json")))(t)
	if len(manifests) != 1 {
		t.Fatal(manifests)
	}
	content := must(os.ReadFile(manifests[0]))(t)
	ok(t, os.WriteFile(manifests[0], bytes.ToUpper(content), 0o600))
	_, err := flatkv.Open(path)
	if failed := refused(t, err, flatkv.ErrCorruption); failed.Path != manifests[0] {
		t.Errorf("path %q", failed.Path)
	}
	must(flatkv.Remedies(path))(t)
}

// A closed store, view, overlay, reader and iterator refuse, and can be closed again.
func TestClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	store := must(flatkv.Open(path, fast()...))(t)
	commit(t, store, 1, 1)
	view := must(store.View())(t)
	overlay := must(store.Overlay())(t)
	rows := must(view.Iterate(flatkv.StorageDatabase, flatkv.Range{}))(t)
	ok(t, store.Close())
	ok(t, store.Close())
	_, err := store.Get([]byte{1})
	refused(t, err, flatkv.ErrStoreFailed)
	_, err = store.Commit(2)
	refused(t, err, flatkv.ErrStoreFailed)
	_, err = store.View()
	refused(t, err, flatkv.ErrStoreFailed)
	refused(t, store.Apply(new(flatkv.Block)), flatkv.ErrStoreFailed)

	if value := must(view.Storage(address(1), slot(1)))(t); len(value) != 1 {
		t.Error("the view does not outlive its store")
	}
	for range 2 {
		ok(t, rows.Close())
		ok(t, overlay.Close())
		ok(t, view.Close())
	}
	_, err = view.Get([]byte{1})
	refused(t, err, flatkv.ErrInvalidArgument)
	if rows.First() || !errors.Is(rows.Err(), flatkv.ErrInvalidArgument) {
		t.Error("the closed iterator moves")
	}
	reader := must(flatkv.OpenReader(context.Background(), path))(t)
	ok(t, reader.Close())
	_, err = reader.Get([]byte{1})
	refused(t, err, flatkv.ErrInvalidArgument)
}

// What was never opened is as what is closed, and nil in its place.
func TestZeroValues(t *testing.T) {
	store := newStore(t)
	_, err := new(flatkv.Store).Get([]byte{1})
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = new(flatkv.Reader).Roots()
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = new(flatkv.View).Roots()
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = new(flatkv.View).Verify(context.Background())
	refused(t, err, flatkv.ErrInvalidArgument)
	refused(t, new(flatkv.Overlay).Apply(new(flatkv.Block)), flatkv.ErrInvalidArgument)
	_, err = store.CommitOverlay(new(flatkv.Overlay), 1)
	refused(t, err, flatkv.ErrInvalidArgument)
	refused(t, store.Apply(nil), flatkv.ErrInvalidArgument)
	_, err = store.ApplyCommit(nil, 1)
	refused(t, err, flatkv.ErrInvalidArgument)
	_, err = store.CommitOverlay(nil, 1)
	refused(t, err, flatkv.ErrInvalidArgument)
	view := must(store.View())(t)
	defer view.Close()
	for _, pair := range [][2]*flatkv.View{{nil, view}, {view, nil}} {
		err := flatkv.Diff(context.Background(), pair[0], pair[1], func(flatkv.Difference) error { return nil })
		refused(t, err, flatkv.ErrInvalidArgument)
	}
	if rows := new(flatkv.Iterator); rows.First() || !errors.Is(rows.Err(), flatkv.ErrInvalidArgument) {
		t.Error("an iterator that was never opened moves")
	}
}
