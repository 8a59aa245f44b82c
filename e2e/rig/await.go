package rig

import (
	"context"
	"testing"
	"time"
)

// Patience is how long a test waits for anything: far longer than it takes on a slow and busy
// machine, so that only what never happens fails.
const Patience = 2 * time.Minute

// Await polls until missing returns nothing; else the test fails with what was still missing.
func Await(t testing.TB, missing func() string) {
	t.Helper()
	limit, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	lack := ""
	if poll(limit, func() bool { lack = missing(); return lack == "" }) != nil {
		t.Fatalf("after %s: %s", Patience, lack)
	}
}

// Never fails the test if something happens within half a second that must not happen at all. On a slow
// machine it may miss that; it never fails without cause.
func Never(t testing.TB, what string, happened func() bool) {
	t.Helper()
	moment, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if poll(moment, happened) == nil {
		t.Fatal(what)
	}
}

// Pause waits for a duration. It returns an error if ctx ends first.
func Pause(ctx context.Context, d time.Duration) error {
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
