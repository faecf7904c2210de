// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

// Readers beside a writer: each view shows one version, whole. Run it with -race.
func TestReadersBesideAWriter(t *testing.T) {
	const blocks, slots, readers = 200, 16, 4
	store := newStore(t, flatkv.WithRecentVersions(8), flatkv.WithWriteBufferBytes(1<<20))
	write := func(value int64) {
		var block flatkv.Block
		for n := range byte(slots) {
			block.SetStorage(address(1), slot(n), []byte{byte(value), byte(value >> 8)})
		}
		if _, err := store.ApplyCommit(&block, value); err != nil {
			t.Error(err)
		}
	}
	write(1)
	done := make(chan struct{})
	var wait sync.WaitGroup
	for reader := range readers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := readOne(store, reader%2 == 0, slots); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for value := int64(2); value <= blocks; value++ {
		write(value)
		if value%50 == 0 {
			ok(t, store.Flush())
		}
	}
	close(done)
	wait.Wait()
}

// readOne reads all slots from a view, key by key or as rows, and wants its version in each.
func readOne(store *flatkv.Store, single bool, slots byte) error {
	view, err := store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	wanted := view.Version()
	check := func(value []byte) error {
		if len(value) != 2 || int64(value[0])|int64(value[1])<<8 != wanted {
			return errors.New("a view that shows another version")
		}
		return nil
	}
	if single {
		for n := range slots {
			value, err := view.Storage(address(1), slot(n))
			if err := errors.Join(err, check(value)); err != nil {
				return err
			}
		}
		return nil
	}
	for row, err := range view.Rows(flatkv.StorageDatabase, flatkv.Range{}) {
		if err := errors.Join(err, check(row.Value)); err != nil {
			return err
		}
	}
	return nil
}

// A close beside calls: each of them works or says that it is closed.
func TestCloseBesideCalls(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	for range 20 {
		view := must(store.View())(t)
		var wait sync.WaitGroup
		started := make(chan struct{}, 4)
		for range 4 {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for first := true; ; first = false {
					_, err := view.Storage(address(1), slot(1))
					if first {
						started <- struct{}{}
					}
					if err != nil {
						refused(t, err, flatkv.ErrInvalidArgument)
						return
					}
				}
			}()
		}
		for range 4 {
			<-started
		}
		ok(t, view.Close())
		wait.Wait()
	}
	view := must(store.View())(t)
	defer view.Close()
	must(view.Verify(context.Background()))(t)
}

// What is made while its maker is closed keeps the functions of the caller: they went with the maker, and once more
// with what it had made.
func TestMadeWhileItsMakerIsClosed(t *testing.T) {
	for range 2 {
		store := newStore(t, flatkv.WithLog(func(flatkv.Level, string) {}))
		var block flatkv.Block
		for n := range 100_000 {
			block.SetStorage(address(1), flatkv.Word{0: byte(n), 1: byte(n >> 8), 2: byte(n >> 16)}, []byte{1})
		}
		must(store.ApplyCommit(&block, 1))(t)
		view := must(store.View())(t)
		ok(t, store.Close())
		begun := make(chan struct{})
		made := make(chan *flatkv.Iterator)
		go func() {
			close(begun)
			iterator, err := view.Iterate(flatkv.StorageDatabase, flatkv.Range{}) // sorts the rows
			if err != nil {
				t.Error(err)
			}
			made <- iterator
		}()
		<-begun
		time.Sleep(2 * time.Millisecond)
		ok(t, view.Close())
		if iterator := <-made; iterator != nil {
			if !iterator.First() {
				t.Error(iterator.Err())
			}
			ok(t, iterator.Close())
		}
	}
}
