// Package coretest implements core's ports in memory, for tests of its use cases. It keeps only what the use cases
// base their decisions on; package store tests that the SQL behaves the same.
package coretest

import (
	"cmp"
	"context"
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
	Faults
}

// Rows holds the rows of a store.
type Rows struct {
	Applications []core.Application
	Endpoints    []core.Endpoint
	EventTypes   []core.EventType
	Messages     []core.NewMessage
	Attempts     []core.Attempt
	Destinations []core.Destination
	Deliveries   []core.Delivery // only their keys and Manual
	Tasks        []core.BackgroundTask
	Revocations  []core.TokenRevocation
	Told         []core.OperationalEvent
	Sequenced    []core.Sequenced
	Outbox       []core.OutboxKey // in id order
	Letters      []core.OutboxLetter

	Dropped    []core.EndpointID      // endpoints whose deliveries were dropped
	Superseded []core.TokenRevocation // the revocations that replaced others
	Waiting    []core.Lane            // lanes whose first delivery waits for nothing
	Counted    []core.StatsPeriod     // the periods that statistics were read for
}

func (r Rows) clone() Rows {
	return Rows{
		slices.Clone(r.Applications), slices.Clone(r.Endpoints), slices.Clone(r.EventTypes), slices.Clone(r.Messages),
		slices.Clone(r.Attempts), slices.Clone(r.Destinations), slices.Clone(r.Deliveries), slices.Clone(r.Tasks), slices.Clone(r.Revocations),
		slices.Clone(r.Told), slices.Clone(r.Sequenced), slices.Clone(r.Outbox), slices.Clone(r.Letters),
		slices.Clone(r.Dropped), slices.Clone(r.Superseded), slices.Clone(r.Waiting), slices.Clone(r.Counted),
	}
}

// Faults are what goes wrong in a store. The zero value lets everything succeed.
type Faults struct {
	BeforeInsert func()                        // called before a background task is inserted
	MessageErr   func(core.NewMessage) error   // why a message cannot be stored
	UnitErr      func([]core.NewMessage) error // why messages cannot be stored in a unit of work
	StepErr      func() error                  // why a step of a task fails; it ends the unit of work
}

// InTx runs work, and undoes its changes if it fails.
func (s *Store) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.clone()
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

// paged returns the rows of a page, by their keys.
func paged[T any](all []T, page core.Page, key func(T) string) []T {
	var rows []T
	for _, row := range all {
		if k := key(row); k > page.After && k < page.Before {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b T) int {
		if page.Descending {
			a, b = b, a
		}
		return cmp.Compare(key(a), key(b))
	})
	return rows[:min(len(rows), page.Limit)]
}

// where returns the items for which is returns true.
func where[T any](all []T, is func(T) bool) (found []T) {
	for _, one := range all {
		if is(one) {
			found = append(found, one)
		}
	}
	return found
}

// drop removes the item for which is returns true, or returns a core.Error of KindNotFound.
func drop[T any](all []T, is func(T) bool) ([]T, error) {
	i, err := find(all, is)
	if err != nil {
		return all, err
	}
	return slices.Delete(all, i, i+1), nil
}
