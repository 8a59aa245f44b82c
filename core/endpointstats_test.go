package core_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestEndpointStatsPeriod(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	at := func(d time.Duration) *time.Time { return new(now.Add(d)) }
	for name, test := range map[string]struct {
		since, until *time.Time
		from, to     time.Duration // from now
		refused      bool
	}{
		"28 days by default":    {nil, nil, -28 * day, 0, false},
		"since":                 {at(-day), nil, -day, 0, false},
		"until":                 {nil, at(-day), -29 * day, -day, false},
		"of a clock ahead":      {nil, at(5 * time.Minute), 5*time.Minute - 28*day, 5 * time.Minute, false},
		"future":                {nil, at(5*time.Minute + 1), 0, 0, true},
		"28 days by two clocks": {at(-28*day - 5*time.Minute), nil, -28*day - 5*time.Minute, 0, false},
		"longer":                {at(-28*day - 5*time.Minute - 1), nil, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			_, err := service.EndpointStatsGet(t.Context(), scope, "acme", "main", test.since, test.until)
			if test.refused {
				wantError(t, err, core.KindBadRequest, "invalid_range")
				return
			}
			want := core.StatsPeriod{Since: now.Add(test.from), Until: now.Add(test.to), Now: now}
			if err != nil || len(store.Counted) != 1 || store.Counted[0] != want {
				t.Errorf("counted %+v, want %+v; %v", store.Counted, want, err)
			}
		})
	}
}

func TestEndpointAttemptStatsCountWholeHours(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	since, until := now.Add(-90*time.Minute), now.Add(-time.Minute)
	if _, err := service.EndpointAttemptStatsGet(t.Context(), scope, "acme", "main", &since, &until); err != nil {
		t.Fatal(err)
	}
	want := core.StatsPeriod{Since: now.Add(-2 * time.Hour), Until: now, Now: now}
	if len(store.Counted) != 1 || store.Counted[0] != want {
		t.Errorf("counted %+v, want %+v", store.Counted, want)
	}
	_, err := service.EndpointAttemptStatsGet(t.Context(), scope, "acme", "other", nil, nil)
	wantError(t, err, core.KindNotFound, "not_found")
}
