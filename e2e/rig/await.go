package rig

import (
	"context"
	"testing"
	"time"
)

// Patience is how long a test waits for anything. It is far longer than anything takes on a slow and busy machine, so
// a test times out only on an event that never happens.
const Patience = 2 * time.Minute

// Await polls until missing returns "". If that does not happen in time, the test fails with the last result.
func Await(t testing.TB, missing func() string) {
	t.Helper()
	limit, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	lack := ""
	if poll(limit, func() bool { lack = missing(); return lack == "" }) != nil {
		t.Fatalf("after %s: %s", Patience, lack)
	}
}

// Never fails the test if something forbidden happens within half a second. On a slow machine it may miss a failure,
// but it never reports a false one.
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

// poll returns nil once happened returns true, or the reason why ctx ended first.
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
