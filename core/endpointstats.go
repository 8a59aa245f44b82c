package core

import (
	"context"
	"time"
)

// EndpointStats counts what was sent to an endpoint in a time.
type EndpointStats struct {
	Succeeded int64 // attempts
	Failed    int64 // attempts
	Pending   int64 // messages that were not attempted yet
	Sending   int64 // messages that will be tried again
}

// EndpointAttemptStats counts the attempts at an endpoint in a time.
type EndpointAttemptStats struct {
	Succeeded int64
	Failed    int64
}

// StatsPeriod is the time that counts are asked of: from Since up to Until, as it is at Now.
type StatsPeriod struct {
	Since, Until, Now time.Time
}

const (
	statsWindow = 28 * 24 * time.Hour
	statsSlack  = 5 * time.Minute // clients compute the window with clocks of their own

	// attemptCountLifetime is longer than any period that ends now. Counts of one that ended earlier are made again.
	attemptCountLifetime = statsWindow + week
)

// AttemptCountPruner deletes the counts that statistics keep.
type AttemptCountPruner interface {
	// AttemptCountPrune deletes counts of attempts that began before, and returns how many.
	AttemptCountPrune(ctx context.Context, before time.Time) (int64, error)
}

// AttemptCountsKeptSince is the time of which counts are kept.
func AttemptCountsKeptSince(now time.Time) time.Time { return now.Add(-attemptCountLifetime) }

// EndpointStatsGet counts the attempts at an endpoint of the time from since until until; nil are now
// and 28 days before.
func (s *Service) EndpointStatsGet(ctx context.Context, scope Scope, appRef, ref string, since, until *time.Time) (EndpointStats, error) {
	period, err := statsPeriod(since, until, s.now())
	if err != nil {
		return EndpointStats{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return EndpointStats{}, err
	}
	return s.store.EndpointStatsGet(ctx, e.AppID, e.ID, period)
}

// EndpointAttemptStatsGet counts the attempts at an endpoint in every hour, in UTC, that the time from since
// to until touches; nil are now and 28 days before. So the attempts of this hour count as soon as they are
// recorded.
func (s *Service) EndpointAttemptStatsGet(ctx context.Context, scope Scope, appRef, ref string, since, until *time.Time) (EndpointAttemptStats, error) {
	period, err := statsPeriod(since, until, s.now())
	if err != nil {
		return EndpointAttemptStats{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return EndpointAttemptStats{}, err
	}
	period.Since = period.Since.Truncate(time.Hour)
	period.Until = period.Until.Add(time.Hour - 1).Truncate(time.Hour)
	return s.store.EndpointAttemptStatsGet(ctx, e.AppID, e.ID, period)
}

// statsPeriod is the time that a client asks the counts of.
func statsPeriod(since, until *time.Time, now time.Time) (StatsPeriod, error) {
	if until == nil {
		until = &now
	}
	if since == nil {
		since = new(until.Add(-statsWindow))
	}
	var err error
	switch {
	case until.After(now.Add(statsSlack)):
		err = invalidRange("until must not be in the future")
	case until.Sub(*since) > statsWindow+statsSlack:
		err = invalidRange("since must be at most 28 days before until, " + until.Format(time.RFC3339))
	}
	return StatsPeriod{Since: *since, Until: *until, Now: now}, err
}

func invalidRange(message string) *Error {
	return &Error{Kind: KindBadRequest, Code: "invalid_range", Message: message}
}
