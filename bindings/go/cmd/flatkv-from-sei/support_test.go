// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/internal/golden"
)

// The directories that the reference wrote: before it had a hash for each database, and since.
var references = []string{"before-per-db-hashes", "per-db-hashes"}

const lastVersion = 300

// unpacked has them, each under its name.
var unpacked string

func TestMain(m *testing.M) {
	code := func() int {
		directory, err := os.MkdirTemp("", "flatkv-from-sei")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(directory)
		for _, name := range references {
			archive := filepath.Join(golden.Directory(), "reference-stores", name+".tar.zst")
			output, err := exec.Command("tar", "-x", "-I", "zstd", "-f", archive, "-C", directory).CombinedOutput()
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n%s", archive, err, output)
				return 1
			}
		}
		unpacked = directory
		return m.Run()
	}()
	os.Exit(code)
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyOf makes a directory of links to the files of a reference: replace what is to be changed.
func copyOf(t testing.TB, reference string) string {
	t.Helper()
	from, to := filepath.Join(unpacked, reference), filepath.Join(t.TempDir(), reference)
	ok(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		switch {
		case entry.IsDir():
			return os.Mkdir(target, 0o700)
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		return os.Link(path, target)
	}))
	return to
}

// replace gives a file of a copy another content.
func replace(t testing.TB, path string, content []byte) {
	t.Helper()
	ok(t, os.Remove(path))
	ok(t, os.WriteFile(path, content, 0o600))
}

func filesOf(t testing.TB, directory string) []string {
	t.Helper()
	var files []string
	ok(t, filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, strings.TrimPrefix(path, directory+"/"))
		}
		return err
	}))
	return files
}

// picture is everything that a directory is, but for the times at which it was read.
func picture(t testing.TB, directory string) string {
	t.Helper()
	var text strings.Builder
	ok(t, filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		status, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s %v %v", path, status.Mode(), status.ModTime())
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, " %x", sha256.Sum256(content))
		}
		text.WriteByte('\n')
		return nil
	}))
	return text.String()
}

func goldenLine(t testing.TB, version int) string {
	t.Helper()
	roots, err := golden.Read[golden.Roots]("mixed.roots.jsonl")
	ok(t, err)
	return roots[version-1].Line()
}

// isGolden compares a store with the end of the golden trace.
func isGolden(t testing.TB, path string) error {
	store, err := flatkv.Open(path)
	ok(t, err)
	defer store.Close()
	roots, err := store.CommittedRoots()
	ok(t, err)
	if store.Version() != lastVersion || roots.String() != goldenLine(t, lastVersion) {
		return fmt.Errorf("version %d, roots %v", store.Version(), roots)
	}
	expected, err := golden.Read[golden.Row]("mixed.rows.jsonl")
	ok(t, err)
	for _, database := range flatkv.DataDatabases {
		for row, err := range store.Rows(database, flatkv.Range{}) {
			ok(t, err)
			if len(expected) == 0 || expected[0].DB != database.String() ||
				!bytes.Equal(expected[0].Key, row.Key) || !bytes.Equal(expected[0].Value, row.Value) {
				return fmt.Errorf("another row: %v %x", database, row.Key)
			}
			expected = expected[1:]
		}
	}
	if len(expected) != 0 {
		return fmt.Errorf("%d rows are missing", len(expected))
	}
	return nil
}

// refuses wants a refusal that says so, and no store nor what was built of it.
func refuses(t testing.TB, ask request, says string) {
	t.Helper()
	_, err := convert(context.Background(), ask)
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%v does not say %q", err, says)
	}
	leftNothing(t, ask.store)
}

func leftNothing(t testing.TB, store string) {
	t.Helper()
	left, err := filepath.Glob(store + "*")
	ok(t, err)
	if left != nil {
		t.Errorf("left: %v", left)
	}
}

func storeIn(t testing.TB) string { return filepath.Join(t.TempDir(), "store") }
