// Package coretest implements core's ports in memory, for tests of its use cases. It keeps only what the use cases
// base their decisions on; package store tests that the SQL behaves the same.
package coretest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/postrider/postrider/core"
)

// Store is an in-memory database that is also its own unit of work. Its zero value is empty. Methods that are not
// implemented panic.
type Store struct {
	core.Tx

	mu sync.Mutex // held by a unit of work
	Rows

	BeforeInsert func() // called before a background task is inserted, unless nil
}

// Rows holds the rows of a store.
type Rows struct {
	Applications []core.Application
	Endpoints    []core.Endpoint
	EventTypes   []core.EventType
	Messages     []core.NewMessage
	Tasks        []core.BackgroundTask
	Told         []core.OperationalEvent
	Dropped      []core.EndpointID // endpoints whose deliveries were dropped
}

// InTx runs work, and undoes its changes if it fails.
func (s *Store) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := Rows{
		slices.Clone(s.Applications), slices.Clone(s.Endpoints), slices.Clone(s.EventTypes), slices.Clone(s.Messages),
		slices.Clone(s.Tasks), slices.Clone(s.Told), slices.Clone(s.Dropped),
	}
	err := work(ctx, s)
	if err != nil {
		s.Rows = before
	}
	return err
}

// Ping implements [core.Store].
func (s *Store) Ping(context.Context) error { return nil }

// find returns the index of the first item for which is returns true, or a core.Error of KindNotFound.
func find[T any](all []T, is func(T) bool) (int, error) {
	i := slices.IndexFunc(all, is)
	if i < 0 {
		return 0, core.NotFound()
	}
	return i, nil
}

func get[T any](all []T, is func(T) bool) (found T, err error) {
	i, err := find(all, is)
	if err == nil {
		found = all[i]
	}
	return found, err
}

func named(uid *string, ref string) bool { return uid != nil && *uid == ref }

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
	if app.UID != nil {
		if _, err := s.ApplicationGet(context.Background(), app.OrgID, *app.UID); err == nil {
			return core.Conflict("The uid is taken")
		}
	}
	s.Applications = append(s.Applications, app)
	return nil
}

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
	s.Endpoints = append(s.Endpoints, e)
	return nil
}

// EndpointUpdate implements [core.Tx].
func (s *Store) EndpointUpdate(_ context.Context, e core.Endpoint) error {
	i, err := find(s.Endpoints, func(other core.Endpoint) bool { return other.ID == e.ID })
	if err == nil {
		s.Endpoints[i] = e
	}
	return err
}

// DeliveryDropByEndpoint implements [core.Tx].
func (s *Store) DeliveryDropByEndpoint(_ context.Context, _ core.AppID, id core.EndpointID) (int64, error) {
	s.Dropped = append(s.Dropped, id)
	return 0, nil
}

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

// OperationalEventInsert implements [core.Tx].
func (s *Store) OperationalEventInsert(_ context.Context, e core.OperationalEvent) error {
	s.Told = append(s.Told, e)
	return nil
}

// BackgroundTaskInsert implements [core.Tx].
func (s *Store) BackgroundTaskInsert(ctx context.Context, t core.BackgroundTask) error {
	_, err := s.BackgroundTaskRunningGet(ctx, t)
	if s.BeforeInsert != nil {
		s.BeforeInsert()
	}
	if err == nil {
		return core.AnotherTaskRuns()
	}
	s.Tasks = append(s.Tasks, t)
	return nil
}

// BackgroundTaskRunningGet implements [core.Tx].
func (s *Store) BackgroundTaskRunningGet(_ context.Context, t core.BackgroundTask) (core.TaskID, error) {
	same := func(a, b *core.EndpointID) bool { return a == b || a != nil && b != nil && *a == *b }
	running, err := get(s.Tasks, func(other core.BackgroundTask) bool {
		return other.Status == core.TaskRunning && other.Task == t.Task && other.Place() == t.Place() && same(other.EndpointID, t.EndpointID)
	})
	return running.ID, err
}

// Inserter stores messages in a Store.
type Inserter struct{ *Store }

var _ core.MessageInserter = Inserter{}

// MessageInsert implements [core.MessageInserter].
func (i Inserter) MessageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	app, err := i.ApplicationGet(ctx, m.OrgID, m.AppRef)
	if err != nil {
		return core.Message{}, err
	}
	m.AppID = app.ID
	for _, other := range i.Messages {
		switch {
		case other.AppID != m.AppID:
		case m.KeyHash != nil && slices.Equal(other.KeyHash, m.KeyHash):
			return other.Message, nil
		case m.EventID != nil && named(other.EventID, *m.EventID):
			return core.Message{}, core.Conflict("The event id is taken")
		}
	}
	s := i.Store
	s.Messages = append(s.Messages, m)
	return m.Message, nil
}

// MessageInsertMany implements [core.MessageInserter].
func (i Inserter) MessageInsertMany(ctx context.Context, messages []core.NewMessage) []core.Stored {
	stored := make([]core.Stored, len(messages))
	for n, m := range messages {
		stored[n].Message, stored[n].Err = i.MessageInsert(ctx, m)
	}
	return stored
}

// Tokens is a core.TokenMaker that cannot issue tokens.
type Tokens struct{}

var errNoKey = errors.New("there is no key to sign tokens with")

// CanMake implements [core.TokenMaker].
func (Tokens) CanMake() error { return errNoKey }

// App implements [core.TokenMaker].
func (Tokens) App(core.AppGrant) (string, error) { return "", errNoKey }
