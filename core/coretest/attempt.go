package coretest

import (
	"context"
	"maps"
	"slices"

	"github.com/postrider/postrider/core"
)

// AttemptGet implements [core.Tx].
func (s *Store) AttemptGet(_ context.Context, app core.AppID, message core.MessageID, id core.AttemptID) (core.Attempt, error) {
	return get(s.Attempts, func(a core.Attempt) bool { return a.AppID == app && a.MessageID == message && a.ID == id })
}

// AttemptExpunge implements [core.Tx].
func (s *Store) AttemptExpunge(_ context.Context, app core.AppID, message core.MessageID, id core.AttemptID, response string) error {
	i, err := find(s.Attempts, func(a core.Attempt) bool { return a.AppID == app && a.MessageID == message && a.ID == id })
	if err == nil {
		s.Attempts[i].Response = response
	}
	return err
}

// AttemptListByEndpoint implements [core.Tx]. It ignores the filter.
func (s *Store) AttemptListByEndpoint(
	_ context.Context, app core.AppID, endpoint core.EndpointID, _ core.AttemptFilter, page core.Page,
) ([]core.Attempt, string, error) {
	rows := where(s.Attempts, func(a core.Attempt) bool { return a.AppID == app && a.EndpointID == endpoint })
	return paged(rows, page, func(a core.Attempt) string { return string(a.ID) }), "", nil
}

// AttemptListByMessage implements [core.Tx]. It filters only by endpoint.
func (s *Store) AttemptListByMessage(
	_ context.Context, app core.AppID, message core.MessageID, filter core.AttemptFilter, page core.Page,
) ([]core.Attempt, string, error) {
	rows := where(s.Attempts, func(a core.Attempt) bool {
		return a.AppID == app && a.MessageID == message && (filter.EndpointID == "" || filter.EndpointID == a.EndpointID)
	})
	return paged(rows, page, func(a core.Attempt) string { return string(a.ID) }), "", nil
}

// AttemptedMessageList implements [core.Tx]. It ignores the filter and pending deliveries.
func (s *Store) AttemptedMessageList(
	_ context.Context, app core.AppID, endpoint core.EndpointID, _ core.AttemptedMessageFilter, _ core.AttemptID, page core.Page,
) ([]core.LatestAttempt, string, error) {
	latest := map[core.MessageID]core.LatestAttempt{}
	for _, a := range s.Attempts {
		if a.AppID == app && a.EndpointID == endpoint {
			latest[a.MessageID] = core.LatestAttempt{MessageID: a.MessageID, Status: a.Status}
		}
	}
	rows := slices.Collect(maps.Values(latest))
	return paged(rows, page, func(l core.LatestAttempt) string { return string(l.MessageID) }), "", nil
}

// DestinationList implements [core.Tx]. It lists the rows of all messages.
func (s *Store) DestinationList(
	_ context.Context, _ core.AppID, _ core.MessageID, _ core.AttemptID, page core.Page,
) ([]core.Destination, string, error) {
	return slices.Clone(s.Destinations[:min(page.Limit, len(s.Destinations))]), "", nil
}
