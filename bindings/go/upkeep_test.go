// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

func TestVerifyScrubAndMetrics(t *testing.T) {
	store := newStore(t, flatkv.WithScrub(flatkv.ScrubByHand))
	commit(t, store, 1, 1)
	var steps atomic.Int64
	report := must(store.Verify(context.Background(), flatkv.WithProgress(func(flatkv.Progress) { steps.Add(1) })))(t)
	expect(t, "good", report.Good, true)
	expect(t, "databases", len(report.Verdicts), 4)
	for _, verdict := range report.Verdicts {
		expect(t, verdict.Database.String(), verdict.Found, verdict.Expected)
		expect(t, verdict.Database.String(), verdict.FoundRows, verdict.ExpectedRows)
	}
	ok(t, store.Flush())
	must(store.Scrub(10))(t)
	must(store.ScrubStatus())(t)
	ok(t, store.Prefetch([][]byte{[]byte("a"), []byte("b")}))
	refused(t, store.Prefetch([][]byte{{}}), flatkv.ErrInvalidArgument)
	metrics := must(store.Metrics())(t)
	expect(t, "flushed", metrics.Flushes > 0, true)
	expect(t, "asked", metrics.PrefetchAsked, 2)
	expect(t, "flushed tables", metrics.Flushed[flatkv.StorageDatabase].Tables > 0, true)
	expect(t, "log", metrics.LogBytes > 0, true)
}

// Group commit tells which blocks are durable, from a thread of the library.
func TestDurable(t *testing.T) {
	durable := make(chan int64, 100)
	store := newStore(t, flatkv.WithDurability(flatkv.GroupCommit), flatkv.WithGroupBlocks(2),
		flatkv.WithDurable(func(version int64) { durable <- version }))
	commit(t, store, 1, 1)
	commit(t, store, 1, 2)
	ok(t, store.WaitDurable(context.Background(), 2))
	expect(t, "durable", store.DurableVersion(), 2)
	for <-durable < 2 {
	}
}

// A thread of the library that calls back cannot wait for its own end.
func TestCloseInACallback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	opened, tried := make(chan *flatkv.Store, 1), make(chan error, 100)
	store := must(flatkv.Open(path, fast(flatkv.WithDurability(flatkv.GroupCommit), flatkv.WithDurable(func(int64) {
		own := <-opened
		opened <- own
		tried <- own.Close()
	}))...))(t)
	commit(t, store, 1, 1)
	opened <- store
	refused(t, <-tried, flatkv.ErrInvalidArgument)
	commit(t, store, 2, 2)
	ok(t, store.Close())
	ok(t, store.Close())
}

// What is forgotten is closed by the garbage collector; the log may be heard of until then.
func TestForgottenHandles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	var messages atomic.Int64 // kept until the last handle is gone
	func() {
		store := must(flatkv.Open(path, fast(flatkv.WithLog(func(flatkv.Level, string) { messages.Add(1) }))...))(t)
		commit(t, store, 1, 1)
		must(store.View())(t)
		must(store.Overlay())(t)
		must(store.Iterate(flatkv.StorageDatabase, flatkv.Range{}))(t)
	}()
	// An open waits for the lock a while, and meanwhile what was garbage is closed.
	var store *flatkv.Store
	err := error(flatkv.ErrLocked)
	for tries := 0; errors.Is(err, flatkv.ErrLocked) && tries < 30; tries++ {
		runtime.GC()
		store, err = flatkv.Open(path)
	}
	ok(t, err)
	defer store.Close()
	expect(t, "version", store.Version(), 1)
}

func TestCreateRollbackPathAndVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	ok(t, flatkv.Create(path, flatkv.WithInitialVersion(10), flatkv.WithAccountRows(flatkv.PruneEmptyAccounts)))
	refused(t, flatkv.Create(path), flatkv.ErrInvalidArgument)
	store := must(flatkv.Open(path))(t)
	expect(t, "version", store.Version(), 9)
	expect(t, "initial version", store.InitialVersion(), 10)
	expect(t, "account rows", store.AccountRows(), flatkv.PruneEmptyAccounts)
	view := must(store.View())(t)
	expect(t, "the view's", view.AccountRows(), flatkv.PruneEmptyAccounts)
	ok(t, view.Close())
	first := commit(t, store, 1, 1)
	commit(t, store, 1, 2)
	ok(t, store.Close())
	reader := must(flatkv.OpenReader(context.Background(), path, flatkv.WithVersion(10)))(t)
	expect(t, "roots", must(reader.Roots())(t), first)
	expect(t, "the reader's", reader.AccountRows(), flatkv.PruneEmptyAccounts)
	ok(t, reader.Close())
	ok(t, flatkv.RollbackPath(context.Background(), path, 10))
	store = must(flatkv.Open(path))(t)
	defer store.Close()
	expect(t, "roots", must(store.CommittedRoots())(t), first)
	if flatkv.LibraryVersion() == "" {
		t.Error("no version")
	}
}
