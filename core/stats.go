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

const (
	statsWindow = 28 * 24 * time.Hour
	statsSlack  = 5 * time.Minute // clients compute the window with clocks of their own
)

// EndpointStatsGet counts the attempts at an endpoint of the time from since until until; nil are now
// and 28 days before.
func (s *Service) EndpointStatsGet(ctx context.Context, scope Scope, appRef, ref string, since, until *time.Time) (EndpointStats, error) {
	from, to, err := statsPeriod(since, until, s.now())
	if err != nil {
		return EndpointStats{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return EndpointStats{}, err
	}
	return s.Store.EndpointStatsGet(ctx, e.AppID, e.ID, from, to)
}

// EndpointAttemptStatsGet counts the attempts at an endpoint in every hour, in UTC, that the time from since
// to until touches; nil are now and 28 days before. So the attempts of this hour count as soon as they are
// recorded.
func (s *Service) EndpointAttemptStatsGet(ctx context.Context, scope Scope, appRef, ref string, since, until *time.Time) (EndpointAttemptStats, error) {
	from, to, err := statsPeriod(since, until, s.now())
	if err != nil {
		return EndpointAttemptStats{}, err
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return EndpointAttemptStats{}, err
	}
	end := to.Add(time.Hour - 1).Truncate(time.Hour)
	return s.Store.EndpointAttemptStatsGet(ctx, e.AppID, e.ID, from.Truncate(time.Hour), end)
}

// statsPeriod is the time that a client asks the counts of.
func statsPeriod(since, until *time.Time, now time.Time) (from, to time.Time, err error) {
	if until == nil {
		until = &now
	}
	if since == nil {
		since = new(until.Add(-statsWindow))
	}
	switch {
	case until.After(now.Add(statsSlack)):
		err = invalidRange("'until' cannot be in the future")
	case until.Sub(*since) > statsWindow+statsSlack:
		err = invalidRange("'since' cannot be more than 28 days prior to " + until.Format(time.RFC3339))
	}
	return *since, *until, err
}

func invalidRange(message string) *Error {
	return &Error{Kind: KindBadRequest, Code: "invalid_range", Message: message}
}
