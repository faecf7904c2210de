// SPDX-License-Identifier: Apache-2.0

// Package metrics mirrors the timer of github.com/sei-protocol/sei-chain/sei-db/common/metrics: the
// module proxy does not serve that module.
package metrics

import (
	"sync"
	"time"
)

// PhaseTimer adds up the time spent in phases of the execution. Nil does nothing.
type PhaseTimer struct {
	mutex sync.Mutex
	phase string
	since time.Time
	spent map[string]time.Duration
}

// NewPhaseTimer is in no phase.
func NewPhaseTimer() *PhaseTimer { return &PhaseTimer{spent: map[string]time.Duration{}} }

// SetPhase ends the phase that it is in and begins another one.
func (p *PhaseTimer) SetPhase(phase string) {
	if p == nil {
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := time.Now()
	if p.phase != "" {
		p.spent[p.phase] += now.Sub(p.since)
	}
	p.phase, p.since = phase, now
}

// Reset ends the phase that it is in and begins none.
func (p *PhaseTimer) Reset() { p.SetPhase("") }

// Spent is the time in each phase that has ended.
func (p *PhaseTimer) Spent() map[string]time.Duration {
	spent := map[string]time.Duration{}
	if p == nil {
		return spent
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for phase, time := range p.spent {
		spent[phase] = time
	}
	return spent
}
