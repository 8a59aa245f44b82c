package core

import "time"

// RetrySchedule is how long to wait after each failed attempt; after the last of them nothing is
// tried any more. Empty, every delivery is tried once.
type RetrySchedule []time.Duration

// DefaultRetrySchedule gives a receiver a good day to come back: eight attempts in 27.6 hours.
func DefaultRetrySchedule() RetrySchedule {
	return RetrySchedule{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
}

const (
	retryJitter   = 0.2       // each wait is spread by this part of it, so that failures do not come back as a wave
	retryAfterMax = time.Hour // a receiver that asks for more is tried all the same
)

// SlowDown is how long to leave an endpoint alone that says it is overloaded and asks for so much; 0: it
// named no time.
func SlowDown(retryAfter time.Duration) time.Duration {
	return min(max(retryAfter, CircuitWaitLeast), retryAfterMax)
}

// Next is how long to wait once attempts have failed, or false when that was the last. random is in
// [0, 1); retryAfter is what the receiver asked for, 0 if nothing: it makes the wait longer, never
// shorter.
func (s RetrySchedule) Next(attempts int, retryAfter time.Duration, random float64) (time.Duration, bool) {
	if attempts < 1 || attempts > len(s) {
		return 0, false
	}
	spread := 1 + retryJitter*(2*random-1)
	wait := time.Duration(float64(s[attempts-1]) * spread)
	return max(wait, min(retryAfter, retryAfterMax)), true
}
