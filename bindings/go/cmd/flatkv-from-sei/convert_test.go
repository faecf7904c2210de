// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Both directories, from the working copy and from the snapshot, give the golden store, and are as
// they were.
func TestReferenceStores(t *testing.T) {
	for _, name := range references {
		for _, snapshot := range []bool{false, true} {
			directory := filepath.Join(unpacked, name)
			before := picture(t, directory)
			store := storeIn(t)
			made, err := convert(context.Background(), request{directory: directory, store: store, snapshot: snapshot, expect: goldenLine(t, lastVersion)})
			ok(t, err)
			if made.roots.String() != goldenLine(t, lastVersion) || made.version != lastVersion {
				t.Errorf("%s: %v", name, made)
			}
			if made.perData != (name == "per-db-hashes") {
				t.Errorf("%s: proven by %v", name, made)
			}
			if err := isGolden(t, store); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if picture(t, directory) != before {
				t.Errorf("%s was changed", name)
			}
		}
	}
}

// The command prints the roots line, and ends with what it came to.
func TestCommand(t *testing.T) {
	directory, store := filepath.Join(unpacked, references[1]), storeIn(t)
	for _, call := range []struct {
		arguments []string
		code      int
	}{
		{[]string{"--help"}, exitDone},
		{[]string{directory}, exitUsage},
		{[]string{"--nothing", directory, store}, exitUsage},
		{[]string{"--expect", "another line", directory, store}, exitRefused},
		{[]string{"--snapshot", "--expect", goldenLine(t, lastVersion), directory, store}, exitDone},
		{[]string{directory, store}, exitRefused}, // it is there
	} {
		if code := run(context.Background(), call.arguments); code != call.code {
			t.Errorf("%v: %d, not %d", call.arguments, code, call.code)
		}
	}
	ok(t, isGolden(t, store))
}

// Blocks above the databases come from the changelog.
func TestChangelogAbove(t *testing.T) {
	for _, name := range references {
		directory, store := copyOf(t, name), storeIn(t)
		rewind(t, filepath.Join(directory, "working"), 290)
		made, err := convert(context.Background(), request{directory: directory, store: store})
		ok(t, err)
		if made.base != 290 || made.version != lastVersion || !strings.Contains(made.String(), "versions 291 to 300") {
			t.Errorf("%s: %v", name, made)
		}
		if err := isGolden(t, store); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		refuses(t, request{directory: directory, store: storeIn(t), expect: goldenLine(t, 299)}, "expected")
	}
}

func TestSkew(t *testing.T) {
	for _, name := range references {
		for _, database := range []string{"account", "code", "storage", "legacy", "metadata"} {
			directory := copyOf(t, name)
			rewindDatabase(t, filepath.Join(directory, "working", database), 299)
			refuses(t, request{directory: directory, store: storeIn(t)}, database+" 299")
		}
	}
}

func TestTornChangelog(t *testing.T) {
	directory := copyOf(t, references[1])
	path := filepath.Join(directory, "changelog", "00000000000000000001")
	content, err := os.ReadFile(path)
	ok(t, err)
	replace(t, path, content[:len(content)-1])
	refuses(t, request{directory: directory, store: storeIn(t)}, "torn")
	replace(t, path, append(content[:len(content):len(content)], 0x80))
	refuses(t, request{directory: directory, store: storeIn(t)}, "torn")
	replace(t, path, firstEntries(t, content, 299))
	refuses(t, request{directory: directory, store: storeIn(t)}, "ends at version 299")
	rewind(t, filepath.Join(directory, "working"), 290)
	replace(t, path, firstEntries(t, content, 200))
	ok(t, os.WriteFile(filepath.Join(directory, "changelog", "00000000000000000250"), nil, 0o600))
	refuses(t, request{directory: directory, store: storeIn(t)}, "entry 201 is missing")
	ok(t, os.Remove(path))
	ok(t, os.Remove(filepath.Join(directory, "changelog", "00000000000000000250")))
	later := content[len(firstEntries(t, content, 295)):]
	ok(t, os.WriteFile(filepath.Join(directory, "changelog", "00000000000000000296"), later, 0o600))
	refuses(t, request{directory: directory, store: storeIn(t)}, "no version 291")
}

// A node that was stopped while it cut its changelog left a file that it would look at.
func TestUnfinishedChangelog(t *testing.T) {
	directory := copyOf(t, references[1])
	ok(t, os.WriteFile(filepath.Join(directory, "changelog", "00000000000000000002.START"), nil, 0o600))
	refuses(t, request{directory: directory, store: storeIn(t)}, "not a segment")
}

func TestDirectoryThatIsNone(t *testing.T) {
	refuses(t, request{directory: t.TempDir(), store: storeIn(t)}, "no working copy and no snapshot")
	refuses(t, request{directory: "/nowhere", store: storeIn(t)}, "nowhere")
	directory := copyOf(t, references[1])
	ok(t, os.RemoveAll(filepath.Join(directory, "working", "code")))
	refuses(t, request{directory: directory, store: storeIn(t)}, "no Pebble database")
	ok(t, os.RemoveAll(filepath.Join(directory, "working")))
	store := storeIn(t)
	_, err := convert(context.Background(), request{directory: directory, store: store}) // of the snapshot
	ok(t, err)
	ok(t, isGolden(t, store))
	ok(t, os.Rename(filepath.Join(directory, "snapshot-00000000000000000300"), filepath.Join(directory, "snapshot-00000000000000000299")))
	refuses(t, request{directory: directory, store: storeIn(t)}, "at version 300")
}

// A directory that a node has open, and a place where another run builds.
func TestLocks(t *testing.T) {
	directory := copyOf(t, references[1])
	lock := filepath.Join(directory, "LOCK")
	ok(t, os.WriteFile(lock, nil, 0o600))
	held, err := os.Open(lock)
	ok(t, err)
	ok(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	refuses(t, request{directory: directory, store: storeIn(t)}, "stop the node")
	ok(t, held.Close())

	store := storeIn(t)
	building := store + ".from-sei-tmp"
	ok(t, os.MkdirAll(filepath.Join(building, "store", "gen-00000001"), 0o700))
	other, err := os.Open(building)
	ok(t, err)
	ok(t, syscall.Flock(int(other.Fd()), syscall.LOCK_EX))
	if _, err := convert(context.Background(), request{directory: directory, store: store}); err == nil {
		t.Error("two runs build one store")
	}
	ok(t, other.Close()) // that run was killed
	_, err = convert(context.Background(), request{directory: directory, store: store})
	ok(t, err)
	ok(t, isGolden(t, store))
}

func TestStoreThatIsThere(t *testing.T) {
	store := storeIn(t)
	ok(t, os.WriteFile(store, []byte("mine"), 0o600))
	_, err := convert(context.Background(), request{directory: filepath.Join(unpacked, references[1]), store: store})
	if err == nil {
		t.Error("it was replaced")
	}
	if content, err := os.ReadFile(store); err != nil || string(content) != "mine" {
		t.Errorf("%q, %v", content, err)
	}
}

// What is only read gets no store, under whatever name, and a store has a name and a place.
func TestStoreInTheDirectory(t *testing.T) {
	directory := copyOf(t, references[1])
	other := filepath.Join(t.TempDir(), "link")
	ok(t, os.Symlink(filepath.Join(directory, "working"), other))
	before := picture(t, directory)
	for _, store := range []string{filepath.Join(directory, "store"), filepath.Join(other, "store")} {
		refuses(t, request{directory: directory, store: store}, "only read")
	}
	if picture(t, directory) != before {
		t.Error("it was changed")
	}
	refuses(t, request{directory: directory, store: filepath.Join(t.TempDir(), "missing", "store")}, "missing")
	refuses(t, request{directory: "", store: storeIn(t)}, "is empty")
	if _, err := convert(context.Background(), request{directory: directory}); err == nil {
		t.Error("a store without a name")
	}
	store := directory + "-store" // beside it
	_, err := convert(context.Background(), request{directory: directory, store: store})
	ok(t, err)
	ok(t, isGolden(t, store))
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	store := storeIn(t)
	_, err := convert(ctx, request{directory: filepath.Join(unpacked, references[1]), store: store})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	leftNothing(t, store)
}
