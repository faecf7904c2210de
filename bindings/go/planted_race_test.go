// SPDX-License-Identifier: Apache-2.0

//go:build race

package flatkv_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	flatkv "github.com/flatkv/flatkv/bindings/go"
)

// Races that a detector that works finds, and the function that its report must name. They stand beside calls of the
// library, which are points at which the detector takes goroutines to wait for each other: a race that it saw
// only without them would not be found in the tests here.
var planted = map[string]func(*flatkv.View, int){
	"counter": func(*flatkv.View, int) { plantedCounter() },
	"block":   func(_ *flatkv.View, i int) { plantedBlock(byte(i)) },
}

var (
	sharedCount int
	sharedBlock flatkv.Block
)

func plantedCounter() { sharedCount++ }

func plantedBlock(n byte) { sharedBlock.SetNonce(address(n), 1) }

// The detector finds what is planted in a child of this test: it would find it in the others.
func TestPlantedRace(t *testing.T) {
	if race, found := planted[os.Getenv("FLATKV_PLANTED_RACE")]; found {
		plant(t, race)
		return
	}
	for name, function := range map[string]string{"counter": "plantedCounter", "block": "(*Block)."} {
		child := exec.Command(os.Args[0], "-test.run=^TestPlantedRace$")
		child.Env = append(os.Environ(), "FLATKV_PLANTED_RACE="+name)
		said, err := child.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "WARNING: DATA RACE") || !strings.Contains(string(said), function) {
			t.Errorf("%s: no race was found: %v\n%s", name, err, said)
		}
	}
}

func plant(t *testing.T, race func(*flatkv.View, int)) {
	store := newStore(t)
	commit(t, store, 1, 1)
	view := must(store.View())(t)
	defer view.Close()
	var wait sync.WaitGroup
	for range 2 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := range 1000 {
				race(view, i)
				if _, err := view.Storage(address(1), slot(1)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wait.Wait()
}
