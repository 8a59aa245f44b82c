package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// attempts lets workers claim a random number of attempts at random instants, and returns when each attempt began.
func attempts(t *rapid.T, rate int32) []time.Time {
	now := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
	pace := Pace{Rate: rate}
	var began []time.Time
	for range rapid.IntRange(1, 100).Draw(t, "claims") {
		now = now.Add(time.Duration(rapid.Int64Range(0, int64(300*time.Millisecond)).Draw(t, "later")))
		n := min(pace.Allowed(now, 1000), rapid.IntRange(0, 1000).Draw(t, "wanted"))
		pace = pace.Taken(now, n)
		for range n {
			began = append(began, now)
		}
	}
	return began
}

func TestNoPeriodHasMoreAttemptsThanTheRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int32Range(1, 65535).Draw(t, "rate")
		began := attempts(t, rate)
		for i := range began {
			for j := i; j < len(began); j += 1 + len(began)/50 {
				period := began[j].Sub(began[i])
				most := float64(rate)*(period+paceBurst).Seconds() + 1
				if n := j - i + 1; float64(n) > most+1e-6 {
					t.Fatalf("%d attempts in %s at %d a second", n, period, rate)
				}
			}
		}
	})
}

func TestWhoeverWaitsGetsTheWholeRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int32Range(1, 65535).Draw(t, "rate")
		now := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
		end, made := now.Add(5*time.Second), 0
		for pace := (Pace{Rate: rate}); now.Before(end); {
			n := pace.Allowed(now, 1_000_000)
			made += n
			pace = pace.Taken(now, n)
			// As soon as an attempt is allowed, but not before a worker looks again.
			next := now.Add(20 * time.Millisecond)
			if pace.Until.After(next) {
				next = pace.Until
			}
			now = next
		}
		if want := float64(rate)*4.9 - 1; float64(made) < want {
			t.Fatalf("%d attempts in 5 s at %d a second", made, rate)
		}
	})
}

func TestWithoutARateEverythingIsAllowed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	if n := (Pace{}).Allowed(now, 7); n != 7 {
		t.Errorf("%d of 7 are allowed", n)
	}
	if p := (Pace{}).Taken(now, 7); p != (Pace{}) {
		t.Errorf("without a rate, 7 attempts leave %+v", p)
	}
}
