// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// flipsPerFile is how many bytes of each file are flipped, FLATKV_FLIPS of them if that is set.
func flipsPerFile(t testing.TB) int {
	text := os.Getenv("FLATKV_FLIPS")
	if text == "" {
		return 3
	}
	flips, err := strconv.Atoi(text)
	ok(t, err)
	return flips
}

// One flipped byte in any file is found, or harmless: never a wrong store.
func TestAnyFlippedByte(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range references {
		found, harmless := 0, 0
		for _, file := range filesOf(t, filepath.Join(unpacked, name)) {
			content, err := os.ReadFile(filepath.Join(unpacked, name, file))
			ok(t, err)
			if len(content) == 0 {
				continue
			}
			directory := copyOf(t, name)
			for flip := range flipsPerFile(t) {
				at := random.IntN(len(content))
				if flip == 0 {
					at = len(content) - 1 // where a torn end would be
				}
				damaged := append([]byte{}, content...)
				damaged[at] ^= byte(1 + random.IntN(255))
				replace(t, filepath.Join(directory, file), damaged)
				snapshot := strings.HasPrefix(file, "snapshot-")
				if flippedIsRefused(t, request{directory: directory, store: storeIn(t), snapshot: snapshot}) {
					found++
				} else {
					harmless++
				}
			}
		}
		t.Logf("%s: %d found, %d harmless", name, found, harmless)
		if found == 0 {
			t.Errorf("%s: none was found", name)
		}
	}
}

func flippedIsRefused(t *testing.T, ask request) bool {
	t.Helper()
	if _, err := convert(context.Background(), ask); err != nil {
		leftNothing(t, ask.store)
		return true
	}
	if err := isGolden(t, ask.store); err != nil {
		t.Errorf("a wrong store: %v", err)
	}
	ok(t, os.RemoveAll(ask.store))
	return false
}
