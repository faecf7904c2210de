// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// field is a protobuf field with bytes.
func field(number uint64, content []byte) []byte {
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, tag(number, bytesField)), uint64(len(content))), content...)
}

func varint(number, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, tag(number, varintField)), value)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// What the reference skips is skipped: sets without name and pairs, pairs without a key, and fields
// that are not known here.
func TestEntry(t *testing.T) {
	pair := join(varint(1, 1), field(2, []byte("key")), field(3, []byte("value")))
	empty := field(3, []byte("value"))
	named := join(field(1, join(field(1, pair), field(1, empty))), field(2, []byte("evm")))
	message := join(varint(1, 7), field(2, nil), field(2, named), field(9, []byte("upgrade")))
	found, err := parseEntry(message)
	ok(t, err)
	if found.version != 7 || len(found.sets) != 1 || found.sets[0].Name != "evm" || len(found.sets[0].Pairs) != 1 {
		t.Fatalf("%v", found)
	}
	only := found.sets[0].Pairs[0]
	if !only.Delete || string(only.Key) != "key" || string(only.Value) != "value" {
		t.Errorf("%v", only)
	}
	for _, malformed := range [][]byte{
		nil, varint(1, 0), varint(1, 1<<63), {0xff}, {0x0a, 5, 1}, join(varint(1, 7), []byte{0x13}),
		join(varint(1, 7), []byte{0x19, 1, 2}),
	} {
		if found, err := parseEntry(malformed); err == nil {
			t.Errorf("%x gives %v", malformed, found)
		}
	}
}

// A balance in the changelog would give other roots than the node had.
func TestBalanceInTheChangelog(t *testing.T) {
	directory := copyOf(t, references[1])
	path := filepath.Join(directory, "changelog", "00000000000000000001")
	content, err := os.ReadFile(path)
	ok(t, err)
	pair := join(field(2, append([]byte{0x21}, make([]byte, 20)...)), field(3, make([]byte, 32)))
	named := join(field(1, field(1, pair)), field(2, []byte("evm")))
	message := join(varint(1, lastVersion+1), field(2, named))
	entry := append(binary.AppendUvarint(nil, uint64(len(message))), message...)
	replace(t, path, append(content[:len(content):len(content)], entry...))
	refuses(t, request{directory: directory, store: storeIn(t)}, "is a balance here")
}

func FuzzEntry(f *testing.F) {
	f.Add(join(varint(1, 7), field(2, join(field(1, field(1, field(2, []byte("key")))), field(2, []byte("evm"))))))
	f.Fuzz(func(t *testing.T, message []byte) {
		if found, err := parseEntry(message); err == nil && found.version <= 0 {
			t.Errorf("version %d", found.version)
		}
	})
}
