// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/zeebo/blake3"
)

// The keys that the reference keeps among its rows. Before it had a hash for each database, a data
// database had only localKey, and the metadata database what all have since.
var (
	localKey   = []byte{0}
	versionKey = []byte("_meta/version")
	hashKey    = []byte("_meta/hash")
)

const hashBytes = 2048

// source is a directory of the reference at the version at which its databases stand.
type source struct {
	databases  [5]*pebble.DB // by flatkv.Database
	version    int64
	global     []byte                     // lattice hash of all rows
	hashes     map[flatkv.Database][]byte // of each database; nil in a directory that has none
	changelog  string
	lastLogged int64 // last version in the changelog; 0: it is empty
}

func openSource(directory string, snapshot bool) (*source, error) {
	if err := refuseInUse(directory); err != nil {
		return nil, err
	}
	home, named, err := databasesOf(directory, snapshot)
	if err != nil {
		return nil, err
	}
	from := &source{changelog: filepath.Join(directory, "changelog")}
	if err := from.open(home, named); err != nil {
		from.close()
		return nil, err
	}
	return from, nil
}

func (s *source) open(home string, named int64) error {
	for database := range s.databases {
		path := filepath.Join(home, flatkv.Database(database).String())
		opened, err := openPebble(path)
		if err != nil {
			return err
		}
		s.databases[database] = opened
	}
	if err := s.readMetadata(home, named); err != nil {
		return err
	}
	return s.checkLog()
}

// databasesOf says where the five databases are, and the version in the name of a snapshot.
func databasesOf(directory string, snapshot bool) (home string, named int64, err error) {
	if !snapshot {
		working := filepath.Join(directory, "working")
		if _, err := os.Stat(working); err == nil {
			return working, 0, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", 0, err
		}
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return "", 0, err
	}
	for _, entry := range entries {
		var version int64
		name := entry.Name()
		if n, _ := fmt.Sscanf(name, "snapshot-%020d", &version); n == 1 &&
			name == fmt.Sprintf("snapshot-%020d", version) && version >= named {
			home, named = filepath.Join(directory, name), version
		}
	}
	if home == "" {
		return "", 0, fmt.Errorf("%s: no working copy and no snapshot of Sei's FlatKV", directory)
	}
	return home, named, nil
}

// openPebble opens a database that must be there. What Pebble prints is dropped; it returns errors.
func openPebble(path string) (*pebble.DB, error) {
	if found, err := filepath.Glob(filepath.Join(path, "marker.manifest.*")); err != nil || len(found) == 0 {
		return nil, fmt.Errorf("%s: no Pebble database here", path)
	}
	opened, err := pebble.Open(path, &pebble.Options{
		FS:                 readOnlyFS{vfs.Default},
		ReadOnly:           true,
		ErrorIfNotExists:   true,
		FormatMajorVersion: pebble.FormatVirtualSSTables,
		Logger:             quiet{},
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return opened, nil
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, values ...any) {
	panic(fmt.Sprintf("pebble: "+format, values...))
}

func (s *source) close() {
	for _, database := range s.databases {
		if database != nil {
			database.Close()
		}
	}
}

// get copies a value; nil is absent.
func (s *source) get(database flatkv.Database, key []byte) ([]byte, error) {
	value, closer, err := s.databases[database].Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%v database: %w", database, err)
	}
	defer closer.Close()
	return append([]byte{}, value...), nil
}

// readMetadata reads versions and hashes, and refuses a skew between the databases.
func (s *source) readMetadata(home string, named int64) error {
	versions := map[flatkv.Database]int64{}
	s.hashes = map[flatkv.Database][]byte{}
	var without []string
	for database := range s.databases {
		database := flatkv.Database(database)
		version, hash, err := s.metadataOf(database)
		if err != nil {
			return err
		}
		versions[database] = version
		if database == flatkv.MetadataDatabase {
			s.global = hash
		} else if s.hashes[database] = hash; hash == nil {
			without = append(without, database.String())
		}
	}
	s.version = versions[flatkv.MetadataDatabase]
	if err := level(home, versions); err != nil {
		return err
	}
	if named != 0 && named != s.version {
		return fmt.Errorf("%s: the databases are at version %d", home, s.version)
	}
	switch len(without) {
	case 0:
		return s.checkSum(home)
	case len(flatkv.DataDatabases):
		s.hashes = nil
		return nil
	}
	return fmt.Errorf("%s: no hash in %s, but in the other databases", home, strings.Join(without, ", "))
}

// metadataOf reads the version of a database, and its hash if it has one.
func (s *source) metadataOf(database flatkv.Database) (int64, []byte, error) {
	version, err := s.get(database, versionKey)
	if err != nil {
		return 0, nil, err
	}
	if version == nil && database != flatkv.MetadataDatabase {
		if version, err = s.get(database, localKey); err != nil {
			return 0, nil, err
		}
		number, err := versionOf(database, version)
		return number, nil, err
	}
	number, err := versionOf(database, version)
	if err != nil {
		return 0, nil, err
	}
	hash, err := s.get(database, hashKey)
	if err != nil {
		return 0, nil, err
	}
	if len(hash) != hashBytes {
		return 0, nil, fmt.Errorf("%v database: a hash of %d bytes, not %d", database, len(hash), hashBytes)
	}
	return number, hash, nil
}

func versionOf(database flatkv.Database, value []byte) (int64, error) {
	if len(value) != 8 || binary.BigEndian.Uint64(value) >= math.MaxInt64 {
		return 0, fmt.Errorf("%v database: no version in its metadata: %x", database, value)
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

func level(home string, versions map[flatkv.Database]int64) error {
	var lines []string
	skew := false
	for database := flatkv.AccountDatabase; database <= flatkv.MetadataDatabase; database++ {
		lines = append(lines, fmt.Sprintf("%v %d", database, versions[database]))
		skew = skew || versions[database] != versions[flatkv.MetadataDatabase]
	}
	if skew {
		return fmt.Errorf("%s: the databases are at different versions: %s (start the node once, so that it levels them, or use --snapshot)",
			home, strings.Join(lines, ", "))
	}
	return nil
}

// checkSum compares the sum of the four hashes with the global one.
func (s *source) checkSum(home string) error {
	sum := make([]byte, hashBytes)
	for _, hash := range s.hashes {
		for i := 0; i < hashBytes; i += 2 {
			limb := binary.LittleEndian.Uint16(sum[i:]) + binary.LittleEndian.Uint16(hash[i:])
			binary.LittleEndian.PutUint16(sum[i:], limb)
		}
	}
	if !bytes.Equal(sum, s.global) {
		return fmt.Errorf("%s: the hashes of the four databases do not add up to the global hash: checksum %v, not %v",
			home, checksum(sum), checksum(s.global))
	}
	return nil
}

func checksum(hash []byte) flatkv.Hash { return blake3.Sum256(hash) }

// compare compares what the rows gave with what the directory says.
func (s *source) compare(found flatkv.Roots) error {
	var wrong []string
	for _, database := range flatkv.DataDatabases {
		if s.hashes == nil {
			break
		}
		if said := checksum(s.hashes[database]); said != found.Of(database) {
			wrong = append(wrong, fmt.Sprintf("%v: the directory says %v, its rows give %v", database, said, found.Of(database)))
		}
	}
	if said := checksum(s.global); said != found.Root {
		wrong = append(wrong, fmt.Sprintf("root: the directory says %v, its rows give %v", said, found.Root))
	}
	if wrong != nil {
		return fmt.Errorf("version %d is not what its hashes say:\n  %s", s.version, strings.Join(wrong, "\n  "))
	}
	return nil
}

// checkLog finds the end of the changelog.
func (s *source) checkLog() error {
	err := readChangelog(s.changelog, func(entry entry) error {
		if s.lastLogged < s.version && entry.version > s.version+1 {
			return fmt.Errorf("%s: no version %d, which comes after the databases'", s.changelog, s.version+1)
		}
		s.lastLogged = entry.version
		return nil
	})
	if err == nil && s.lastLogged != 0 && s.lastLogged < s.version {
		err = fmt.Errorf("%s: ends at version %d, the databases are at %d", s.changelog, s.lastLogged, s.version)
	}
	return err
}

// rows goes over the rows of a data database, without the reference's metadata.
func (s *source) rows(database flatkv.Database) iter.Seq2[flatkv.Row, error] {
	metadata := [][]byte{localKey}
	if s.hashes != nil {
		metadata = [][]byte{versionKey, hashKey}
	}
	return func(yield func(flatkv.Row, error) bool) {
		it, err := s.databases[database].NewIter(nil)
		if err != nil {
			yield(flatkv.Row{}, fmt.Errorf("%v database: %w", database, err))
			return
		}
		defer it.Close()
		for it.First(); it.Valid(); it.Next() {
			value, err := it.ValueAndErr()
			if err != nil {
				break
			}
			own := func(key []byte) bool { return bytes.Equal(key, it.Key()) }
			if slices.ContainsFunc(metadata, own) {
				continue
			}
			if !yield(flatkv.Row{Key: bytes.Clone(it.Key()), Value: bytes.Clone(value)}, nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(flatkv.Row{}, fmt.Errorf("%v database: %w", database, err))
		}
	}
}
