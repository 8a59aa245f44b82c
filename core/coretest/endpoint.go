package coretest

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// EndpointGet implements [core.Tx].
func (s *Store) EndpointGet(_ context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	return get(s.Endpoints, func(e core.Endpoint) bool {
		return e.AppID == app && (string(e.ID) == ref || named(e.UID, ref))
	})
}

// EndpointLock implements [core.Tx].
func (s *Store) EndpointLock(ctx context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	return s.EndpointGet(ctx, app, ref)
}

// EndpointCountForInsert implements [core.Tx].
func (s *Store) EndpointCountForInsert(_ context.Context, app core.AppID, most int) (n int, _ error) {
	for _, e := range s.Endpoints {
		if e.AppID == app {
			n++
		}
	}
	return min(n, most), nil
}

// EndpointInsert implements [core.Tx].
func (s *Store) EndpointInsert(_ context.Context, e core.Endpoint) error {
	if err := s.endpointUID(e); err != nil {
		return err
	}
	s.Endpoints = append(s.Endpoints, e)
	return nil
}

// EndpointUpdate implements [core.Tx].
func (s *Store) EndpointUpdate(_ context.Context, e core.Endpoint) error {
	if err := s.endpointUID(e); err != nil {
		return err
	}
	i, err := find(s.Endpoints, func(other core.Endpoint) bool { return other.ID == e.ID })
	if err == nil {
		s.Endpoints[i] = e
	}
	return err
}

// endpointUID returns a conflict if another endpoint of the application has the uid.
func (s *Store) endpointUID(e core.Endpoint) error {
	if e.UID == nil || !slices.ContainsFunc(s.Endpoints, func(other core.Endpoint) bool {
		return other.AppID == e.AppID && other.ID != e.ID && named(other.UID, *e.UID)
	}) {
		return nil
	}
	return core.Conflict("The uid is taken")
}

// EndpointUpdateSecret implements [core.Tx].
func (s *Store) EndpointUpdateSecret(_ context.Context, e core.Endpoint) error {
	return s.endpointSet(e, func(stored *core.Endpoint) {
		stored.Secret, stored.OldSecrets, stored.OldSecretsExpireAt = e.Secret, e.OldSecrets, e.OldSecretsExpireAt
	})
}

// EndpointHeadersUpdate implements [core.Tx].
func (s *Store) EndpointHeadersUpdate(_ context.Context, e core.Endpoint) error {
	return s.endpointSet(e, func(stored *core.Endpoint) { stored.Headers = e.Headers })
}

// endpointSet changes some columns of an endpoint.
func (s *Store) endpointSet(e core.Endpoint, set func(*core.Endpoint)) error {
	i, err := find(s.Endpoints, func(other core.Endpoint) bool { return other.AppID == e.AppID && other.ID == e.ID })
	if err == nil {
		set(&s.Endpoints[i])
		s.Endpoints[i].UpdatedAt = e.UpdatedAt
	}
	return err
}

// EndpointDelete implements [core.Tx].
func (s *Store) EndpointDelete(_ context.Context, app core.AppID, id core.EndpointID, _ time.Time) (err error) {
	s.Endpoints, err = drop(s.Endpoints, func(e core.Endpoint) bool { return e.AppID == app && e.ID == id })
	return err
}

// EndpointList implements [core.Tx].
func (s *Store) EndpointList(_ context.Context, app core.AppID, page core.Page) ([]core.Endpoint, string, error) {
	rows := where(s.Endpoints, func(e core.Endpoint) bool { return e.AppID == app })
	return paged(rows, page, func(e core.Endpoint) string { return string(e.ID) }), "", nil
}

// EndpointStatsGet implements [core.Tx]. It counts nothing, and only records the period.
func (s *Store) EndpointStatsGet(_ context.Context, _ core.AppID, _ core.EndpointID, period core.StatsPeriod) (core.EndpointStats, error) {
	s.Counted = append(s.Counted, period)
	return core.EndpointStats{}, nil
}

// EndpointAttemptStatsGet implements [core.Tx]. It counts nothing, and only records the period.
func (s *Store) EndpointAttemptStatsGet(_ context.Context, _ core.AppID, _ core.EndpointID, period core.StatsPeriod) (core.EndpointAttemptStats, error) {
	s.Counted = append(s.Counted, period)
	return core.EndpointAttemptStats{}, nil
}
