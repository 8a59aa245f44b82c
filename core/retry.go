package core

import "time"

// RetrySchedule is how long to wait after each failed attempt. The attempt after the last wait is the final one. With
// an empty schedule, every delivery is attempted once.
type RetrySchedule []time.Duration

// DefaultRetrySchedule gives a receiver more than a day to recover: eight attempts in 27.6 hours.
func DefaultRetrySchedule() RetrySchedule {
	return RetrySchedule{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour,
	}
}

const (
	retryJitter   = 0.2       // each wait varies by this fraction, so that failed deliveries do not come back as a wave
	retryAfterMax = time.Hour // a receiver that asks for a longer wait is tried anyway
)

// SlowDown returns how long to pause an endpoint that says it is overloaded. retryAfter is the wait that the
// endpoint asked for, or 0 if it named none.
func SlowDown(retryAfter time.Duration) time.Duration {
	return min(max(retryAfter, CircuitWaitLeast), retryAfterMax)
}

// Next returns how long to wait after that many failed attempts, or false if the final one was made. random is
// in [0, 1). retryAfter is the wait that the receiver asked for, or 0; it can make the wait longer, never shorter.
func (s RetrySchedule) Next(attempts int, retryAfter time.Duration, random float64) (time.Duration, bool) {
	if attempts < 1 || attempts > len(s) {
		return 0, false
	}
	spread := 1 + retryJitter*(2*random-1)
	wait := time.Duration(float64(s[attempts-1]) * spread)
	return max(wait, min(retryAfter, retryAfterMax)), true
}
