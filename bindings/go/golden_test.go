// SPDX-License-Identifier: Apache-2.0

package flatkv_test

import (
	"bytes"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
	"github.com/flatkv/flatkv/bindings/go/internal/golden"
)

// Every golden trace gives its roots after every version and, where they are kept, its rows.
func TestGoldenTraces(t *testing.T) {
	for _, trace := range []struct {
		name, results string
		rows          flatkv.AccountRows
	}{
		{"edge", "edge", flatkv.KeepAccountRows},
		{"mixed", "mixed", flatkv.KeepAccountRows},
		{"accounts", "accounts", flatkv.KeepAccountRows},
		{"wide", "wide", flatkv.KeepAccountRows},
		{"metakeys", "metakeys", flatkv.KeepAccountRows},
		{"balances", "balances", flatkv.KeepAccountRows},
		{"balances", "balances.prune_empty", flatkv.PruneEmptyAccounts},
		{"../../examples/mainnet-15000001-30", "mainnet", flatkv.KeepAccountRows},
		{"../../examples/mainnet-15000001-30", "mainnet.prune_empty", flatkv.PruneEmptyAccounts},
	} {
		t.Run(trace.results, func(t *testing.T) {
			lines := must(golden.Read[golden.Line](trace.name + ".jsonl"))(t)
			roots := must(golden.Read[golden.Roots](trace.results + ".roots.jsonl"))(t)
			if len(lines) == 0 || len(roots) == 0 {
				t.Fatal("no trace")
			}
			store := newStore(t, flatkv.WithAccountRows(trace.rows))
			playTrace(t, store, lines, roots)
			compareRows(t, store, must(golden.Read[golden.Row](trace.results+".rows.jsonl"))(t))
		})
	}
}

// playTrace commits the blocks: those of one line with one crossing, the others with several.
func playTrace(t *testing.T, store *flatkv.Store, lines []golden.Line, roots []golden.Roots) {
	var block flatkv.Block
	for _, expected := range roots {
		var found flatkv.Roots
		for ; len(lines) > 0 && lines[0].Version == expected.Version; lines = lines[1:] {
			block.Reset()
			fill(&block, lines[0])
			if len(lines) == 1 || lines[1].Version != expected.Version {
				if working := store.Version() + 1; working != expected.Version {
					t.Fatalf("version %d, not %d", working, expected.Version)
				}
				found = must(store.ApplyCommit(&block, expected.Version))(t)
			} else {
				ok(t, store.Apply(&block))
			}
		}
		if found.String() != expected.Line() {
			t.Fatalf("version %d:\n%v, not\n%s", expected.Version, found, expected.Line())
		}
	}
	if len(lines) != 0 {
		t.Fatalf("no roots of version %d", lines[0].Version)
	}
}

func compareRows(t *testing.T, state flatkv.State, expected []golden.Row) {
	if len(expected) == 0 {
		return
	}
	for _, database := range flatkv.DataDatabases {
		for row, err := range state.Rows(database, flatkv.Range{}) {
			ok(t, err)
			if len(expected) == 0 {
				t.Fatalf("%v %x: one row too many", database, row.Key)
			}
			wanted := expected[0]
			expected = expected[1:]
			if wanted.DB != database.String() || !bytes.Equal(wanted.Key, row.Key) ||
				!bytes.Equal(wanted.Value, row.Value) {
				t.Fatalf("%v %x: %x, not %s %x: %x", database, row.Key, row.Value, wanted.DB, wanted.Key, wanted.Value)
			}
		}
	}
	if len(expected) != 0 {
		t.Fatalf("%d rows are missing", len(expected))
	}
}
