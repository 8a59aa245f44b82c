package e2e

import (
	"context"
	"testing"
	"time"
)

// patience is how long a test waits for anything: far longer than it takes on a slow and busy
// machine, so that only what never happens fails.
const patience = 2 * time.Minute

// await polls until missing returns nothing; else the test fails with what was still missing.
func await(t testing.TB, missing func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		lack := missing()
		if lack == "" {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("after %s: %s", patience, lack)
		case <-poll.C:
		}
	}
}

// never fails the test if something happens within a moment that must not happen at all. On a slow
// machine it may miss that; it never fails without cause.
func never(t testing.TB, what string, happened func() bool) {
	t.Helper()
	moment := time.NewTimer(500 * time.Millisecond)
	defer moment.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if happened() {
			t.Fatal(what)
		}
		select {
		case <-moment.C:
			return
		case <-poll.C:
		}
	}
}

// pause waits; an error: ctx has ended before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll returns nil once happened, or why ctx has ended before.
func poll(ctx context.Context, happened func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
