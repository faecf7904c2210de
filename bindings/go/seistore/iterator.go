// SPDX-License-Identifier: Apache-2.0

package seistore

import (
	"bytes"
	"errors"
	"fmt"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

const (
	addressBytes    = 20
	storageKeyBytes = 1 + addressBytes + 32
)

// isStorage says whether it is the key of a slot.
func isStorage(key []byte) bool {
	return len(key) == storageKeyBytes && key[0] == flatkv.StoragePrefix
}

func (s *Store) Iterator(start, end []byte) Iterator {
	nothing := start != nil && !isStorage(start) || end != nil && !isStorage(end) ||
		start != nil && end != nil && bytes.Compare(start, end) >= 0
	if nothing {
		return emptyIterator{}
	}
	var within flatkv.Range
	if start != nil {
		within.Start = start[1:]
	}
	if end != nil {
		within.End = end[1:]
	}
	return s.iterate(within, start, end)
}

func (s *Store) IteratorByPrefix(prefix []byte) Iterator {
	if len(prefix) == 0 {
		return s.Iterator(nil, nil)
	}
	if !isStorage(prefix) && (len(prefix) != 1+addressBytes || prefix[0] != flatkv.StoragePrefix) {
		return emptyIterator{}
	}
	return s.iterate(flatkv.Range{Prefix: prefix[1:]}, prefix, after(prefix))
}

// after is the first key behind all that begin with prefix, whose first byte is not the last one.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}

// iterate takes the committed state: pending writes are not for iterators.
func (s *Store) iterate(within flatkv.Range, start, end []byte) Iterator {
	it := &iterator{start: start, end: end}
	var err error
	switch {
	case s.reader != nil:
		it.view, err = s.reader.View()
	case s.store != nil:
		it.view, err = s.store.View()
	default:
		err = errNotLoaded
	}
	if err == nil {
		it.rows, err = it.view.Iterate(flatkv.StorageDatabase, within)
	}
	it.err = err
	return it
}

// Where an iterator stands.
type place int

const (
	nowhere place = iota
	onRow
	behindFirst
	behindLast
)

type iterator struct {
	view       *flatkv.View
	rows       *flatkv.Iterator
	start, end []byte
	at         place
	err        error
	closed     bool
}

func (it *iterator) Domain() ([]byte, []byte) { return it.start, it.end }
func (it *iterator) Valid() bool              { return !it.closed && it.err == nil && it.at == onRow }
func (it *iterator) Error() error             { return it.err }

func (it *iterator) Close() error {
	it.closed = true
	var errs []error
	if it.rows != nil {
		errs = append(errs, it.rows.Close())
	}
	if it.view != nil {
		errs = append(errs, it.view.Close())
	}
	return errors.Join(errs...)
}

// move moves, and stands beyond if there is no row.
func (it *iterator) move(step func() bool, beyond place) bool {
	if it.closed || it.err != nil {
		return false
	}
	it.at = beyond
	if step() {
		it.at = onRow
	}
	it.err = it.rows.Err()
	return it.Valid()
}

func (it *iterator) First() bool {
	return it.move(func() bool { return it.rows.First() }, behindLast)
}

func (it *iterator) Last() bool {
	return it.move(func() bool { return it.rows.Last() }, behindFirst)
}

func (it *iterator) Next() bool {
	switch it.at {
	case nowhere, behindFirst:
		return it.First()
	case behindLast:
		return false
	}
	return it.move(func() bool { return it.rows.Next() }, behindLast)
}

func (it *iterator) Prev() bool {
	switch it.at {
	case nowhere, behindLast:
		return it.Last()
	case behindFirst:
		return false
	}
	return it.move(func() bool { return it.rows.Previous() }, behindFirst)
}

func (it *iterator) SeekGE(key []byte) bool {
	if !it.storageKey(key) {
		return false
	}
	return it.move(func() bool { return it.rows.Seek(key[1:]) }, behindLast)
}

func (it *iterator) SeekLT(key []byte) bool {
	if !it.storageKey(key) {
		return false
	}
	return it.move(func() bool {
		there := it.rows.SeekForPrevious(key[1:])
		if there && bytes.Equal(it.rows.Key(), key[1:]) {
			return it.rows.Previous()
		}
		return there
	}, behindFirst)
}

// storageKey refuses another key, which is an error of the iterator.
func (it *iterator) storageKey(key []byte) bool {
	if it.closed || it.err != nil {
		return false
	}
	if !isStorage(key) {
		it.err = fmt.Errorf("flatkv: %x is not the key of a slot", key)
	}
	return it.err == nil
}

func (it *iterator) Key() []byte {
	if !it.Valid() {
		return nil
	}
	return it.rows.Key()
}

func (it *iterator) Value() []byte {
	if !it.Valid() {
		return nil
	}
	return it.rows.Value()
}

// emptyIterator is over what iterators do not cover.
type emptyIterator struct{}

func (emptyIterator) Domain() ([]byte, []byte) { return nil, nil }
func (emptyIterator) Valid() bool              { return false }
func (emptyIterator) Error() error             { return nil }
func (emptyIterator) Close() error             { return nil }
func (emptyIterator) First() bool              { return false }
func (emptyIterator) Last() bool               { return false }
func (emptyIterator) SeekGE([]byte) bool       { return false }
func (emptyIterator) SeekLT([]byte) bool       { return false }
func (emptyIterator) Next() bool               { return false }
func (emptyIterator) Prev() bool               { return false }
func (emptyIterator) Key() []byte              { return nil }
func (emptyIterator) Value() []byte            { return nil }
