// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"context"
	"errors"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

// Blocks are read from the log as they came, with names and deletes.
func TestChanges(t *testing.T) {
	store := newStore(t)
	var block flatkv.Block
	block.Add(flatkv.ChangeSet{Name: "evm", Pairs: []flatkv.Pair{
		{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Delete: true},
	}})
	roots := must(store.ApplyCommit(&block, 1))(t)
	must(store.Commit(2))(t)
	var versions []int64
	for event, err := range store.Changes(1, 2) {
		ok(t, err)
		versions = append(versions, event.Version)
		if event.Version != 1 {
			expect(t, "changes", len(event.Changes), 0)
			continue
		}
		expect(t, "roots", event.Roots, roots)
		set := event.Changes[0]
		expect(t, "name", set.Name, "evm")
		expect(t, "value", string(set.Pairs[0].Value), "1")
		expect(t, "delete", set.Pairs[1].Delete, true)
	}
	expect(t, "events", len(versions), 2)
}

// A consumer gets blocks and undos, goes on from its cursor, and ends its wait with a context.
func TestSubscription(t *testing.T) {
	store := newStore(t, flatkv.WithRollbackDepth(4))
	commit(t, store, 1, 1)
	start := int64(0)
	events := must(store.Subscribe(flatkv.SubscribeOptions{Committed: true, After: &start}))(t)
	defer events.Close()
	next := func() *flatkv.Event {
		t.Helper()
		return must(events.Next(context.Background()))(t)
	}
	expect(t, "version", next().Version, 1)
	commit(t, store, 1, 2)
	expect(t, "version", next().Version, 2)
	ok(t, store.Rollback(1))
	undo := next()
	expect(t, "undo", undo.Undo, true)
	expect(t, "back to", undo.Version, 1)
	if event := must(events.Poll())(t); event != nil {
		t.Errorf("%v", event)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := events.Next(ctx)
	refused(t, err, flatkv.ErrCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("not why the context ended: %v", err)
	}
	_, err = events.Cursor()
	refused(t, err, flatkv.ErrUnsupported)
}

func TestNamedCursor(t *testing.T) {
	store := newStore(t)
	commit(t, store, 1, 1)
	ok(t, store.Flush()) // makes it durable
	start := int64(0)
	events := must(store.Subscribe(flatkv.SubscribeOptions{After: &start, Name: "indexer"}))(t)
	expect(t, "version", must(events.Next(context.Background()))(t).Version, 1)
	cursor := must(events.Cursor())(t)
	ok(t, events.Acknowledge(cursor))
	ok(t, events.Close())
	names := must(store.NamedCursors())(t)
	expect(t, "names", len(names), 1)
	expect(t, "name", names[0].Name, "indexer")
	expect(t, "version", names[0].Version <= 1, true)
	commit(t, store, 1, 2)
	ok(t, store.Flush())
	again := must(store.Subscribe(flatkv.SubscribeOptions{Cursor: cursor, Name: "indexer"}))(t)
	defer again.Close()
	expect(t, "version", must(again.Next(context.Background()))(t).Version, 2)
	ok(t, store.DropCursor("indexer"))
}
