package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetriesKeepToTheSchedule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := DefaultRetrySchedule()
		n := rapid.IntRange(1, len(s)).Draw(t, "attempts")
		random := rapid.Float64Range(0, 0.999999).Draw(t, "random")
		wait, again := s.Next(n, 0, random)
		low, high := float64(s[n-1])*0.8-1, float64(s[n-1])*1.2+1
		if !again || float64(wait) < low || float64(wait) > high {
			t.Fatalf("after %d attempts: wait %s, %v", n, wait, again)
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
