package main

import (
	"testing"
	"time"
)

func TestPlanHoldsForMostOfTheSpan(t *testing.T) {
	t.Parallel()
	b := bench{config: config{span: 8 * time.Minute}}
	held, until := time.Duration(0), time.Duration(0)
	for _, p := range b.plan() {
		if p.from != until || p.to <= p.from {
			t.Errorf("%s is from %s to %s, after one that ends at %s", p.phase, p.from, p.to, until)
		}
		if until = p.to; p.phase == heldPhase {
			held += p.to - p.from
		}
	}
	if held != 7*time.Minute || until != b.span+recoverSpan+recoveredSpan {
		t.Errorf("held for %s of %s", held, until)
	}
}

func TestFlowCountsBySendingAndByArrival(t *testing.T) {
	t.Parallel()
	key := func(n int) messageKey {
		k, _ := keyOf(testID(n))
		return k
	}
	s := &steady{
		begin:    time.Now().Add(-time.Hour),
		sentAt:   map[messageKey]time.Duration{key(1): 500, key(2): 1500, key(3): 1600, key(4): 1700},
		arriveAt: map[messageKey]time.Duration{key(1): 1200, key(2): 1900, key(3): 2500},
	}
	f := s.flowOf(1000, 2000)
	if f.sent != 3 || f.arrived != 2 || len(f.took) != 3 {
		t.Errorf("%d sent, %d arrived, %d times; want 3, 2 and 3", f.sent, f.arrived, len(f.took))
	}
	if f.p99 < time.Hour-time.Minute {
		t.Errorf("the message that has not arrived took %s, want as long as it is missing", f.p99)
	}
}
