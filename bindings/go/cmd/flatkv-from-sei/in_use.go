// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// refuseInUse refuses a directory that a node has open: its store, or one of its databases. It takes
// no lock that stays.
func refuseInUse(directory string) error {
	locks, err := filepath.Glob(filepath.Join(directory, "working", "*", "LOCK"))
	if err != nil {
		return err
	}
	for _, path := range append(locks, filepath.Join(directory, "LOCK")) {
		if err := refuseHeld(path); err != nil {
			return err
		}
	}
	return nil
}

func refuseHeld(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	asked := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(file.Fd(), syscall.F_GETLK, &asked); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if asked.Type != syscall.F_UNLCK {
		return fmt.Errorf("%s: held by process %d: stop the node first", path, asked.Pid)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s: held by another process: stop the node first", path)
	}
	return nil
}
