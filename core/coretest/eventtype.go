package coretest

import (
	"context"
	"slices"
	"time"

	"github.com/postrider/postrider/core"
)

// EventTypeGet implements [core.Tx].
func (s *Store) EventTypeGet(_ context.Context, org core.OrgID, name string) (core.EventType, error) {
	return get(s.EventTypes, func(t core.EventType) bool { return t.OrgID == org && t.Name == name })
}

// EventTypeLock implements [core.Tx].
func (s *Store) EventTypeLock(ctx context.Context, org core.OrgID, name string) (core.EventType, error) {
	return s.EventTypeGet(ctx, org, name)
}

// EventTypeNames implements [core.Tx].
func (s *Store) EventTypeNames(ctx context.Context, org core.OrgID, names []string) (known []string, _ error) {
	for _, name := range names {
		if t, err := s.EventTypeGet(ctx, org, name); err == nil && !t.Archived {
			known = append(known, name)
		}
	}
	return known, nil
}

// EventTypeInsert implements [core.Tx].
func (s *Store) EventTypeInsert(_ context.Context, t core.EventType) error {
	i, err := find(s.EventTypes, func(other core.EventType) bool { return other.OrgID == t.OrgID && other.Name == t.Name })
	switch {
	case err != nil:
		s.EventTypes = append(s.EventTypes, t)
	case !s.EventTypes[i].Archived:
		return core.Conflict("There is an event type of that name")
	default:
		s.EventTypes[i] = t
	}
	return nil
}

// EventTypeUpdate implements [core.Tx].
func (s *Store) EventTypeUpdate(_ context.Context, t core.EventType) error {
	i, err := find(s.EventTypes, func(other core.EventType) bool { return other.OrgID == t.OrgID && other.Name == t.Name })
	if err == nil {
		s.EventTypes[i] = t
	}
	return err
}

// EventTypeDelete implements [core.Tx].
func (s *Store) EventTypeDelete(_ context.Context, org core.OrgID, name string) (err error) {
	s.EventTypes, err = drop(s.EventTypes, func(t core.EventType) bool { return t.OrgID == org && t.Name == name })
	return err
}

// EventTypeList implements [core.Tx].
func (s *Store) EventTypeList(_ context.Context, org core.OrgID, filter core.EventTypeFilter, page core.Page) ([]core.EventType, string, error) {
	rows := where(s.EventTypes, func(t core.EventType) bool {
		seen := filter.AllFlags || t.FeatureFlags == nil ||
			slices.ContainsFunc(t.FeatureFlags, func(flag string) bool { return slices.Contains(filter.Flags, flag) })
		return t.OrgID == org && seen && (filter.Archived || !t.Archived)
	})
	return paged(rows, page, func(t core.EventType) string { return t.Name }), "", nil
}

// EventTypeImportLock implements [core.Tx].
func (s *Store) EventTypeImportLock(context.Context, core.OrgID) error { return nil }

// EventTypeImport implements [core.Tx]. It compares only descriptions and whether the event type is archived.
func (s *Store) EventTypeImport(ctx context.Context, t core.EventType) (changed bool, err error) {
	i := slices.IndexFunc(s.EventTypes, func(other core.EventType) bool { return other.OrgID == t.OrgID && other.Name == t.Name })
	switch {
	case i < 0:
		s.EventTypes = append(s.EventTypes, t)
		return true, nil
	case s.EventTypes[i].Description == t.Description && !s.EventTypes[i].Archived:
		return false, nil
	}
	return true, s.EventTypeUpdate(ctx, t)
}

// EventTypeArchiveOthers implements [core.Tx].
func (s *Store) EventTypeArchiveOthers(_ context.Context, org core.OrgID, names []string, limit int, now time.Time) (archived []core.EventType, _ error) {
	for i, t := range s.EventTypes {
		if t.OrgID == org && !t.Archived && !slices.Contains(names, t.Name) && len(archived) < limit {
			s.EventTypes[i].Archived, s.EventTypes[i].UpdatedAt = true, now
			archived = append(archived, s.EventTypes[i])
		}
	}
	return archived, nil
}
