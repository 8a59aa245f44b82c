package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// limited draws queues of endpoints with limits, and the limits.
func limited(t *rapid.T, now time.Time) ([]Owed, Limits) {
	limits := Limits{Endpoints: map[EndpointID]EndpointLimit{}, Applications: map[AppID]Pace{}}
	ago := rapid.Custom(func(t *rapid.T) time.Time {
		return now.Add(-time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "ns")))
	})
	rate := rapid.Int32Range(0, 50)
	var owed []Owed
	for _, app := range []AppID{"app_a", "app_b"} {
		appPace := Pace{Rate: rate.Draw(t, "application's rate"), Until: ago.Draw(t, "application's until")}
		if rapid.IntRange(0, 9).Draw(t, "locked by another") > 0 {
			limits.Applications[app] = appPace
		}
		for _, name := range []EndpointID{"1", "2", "3"} {
			id := EndpointID("ep_") + EndpointID(app) + name
			limit := EndpointLimit{Pace: Pace{Rate: rate.Draw(t, "rate"), Until: ago.Draw(t, "until")}}
			if rapid.Bool().Draw(t, "paused") {
				limit.PausedUntil = ago.Draw(t, "paused until")
			}
			if rapid.IntRange(0, 9).Draw(t, "locked by another") > 0 {
				limits.Endpoints[id] = limit
			}
			for kind := range QueueKind(3) {
				if rapid.Bool().Draw(t, "owed") {
					owed = append(owed, Owed{AppID: app, Queue: Queue{id, kind}, DueAt: ago.Draw(t, "due"), AppPace: appPace})
				}
			}
		}
	}
	return owed, limits
}

func TestNoMoreIsAllottedThanLimitsAllow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		owed, limits := limited(t, now)
		room, perEndpoint := rapid.IntRange(0, 100).Draw(t, "room"), rapid.IntRange(1, 50).Draw(t, "per endpoint")
		total, endpoints, apps := 0, map[EndpointID]int{}, map[AppID]int{}
		for _, a := range limits.Allot(owed, room, perEndpoint, now) {
			if a.Most <= 0 || a.Kind == QueueOrdered && a.Most != 1 {
				t.Fatalf("%+v", a)
			}
			total += a.Most
			endpoints[a.EndpointID] += a.Most
			apps[AppID(a.EndpointID[3:8])] += a.Most
		}
		if total > room {
			t.Fatalf("%d are allotted to room for %d", total, room)
		}
		for id, n := range endpoints {
			limit, known := limits.Endpoints[id]
			paused := !limit.PausedUntil.IsZero()
			if !known || n > perEndpoint || n > limit.Pace.Allowed(now, perEndpoint) || paused && (n > 1 || limit.PausedUntil.After(now)) {
				t.Fatalf("%d are allotted to %s: %+v", n, id, limit)
			}
		}
		for id, n := range apps {
			for _, o := range owed {
				pace, known := limits.Applications[id]
				if o.AppID == id && o.AppPace.Rate > 0 && (!known || n > pace.Allowed(now, 1000)) {
					t.Fatalf("%d are allotted to %s: %+v", n, id, pace)
				}
			}
		}
	})
}

func TestWhoHasWaitedLongestComesFirst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	rate := Pace{Rate: 1, Until: now}
	limits := Limits{
		Endpoints:    map[EndpointID]EndpointLimit{"ep_a": {}, "ep_b": {}},
		Applications: map[AppID]Pace{"app_a": rate},
	}
	owed := []Owed{
		{AppID: "app_a", Queue: Queue{"ep_a", QueueFirst}, DueAt: now.Add(-time.Second), AppPace: rate},
		{AppID: "app_a", Queue: Queue{"ep_b", QueueRetry}, DueAt: now.Add(-time.Minute), AppPace: rate},
	}
	got := limits.Allot(owed, 10, 10, now)
	if len(got) != 1 || got[0] != (Allotment{Queue{"ep_b", QueueRetry}, 1}) {
		t.Errorf("one was free, and is allotted to %+v", got)
	}
}

func TestEndpointsShareNothingWhereTheirApplicationHasNoRate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	limits := Limits{Endpoints: map[EndpointID]EndpointLimit{"ep_a": {Pace: Pace{Rate: 1}}, "ep_b": {Pace: Pace{Rate: 1}}}}
	owed := []Owed{{AppID: "app_a", Queue: Queue{"ep_a", QueueFirst}}, {AppID: "app_a", Queue: Queue{"ep_b", QueueFirst}}}
	if got := limits.Allot(owed, 10, 1, now); len(got) != 2 {
		t.Errorf("two endpoints with a rate each are allotted %+v", got)
	}
}

func TestWhatWasTakenIsUsedUp(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Microsecond)
	leasedUntil := now.Add(time.Minute)
	limits := Limits{
		Endpoints:    map[EndpointID]EndpointLimit{"ep_a": {Pace: Pace{Rate: 10, Until: now}}, "ep_b": {PausedUntil: now}},
		Applications: map[AppID]Pace{"app_a": {Rate: 4, Until: now}},
	}
	limits.Take([]Delivery{{AppID: "app_a", EndpointID: "ep_a"}, {AppID: "app_a", EndpointID: "ep_b"}}, leasedUntil, now)
	if until := limits.Endpoints["ep_a"].Pace.Until; !until.Equal(now.Add(100 * time.Millisecond)) {
		t.Errorf("one of ten a second leaves it free %s from now", until.Sub(now))
	}
	if until := limits.Applications["app_a"].Until; !until.Equal(now.Add(500 * time.Millisecond)) {
		t.Errorf("two of four a second leave it free %s from now", until.Sub(now))
	}
	if until := limits.Endpoints["ep_b"].PausedUntil; !until.Equal(leasedUntil) {
		t.Errorf("while it is probed an endpoint is paused for %s", until.Sub(now))
	}
}

func TestFirstAttemptsAndRetriesHaveHalfEach(t *testing.T) {
	t.Parallel()
	first, retry, ordered := Queue{"ep_a", QueueFirst}, Queue{"ep_a", QueueRetry}, Queue{"ep_b", QueueOrdered}
	got := Allot([]Owed{{Queue: first}, {Queue: retry}, {Queue: ordered}, {Queue: Queue{"ep_c", QueueRetry}}}, 10)
	want := []Allotment{{first, 5}, {retry, 5}, {ordered, 1}, {Queue{"ep_c", QueueRetry}, 10}}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}
