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

const (
	statsWindow = 28 * 24 * time.Hour
	statsSlack  = 5 * time.Minute // clients compute the window with clocks of their own
)

// EndpointStatsGet counts the attempts at an endpoint of the time from since until until; nil are now
// and 28 days before.
func (s *Service) EndpointStatsGet(ctx context.Context, scope Scope, appRef, ref string, since, until *time.Time) (EndpointStats, error) {
	now := s.now()
	if until == nil {
		until = &now
	}
	if since == nil {
		since = new(until.Add(-statsWindow))
	}
	switch {
	case until.After(now.Add(statsSlack)):
		return EndpointStats{}, invalidRange("'until' cannot be in the future")
	case until.Sub(*since) > statsWindow+statsSlack:
		return EndpointStats{}, invalidRange("'since' cannot be more than 28 days prior to " + until.Format(time.RFC3339))
	}
	e, err := s.EndpointGet(ctx, scope, appRef, ref)
	if err != nil {
		return EndpointStats{}, err
	}
	return s.Store.EndpointStatsGet(ctx, e.AppID, e.ID, *since, *until)
}

func invalidRange(message string) *Error {
	return &Error{Kind: KindBadRequest, Code: "invalid_range", Message: message}
}
