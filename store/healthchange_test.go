package store

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// recordedTogether records results in one statement.
func (w *world) recordedTogether(results ...core.Result) (changes []core.HealthState) {
	w.t.Helper()
	for _, o := range w.queue().recordMany(w.t.Context(), results) {
		if o.err != nil {
			w.t.Fatal(o.err)
		}
		changes = append(changes, o.out.Health.To)
	}
	return changes
}

// TestHealthChangesAreToldOnce: each change is told to one caller, and what changes nothing to none.
func TestHealthChangesAreToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(10)
	claimed := w.claim(room())
	var changes []core.HealthState
	for _, d := range claimed[:6] {
		changes = append(changes, w.recordWith(testRules, failed(d, now())).Health.To)
	}
	want := []core.HealthState{core.HealthFailing, "", "", "", core.HealthPaused, ""}
	if !slices.Equal(changes, want) {
		t.Errorf("six failures told %q, want %q", changes, want)
	}
	since := *w.health(e).FailingSince
	late := now().Add(time.Minute)
	claimed[6].Failing = true // as it would be if it were leased now
	recovered := w.recordWith(testRules, succeeded(claimed[6], late)).Health
	if recovered.To != core.HealthRecovered || !recovered.FailingSince.Equal(since) {
		t.Errorf("a success told %+v, want that it recovered from failing since %s", recovered, since)
	}
	if got := w.recordedTogether(failed(claimed[7], late), failed(claimed[8], late)); !slices.Equal(got, []core.HealthState{core.HealthFailing, ""}) {
		t.Errorf("two failures recorded together told %q", got)
	}
	gone := failed(claimed[9], late)
	gone.Attempt.ResponseStatusCode, gone.Gone, gone.NextAt = http.StatusGone, true, time.Time{}
	if got := w.recordWith(testRules, gone).Health.To; got != core.HealthDisabled {
		t.Errorf("410 told %q", got)
	}
}

func TestHealthChangesSayWhenTheEndpointIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(1)
	until := now().Add(time.Minute)
	r := failed(w.claim(room())[0], now())
	r.Attempt.ResponseStatusCode, r.PauseUntil = http.StatusTooManyRequests, until
	change := w.recordWith(testRules, r).Health
	if change.To != core.HealthPaused || !change.PausedUntil.Equal(until) || !change.FailingSince.Equal(*w.health(e).FailingSince) {
		t.Errorf("told %+v", change)
	}
}
