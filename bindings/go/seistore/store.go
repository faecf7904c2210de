// SPDX-License-Identifier: Apache-2.0

package seistore

import (
	"context"
	"errors"
	"fmt"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/seistore/metrics"
	"github.com/flatkv/flatkv/bindings/go/seistore/proto"
)

// ErrReadOnly is what a store says that was loaded read-only and is to write.
var ErrReadOnly = errors.New("flatkv: the store is read-only")

var errNotLoaded = errors.New("flatkv: the store is not loaded")

// maxKey is how long a key can be. A longer one cannot be there.
const maxKey = 64 << 10

// Store is FlatKV as the reference's store. Like that, it is for one goroutine at a time.
type Store struct {
	directory string
	options   []flatkv.Option
	timer     *metrics.PhaseTimer

	store  *flatkv.Store  // nil if it is not loaded, or read-only
	reader *flatkv.Reader // of a read-only store; of another, what it reads until it writes
	only   bool           // read-only

	version int64  // of the last commit
	root    []byte // the same
}

var _ Interface = (*Store)(nil)

// New is a store at a directory, which LoadVersion opens, and creates if there is none.
func New(directory string, options ...flatkv.Option) *Store {
	return &Store{
		directory: directory,
		options:   options,
		timer:     metrics.NewPhaseTimer(),
		root:      emptyRoot(),
	}
}

// emptyRoot is the root of a state without rows.
func emptyRoot() []byte {
	return []byte("\xbe\x2a\x8d\xe3\xdc\xf4\x6c\x94\xce\x85\xcd\xc8\xe0\x7a\xc3\x08" +
		"\xf4\xd8\xa9\x54\x90\xd9\x56\xc3\x8d\x78\x0f\xd6\x10\xdb\x08\x13")
}

func (s *Store) LoadVersion(target int64, readOnly bool) (Interface, error) {
	if target < 0 {
		return nil, fmt.Errorf("flatkv: no version %d", target)
	}
	if s.only {
		return nil, ErrReadOnly
	}
	if readOnly {
		return s.loadReader(target)
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	if err := s.load(target); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) loadReader(target int64) (Interface, error) {
	reader, err := s.openReader(target)
	if err != nil {
		return nil, err
	}
	loaded := &Store{directory: s.directory, timer: s.timer, reader: reader, only: true}
	if err := loaded.note(); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return loaded, nil
}

func (s *Store) openReader(target int64) (*flatkv.Reader, error) {
	options := s.options
	if target > 0 {
		options = append(options[:len(options):len(options)], flatkv.WithVersion(target))
	}
	return flatkv.OpenReader(context.Background(), s.directory, options...)
}

// load opens the store for writing. Of an older version only the reads come from there at first: a
// look at it must not cost the blocks above.
func (s *Store) load(target int64) error {
	options := append(s.options[:len(s.options):len(s.options)], flatkv.WithCreateIfMissing())
	var err error
	if s.store, err = flatkv.Open(s.directory, options...); err != nil {
		return err
	}
	if target > s.store.Version() {
		return fmt.Errorf("flatkv: version %d is to be loaded, the last one is %d", target, s.store.Version())
	}
	if target > 0 && target < s.store.Version() {
		if s.reader, err = s.openReader(target); err != nil {
			return err
		}
	}
	return s.note()
}

// note keeps version and root, which a closed store still tells.
func (s *Store) note() error {
	var roots flatkv.Roots
	var err error
	if s.reader != nil {
		s.version = s.reader.Version()
		roots, err = s.reader.Roots()
	} else {
		s.version = s.store.Version()
		roots, err = s.store.CommittedRoots()
	}
	s.root = roots.Root[:]
	return err
}

// writable is the store, gone back to the version that was loaded.
func (s *Store) writable() (*flatkv.Store, error) {
	if s.only {
		return nil, ErrReadOnly
	}
	if s.store == nil {
		return nil, errNotLoaded
	}
	if s.reader != nil {
		if err := s.store.Rollback(s.reader.Version()); err != nil {
			return nil, err
		}
		err := s.reader.Close()
		s.reader = nil
		return s.store, err
	}
	return s.store, nil
}

// state is what reads go to; nil if the store is not loaded.
func (s *Store) state() flatkv.State {
	if s.reader != nil {
		return s.reader
	}
	if s.store != nil {
		return s.store
	}
	return nil
}

func (s *Store) ApplyChangeSets(sets []*proto.NamedChangeSet) error {
	store, err := s.writable()
	if err != nil {
		return err
	}
	var block flatkv.Block
	for _, set := range sets {
		if set == nil || set.Name != flatkv.Module {
			continue
		}
		for _, pair := range set.Changeset.Pairs {
			switch {
			case pair == nil || len(pair.Key) == 0: // the reference skips these
			case pair.Delete:
				block.Delete(pair.Key)
			default:
				block.Set(pair.Key, pair.Value)
			}
		}
	}
	return store.Apply(&block)
}

func (s *Store) Commit() (int64, error) {
	store, err := s.writable()
	if err != nil {
		return 0, err
	}
	roots, err := store.Commit(store.Version() + 1)
	if err != nil {
		return 0, err
	}
	s.version, s.root = store.Version(), roots.Root[:]
	return s.version, nil
}

func (s *Store) Get(key []byte) ([]byte, bool) {
	if len(key) == 0 || len(key) > maxKey {
		return nil, false
	}
	state := s.state()
	if state == nil {
		panic(errNotLoaded)
	}
	value, err := state.Get(key)
	if err != nil {
		panic(fmt.Errorf("flatkv: reading %x: %w", key, err))
	}
	return value, value != nil
}

func (s *Store) Has(key []byte) bool {
	_, there := s.Get(key)
	return there
}

func (s *Store) RootHash() []byte {
	if s.store == nil || s.reader != nil {
		return s.CommittedRootHash()
	}
	roots, err := s.store.WorkingRoots()
	if err != nil {
		panic(fmt.Errorf("flatkv: the working root: %w", err))
	}
	return roots.Root[:]
}

func (s *Store) CommittedRootHash() []byte { return append([]byte{}, s.root...) }

func (s *Store) Version() int64 { return s.version }

func (s *Store) WriteSnapshot(string) error {
	store, err := s.writable()
	if err != nil {
		return err
	}
	return store.Snapshot()
}

func (s *Store) Rollback(target int64) error {
	if s.only {
		return ErrReadOnly
	}
	if s.store == nil {
		return errNotLoaded
	}
	if err := s.store.Rollback(target); err != nil {
		return err
	}
	var err error
	if s.reader != nil {
		err = s.reader.Close()
		s.reader = nil
	}
	return errors.Join(err, s.note())
}

func (s *Store) GetPhaseTimer() *metrics.PhaseTimer { return s.timer }

// Close may be called again. Version and roots stay known.
func (s *Store) Close() error {
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
		s.reader = nil
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
		s.store = nil
	}
	return errors.Join(errs...)
}
