// SPDX-License-Identifier: Apache-2.0

// Package golden reads the traces of tests/golden and their results, which other implementations
// made, for tests.
package golden

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Hex is bytes as hexadecimal digits.
type Hex []byte

func (h *Hex) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*h = decoded
	return err
}

// Line is a call of apply; a block may have several.
type Line struct {
	Version    int64
	Changesets []struct {
		Name  string
		Pairs []struct {
			Key, Value Hex
			Delete     bool
		}
	}
}

// Roots are those of a version, in hexadecimal digits.
type Roots struct {
	Version                              int64
	Root, Account, Code, Storage, Legacy string
}

// Line is the roots line.
func (r Roots) Line() string {
	return fmt.Sprint(r.Root, " ", r.Account, " ", r.Code, " ", r.Storage, " ", r.Legacy)
}

// Row is a stored row.
type Row struct {
	DB         string
	Key, Value Hex
}

// Directory is where the files are.
func Directory() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../../../tests/golden")
}

// Bytes are those of a file, which may be there compressed; nil if it is not there. zstd unpacks it.
func Bytes(name string) ([]byte, error) {
	path := filepath.Join(Directory(), name)
	if found, err := os.ReadFile(path); err == nil || !os.IsNotExist(err) {
		return found, err
	}
	if _, err := os.Stat(path + ".zst"); err != nil {
		return nil, nil
	}
	return exec.Command("zstd", "-dcq", path+".zst").Output()
}

// Read decodes a file of JSON lines; nothing if it is not there.
func Read[T any](name string) ([]T, error) {
	content, err := Bytes(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var lines []T
	scanner := bufio.NewScanner(bytes.NewReader(content))
	scanner.Buffer(nil, 1<<30)
	for scanner.Scan() {
		var line T
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		lines = append(lines, line)
	}
	return lines, scanner.Err()
}
