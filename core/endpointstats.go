package core

import (
	"context"
	"time"
)

// EndpointStats counts the attempts and messages of an endpoint in a period.
type EndpointStats struct {
	Succeeded int64 // attempts
	Failed    int64 // attempts
	Pending   int64 // messages not attempted yet
	Sending   int64 // messages that will be tried again
}

// EndpointAttemptStats counts the attempts at an endpoint in a period.
type EndpointAttemptStats struct {
	Succeeded int64
	Failed    int64
}

// StatsPeriod is a period to count in, from Since up to Until, as it stands at Now.
type StatsPeriod struct {
	Since, Until, Now time.Time
}

const (
	statsWindow = 28 * 24 * time.Hour
	statsSlack  = 5 * time.Minute // clients compute the window with clocks of their own

	// attemptCountLifetime is longer than any period that ends now. Counts of a period that ended earlier are made
	// again.
	attemptCountLifetime = statsWindow + week
)

// AttemptCountPruner deletes the counts that statistics keep.
type AttemptCountPruner interface {
	// AttemptCountPrune deletes counts of attempts that began before that time, and returns how many.
	AttemptCountPrune(ctx context.Context, before time.Time) (int64, error)
}

// AttemptCountsKeptSince returns the time since which counts are kept.
func AttemptCountsKeptSince(now time.Time) time.Time { return now.Add(-attemptCountLifetime) }

// EndpointStatsGet counts the attempts at an endpoint from since to until. If until is nil, it is now; if since is
// nil, it is 28 days earlier.
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

// EndpointAttemptStatsGet counts the attempts at an endpoint in every UTC hour that the period from since to until
// touches, so attempts of the current hour count as soon as they are recorded. If until is nil, it is now; if since
// is nil, it is 28 days earlier.
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

// statsPeriod returns the period that a client requests counts for.
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
