// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

// entry is a block of the reference's changelog.
type entry struct {
	version int64
	sets    []flatkv.ChangeSet
}

// A longer entry than this is none.
const maxEntry = 1 << 30

// readChangelog gives every entry of the changelog, in order. A log that is torn or has a gap is
// refused. A log that is not there is empty.
func readChangelog(directory string, each func(entry) error) error {
	files, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	next := uint64(0)      // index of the next entry; 0: any
	var version int64 = -1 // of the last entry
	for _, file := range files {
		path := filepath.Join(directory, file.Name())
		index, err := strconv.ParseUint(file.Name(), 10, 64)
		if err != nil || file.Name() != fmt.Sprintf("%020d", index) {
			return fmt.Errorf("%s: not a segment of the changelog (start the node once, so that it finishes what it began)", path)
		}
		if next != 0 && index != next {
			return fmt.Errorf("%s: the changelog has a gap before it: entry %d is missing", path, next)
		}
		next = index
		err = readSegment(path, func(found entry) error {
			if version >= 0 && found.version != version+1 {
				return fmt.Errorf("version %d follows version %d", found.version, version)
			}
			version = found.version
			next++
			return each(found)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func readSegment(path string, each func(entry) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	status, err := file.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(file, 1<<20)
	for offset := uint64(0); offset < uint64(status.Size()); {
		size, err := binary.ReadUvarint(in)
		if err != nil {
			return fmt.Errorf("%s: offset %d: the changelog is torn: no length of an entry", path, offset)
		}
		begin := offset + uint64(len(binary.AppendUvarint(nil, size)))
		if size > maxEntry || begin+size > uint64(status.Size()) {
			return fmt.Errorf("%s: offset %d: the changelog is torn: an entry of %d bytes", path, offset, size)
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(in, payload); err != nil {
			return fmt.Errorf("%s: offset %d: %w", path, begin, err)
		}
		found, err := parseEntry(payload)
		if err == nil {
			err = each(found)
		}
		if err != nil {
			return fmt.Errorf("%s: offset %d: %w", path, offset, err)
		}
		offset = begin + size
	}
	return nil
}

var errMalformed = errors.New("not an entry of a changelog")

// fields calls each with the fields of a protobuf message: the number of a varint, or the bytes of a
// string or message. Other types are skipped.
func fields(message []byte, each func(field uint64, number uint64, bytes []byte) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errMalformed
		}
		message = message[n:]
		var number uint64
		var bytes []byte
		switch size := 0; tag & 7 {
		case 0, 2:
			if number, n = binary.Uvarint(message); n <= 0 {
				return errMalformed
			}
			message = message[n:]
			if tag&7 == 2 {
				if number > uint64(len(message)) {
					return errMalformed
				}
				bytes, message = message[:number:number], message[number:]
			}
		case 1, 5:
			if size = 8; tag&7 == 5 {
				size = 4
			}
			if len(message) < size {
				return errMalformed
			}
			message = message[size:]
			continue
		default:
			return errMalformed
		}
		if err := each(tag, number, bytes); err != nil {
			return err
		}
	}
	return nil
}

// Tags: the number of the field, and its type.
const (
	varintField = 0
	bytesField  = 2
)

func tag(field, kind uint64) uint64 { return field<<3 | kind }

func parseEntry(message []byte) (entry, error) {
	var found entry
	err := fields(message, func(field, number uint64, bytes []byte) error {
		switch field {
		case tag(1, varintField):
			if number == 0 || number >= math.MaxInt64 {
				return errMalformed
			}
			found.version = int64(number)
		case tag(2, bytesField):
			set, err := parseNamedSet(bytes)
			if err != nil {
				return err
			}
			// The reference skips these; a block would be refused for them.
			if set.Name != "" || len(set.Pairs) != 0 {
				found.sets = append(found.sets, set)
			}
		}
		return nil
	})
	if err == nil && found.version == 0 {
		err = errMalformed
	}
	return found, err
}

func parseNamedSet(message []byte) (flatkv.ChangeSet, error) {
	var set flatkv.ChangeSet
	err := fields(message, func(field, _ uint64, bytes []byte) error {
		switch field {
		case tag(1, bytesField):
			return parseSet(bytes, &set)
		case tag(2, bytesField):
			set.Name = string(bytes)
		}
		return nil
	})
	return set, err
}

func parseSet(message []byte, set *flatkv.ChangeSet) error {
	return fields(message, func(field, _ uint64, bytes []byte) error {
		if field != tag(1, bytesField) {
			return nil
		}
		pair, err := parsePair(bytes)
		if err != nil {
			return err
		}
		// The reference skips empty keys.
		if len(pair.Key) != 0 {
			set.Pairs = append(set.Pairs, pair)
		}
		return nil
	})
}

func parsePair(message []byte) (flatkv.Pair, error) {
	var pair flatkv.Pair
	err := fields(message, func(field, number uint64, bytes []byte) error {
		switch field {
		case tag(1, varintField):
			pair.Delete = number != 0
		case tag(2, bytesField):
			pair.Key = bytes
		case tag(3, bytesField):
			pair.Value = bytes
		}
		return nil
	})
	return pair, err
}
