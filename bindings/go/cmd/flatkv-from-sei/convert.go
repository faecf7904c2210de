// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

type request struct {
	directory string
	store     string
	snapshot  bool
	expect    string // a roots line; "": none
}

// result is what was made, and how it was proven.
type result struct {
	version  int64
	base     int64 // version of the databases; above it the changelog
	rows     int
	roots    flatkv.Roots
	perData  bool // the directory has a hash for each database
	expected bool
}

func (r result) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "version %d, %d rows at version %d\n%v\n", r.version, r.rows, r.base, r.roots)
	if r.perData {
		fmt.Fprintf(&text, "proven: the four hashes of the directory, and their sum\n")
	} else {
		fmt.Fprintf(&text, "proven: the sum of the four hashes, which this directory does not have, is its global hash\n")
	}
	if r.version != r.base && !r.expected {
		fmt.Fprintf(&text, "not proven: versions %d to %d are from the changelog, which has no hashes; compare the line with another node's\n",
			r.base+1, r.version)
	}
	return text.String()
}

// convert builds the store in a directory beside its place, and renames it when all is proven.
func convert(ctx context.Context, ask request) (made result, err error) {
	// Pebble panics where a damaged database breaks what it takes for granted.
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%s: reading it failed: %v", ask.directory, panicked)
		}
	}()
	if _, err := os.Lstat(ask.store); err == nil {
		return result{}, fmt.Errorf("%s: exists", ask.store)
	} else if !errors.Is(err, os.ErrNotExist) {
		return result{}, err
	}
	if err := refuseInside(ask.directory, ask.store); err != nil {
		return result{}, err
	}
	from, err := openSource(ask.directory, ask.snapshot)
	if err != nil {
		return result{}, err
	}
	defer from.close()
	place, err := reserve(ask.store)
	if err != nil {
		return result{}, err
	}
	defer place.remove()
	if made, err = build(ctx, from, place.inside, ask.expect); err != nil {
		return result{}, err
	}
	return made, place.publish(ask.store)
}

func build(ctx context.Context, from *source, path, expect string) (result, error) {
	made := result{base: from.version, version: from.version, perData: from.hashes != nil}
	var err error
	if made.roots, made.rows, err = importRows(ctx, from, path); err != nil {
		return result{}, err
	}
	if err := from.compare(made.roots); err != nil {
		return result{}, err
	}
	if err := replay(ctx, from, path, &made); err != nil {
		return result{}, err
	}
	if line := strings.Join(strings.Fields(expect), " "); line != "" {
		made.expected = true
		if line != made.roots.String() {
			return result{}, fmt.Errorf("roots of version %d:\n  expected %s\n  found    %v",
				made.version, line, made.roots)
		}
	}
	return made, nil
}

// Rows cross into the library so many at a time.
const (
	rowsAtOnce  = 1024
	bytesAtOnce = 1 << 20
)

func importRows(ctx context.Context, from *source, path string) (flatkv.Roots, int, error) {
	importer, err := flatkv.NewImporter(path)
	if err != nil {
		return flatkv.Roots{}, 0, err
	}
	defer importer.Close()
	count := 0
	for _, database := range flatkv.DataDatabases {
		var batch []flatkv.Row
		size := 0
		flush := func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := importer.Add(database, batch...)
			count += len(batch)
			batch, size = batch[:0], 0
			return err
		}
		for row, err := range from.rows(database) {
			if err != nil {
				return flatkv.Roots{}, 0, err
			}
			batch = append(batch, row)
			size += len(row.Key) + len(row.Value)
			if len(batch) == rowsAtOnce || size >= bytesAtOnce {
				if err := flush(); err != nil {
					return flatkv.Roots{}, 0, fmt.Errorf("%v database: %w", database, err)
				}
			}
		}
		if err := flush(); err != nil {
			return flatkv.Roots{}, 0, fmt.Errorf("%v database: %w", database, err)
		}
	}
	roots, err := importer.Finish(from.version, nil)
	return roots, count, err
}

// replay commits the blocks of the changelog above the databases.
func replay(ctx context.Context, from *source, path string, made *result) error {
	if from.lastLogged <= from.version {
		return nil
	}
	store, err := flatkv.Open(path, flatkv.WithDurability(flatkv.SurviveProcess))
	if err != nil {
		return err
	}
	defer store.Close()
	err = readChangelog(from.changelog, func(entry entry) error {
		if entry.version <= from.version {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := refuseBalances(entry); err != nil {
			return err
		}
		var block flatkv.Block
		block.Add(entry.sets...)
		made.version = entry.version
		made.roots, err = store.ApplyCommit(&block, entry.version)
		return err
	})
	if err != nil {
		return err
	}
	return store.Close()
}

// refuseBalances refuses keys that are balances here and other rows in the reference.
func refuseBalances(entry entry) error {
	for _, set := range entry.sets {
		for _, pair := range set.Pairs {
			if set.Name == flatkv.Module && len(pair.Key) == 21 && pair.Key[0] == flatkv.BalancePrefix {
				return fmt.Errorf("version %d has the key %x, which is a balance here and none in Sei's FlatKV", entry.version, pair.Key)
			}
		}
	}
	return nil
}

// refuseInside refuses names that are empty, and a store in the directory that is only read.
func refuseInside(directory, store string) error {
	if directory == "" || store == "" {
		return errors.New("DIR or STORE is empty")
	}
	var real [2]string
	for i, path := range []string{directory, filepath.Dir(filepath.Clean(store))} {
		path, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if real[i], err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	}
	if within, err := filepath.Rel(real[0], real[1]); err == nil && filepath.IsLocal(within) {
		return fmt.Errorf("%s: lies in %s, which is only read", store, directory)
	}
	return nil
}

// place is a directory beside the store's, locked, in which the store is built.
type place struct {
	path   string
	inside string
	lock   *os.File
}

func reserve(store string) (*place, error) {
	absolute, err := filepath.Abs(store)
	if err != nil {
		return nil, err
	}
	made := &place{path: absolute + ".from-sei-tmp"}
	made.inside = filepath.Join(made.path, "store")
	if err := os.Mkdir(made.path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if made.lock, err = os.Open(made.path); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(made.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		made.lock.Close()
		return nil, fmt.Errorf("%s: another run builds this store", made.path)
	}
	// What a run that was killed left.
	if err := os.RemoveAll(made.inside); err != nil {
		made.lock.Close()
		return nil, err
	}
	return made, nil
}

func (p *place) publish(store string) error {
	if err := os.Rename(p.inside, store); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(p.path))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}

func (p *place) remove() {
	os.RemoveAll(p.path)
	p.lock.Close()
}
