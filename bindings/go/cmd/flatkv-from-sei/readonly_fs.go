// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// readOnlyFS shows a directory to Pebble, which takes a lock file even to read, and lets it change
// nothing.
type readOnlyFS struct {
	vfs.FS
}

func refuseChange(name string) error {
	return fmt.Errorf("%s: %w: the directory is only read", name, fs.ErrPermission)
}

func (readOnlyFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, refuseChange(name)
}

func (readOnlyFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, refuseChange(name)
}

func (readOnlyFS) ReuseForWrite(_, name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	return nil, refuseChange(name)
}

func (readOnlyFS) Link(_, name string) error                 { return refuseChange(name) }
func (readOnlyFS) Remove(name string) error                  { return refuseChange(name) }
func (readOnlyFS) RemoveAll(name string) error               { return refuseChange(name) }
func (readOnlyFS) Rename(_, name string) error               { return refuseChange(name) }
func (readOnlyFS) MkdirAll(name string, _ fs.FileMode) error { return refuseChange(name) }

// Lock is not taken: source looks whether somebody else holds it.
func (readOnlyFS) Lock(string) (io.Closer, error) { return nothing{}, nil }

type nothing struct{}

func (nothing) Close() error { return nil }
