package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetriesKeepToTheSchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := RetrySchedule(rapid.SliceOf(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(7*24*time.Hour)).Draw(t, "ns"))
		})).Draw(t, "schedule"))
		n := rapid.IntRange(-1, len(s)+2).Draw(t, "attempts")
		retryAfter := time.Duration(rapid.Int64Range(0, int64(2*retryAfterMax)).Draw(t, "Retry-After"))
		wait, again := s.Next(n, retryAfter, rapid.Float64Range(0, 0.999999).Draw(t, "random"))
		if again != (n >= 1 && n <= len(s)) {
			t.Fatalf("after %d attempts of %d: again %v", n, len(s)+1, again)
		}
		if !again {
			return
		}
		asked := min(retryAfter, retryAfterMax)
		low, high := time.Duration(float64(s[n-1])*0.8)-1, time.Duration(float64(s[n-1])*1.2)+1
		if wait < max(low, asked) || wait > max(high, asked) {
			t.Fatalf("after %d attempts of %v, asked to wait %s: wait %s", n, s, retryAfter, wait)
		}
	})
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	s := DefaultRetrySchedule()
	if _, again := s.Next(len(s)+1, time.Minute, 0.5); again {
		t.Error("tried again after the last")
	}
	if _, again := (RetrySchedule{}).Next(1, 0, 0.5); again {
		t.Error("an empty schedule tried again")
	}
}

func TestRetryAfterMakesTheWaitLonger(t *testing.T) {
	t.Parallel()
	s := RetrySchedule{10 * time.Second, 5 * time.Hour}
	for _, c := range []struct {
		attempts   int
		retryAfter time.Duration
		want       time.Duration
	}{
		{1, 0, 10 * time.Second},
		{1, time.Second, 10 * time.Second},
		{1, time.Minute, time.Minute},
		{1, 24 * time.Hour, time.Hour},
		{2, 24 * time.Hour, 5 * time.Hour},
	} {
		if got, _ := s.Next(c.attempts, c.retryAfter, 0.5); got != c.want {
			t.Errorf("attempt %d, Retry-After %s: wait %s, want %s", c.attempts, c.retryAfter, got, c.want)
		}
	}
}
