package coretest

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// ApplicationGet implements [core.Tx].
func (s *Store) ApplicationGet(_ context.Context, org core.OrgID, ref string) (core.Application, error) {
	return get(s.Applications, func(a core.Application) bool {
		return a.OrgID == org && (string(a.ID) == ref || named(a.UID, ref))
	})
}

// ApplicationHold implements [core.Tx].
func (s *Store) ApplicationHold(context.Context, core.OrgID, core.AppID) error { return nil }

// ApplicationInsert implements [core.Tx].
func (s *Store) ApplicationInsert(_ context.Context, app core.Application) error {
	if err := s.applicationUID(app); err != nil {
		return err
	}
	s.Applications = append(s.Applications, app)
	return nil
}

// applicationUID returns a conflict if another application has the uid.
func (s *Store) applicationUID(app core.Application) error {
	if app.UID == nil || !slices.ContainsFunc(s.Applications, func(other core.Application) bool {
		return other.OrgID == app.OrgID && other.ID != app.ID && named(other.UID, *app.UID)
	}) {
		return nil
	}
	return core.Conflict("The uid is taken")
}

// ApplicationLock implements [core.Tx].
func (s *Store) ApplicationLock(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	return s.ApplicationGet(ctx, org, ref)
}

// ApplicationLockForDelete implements [core.Tx].
func (s *Store) ApplicationLockForDelete(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	return s.ApplicationGet(ctx, org, ref)
}

// ApplicationUpdate implements [core.Tx].
func (s *Store) ApplicationUpdate(_ context.Context, app core.Application) error {
	if err := s.applicationUID(app); err != nil {
		return err
	}
	i, err := find(s.Applications, func(other core.Application) bool { return other.ID == app.ID })
	if err == nil {
		s.Applications[i] = app
	}
	return err
}

// ApplicationDelete implements [core.Tx].
func (s *Store) ApplicationDelete(_ context.Context, org core.OrgID, id core.AppID, _ time.Time) (err error) {
	s.Applications, err = drop(s.Applications, func(a core.Application) bool { return a.OrgID == org && a.ID == id })
	s.Endpoints = slices.DeleteFunc(s.Endpoints, func(e core.Endpoint) bool { return e.AppID == id })
	return err
}

// ApplicationList implements [core.Tx].
func (s *Store) ApplicationList(_ context.Context, org core.OrgID, page core.Page) ([]core.Application, string, error) {
	rows := where(s.Applications, func(a core.Application) bool { return a.OrgID == org })
	return paged(rows, page, func(a core.Application) string { return string(a.ID) }), "", nil
}

// ApplicationFilterMany implements [core.Tx] for the filters NoEndpoints and DisabledEndpoints.
func (s *Store) ApplicationFilterMany(_ context.Context, filter core.ApplicationFilter, ids []core.AppID) ([]core.AppID, error) {
	return where(ids, func(id core.AppID) bool {
		endpoints := where(s.Endpoints, func(e core.Endpoint) bool { return e.AppID == id })
		if len(endpoints) == 0 {
			return !filter.NoEndpoints
		}
		return !filter.DisabledEndpoints || slices.ContainsFunc(endpoints, func(e core.Endpoint) bool { return !e.Disabled })
	}), nil
}

// ApplicationResolveMany implements [core.Tx].
func (s *Store) ApplicationResolveMany(ctx context.Context, org core.OrgID, refs []string) (map[string]core.AppID, error) {
	known := map[string]core.AppID{}
	for _, ref := range refs {
		if app, err := s.ApplicationGet(ctx, org, ref); err == nil {
			known[ref] = app.ID
		}
	}
	return known, nil
}
