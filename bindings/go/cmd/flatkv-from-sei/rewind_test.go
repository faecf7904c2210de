// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// rewind cuts the five databases of a copy after a version, as a crash before the later writes would
// have left them. Here they are all in Pebble's logs.
func rewind(t testing.TB, home string, version uint64) {
	t.Helper()
	for _, database := range []string{"account", "code", "storage", "legacy", "metadata"} {
		rewindDatabase(t, filepath.Join(home, database), version)
	}
}

func rewindDatabase(t testing.TB, path string, version uint64) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(path, "*.log"))
	ok(t, err)
	cut := false
	for _, log := range logs {
		if cut {
			ok(t, os.Remove(log))
			continue
		}
		content, err := os.ReadFile(log)
		ok(t, err)
		if end := endOfVersion(t, content, version); end < len(content) {
			replace(t, log, content[:end])
			cut = true
		}
	}
}

// endOfVersion is where the batches of a log above a version begin.
func endOfVersion(t testing.TB, log []byte, version uint64) int {
	t.Helper()
	const blockBytes, headerBytes = 32 << 10, 11
	const full, first = 5, 6 // kinds of chunks that begin a batch; 7 and 8 go on with it
	var batch []byte
	begin := 0
	above := false
	check := func() bool {
		at, is := versionIn(batch)
		above = above || is && at > version
		return above
	}
	for at := 0; at+headerBytes <= len(log); {
		if left := blockBytes - at%blockBytes; left < headerBytes {
			at += left
			continue
		}
		size, kind := int(binary.LittleEndian.Uint16(log[at+4:])), log[at+6]
		if kind == 0 || kind > 8 || at+headerBytes+size > len(log) {
			break
		}
		if kind == full || kind == first {
			if check() {
				return begin
			}
			batch, begin = nil, at
		}
		batch = append(batch, log[at+headerBytes:at+headerBytes+size]...)
		at += headerBytes + size
	}
	if check() {
		return begin
	}
	return len(log)
}

// versionIn finds the version that a batch writes: a set of one of the reference's keys.
func versionIn(batch []byte) (uint64, bool) {
	const headerBytes, deletion, set = 12, 0, 1
	if len(batch) < headerBytes {
		return 0, false
	}
	rest := batch[headerBytes:]
	text := func() []byte {
		size, n := binary.Uvarint(rest)
		found := rest[n : n+int(size)]
		rest = rest[n+int(size):]
		return found
	}
	for len(rest) > 0 {
		kind := rest[0]
		rest = rest[1:]
		key := text()
		if kind != set {
			continue
		}
		value := text()
		if len(value) == 8 && (bytes.Equal(key, versionKey) || bytes.Equal(key, localKey)) {
			return binary.BigEndian.Uint64(value), true
		}
	}
	return 0, false
}

// firstEntries are so many of a changelog's segment.
func firstEntries(t testing.TB, segment []byte, count int) []byte {
	t.Helper()
	at := 0
	for range count {
		size, n := binary.Uvarint(segment[at:])
		at += n + int(size)
	}
	return segment[:at:at]
}
