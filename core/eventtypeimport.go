package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EventTypeImportMost is how many event types one import may name, and how many it may archive: all
// of it is one unit of work, with a statement for each. A thousand take 50 ms with the database near.
const EventTypeImportMost = 1000

// EventTypeImportIn is event types that were described elsewhere, in an OpenAPI document.
type EventTypeImportIn struct {
	Types      []EventTypeIn
	Loc        []string // the way to them in what the client sent
	ReplaceAll bool     // archive those it does not name
	DryRun     bool     // change nothing, only tell what would be
}

// validate names each faulty event type: the way to a fault begins with its name.
func (in EventTypeImportIn) validate() error {
	var all checks
	all.body(len(in.Types) <= EventTypeImportMost,
		fmt.Sprintf("An import may hold at most %d event types, and holds %d.", EventTypeImportMost, len(in.Types)), in.Loc...)
	for _, t := range in.Types[:min(len(in.Types), EventTypeImportMost)] {
		var c checks
		t.check(&c)
		for _, f := range c.fields {
			f.Loc = slices.Insert(f.Loc, 1, append(slices.Clone(in.Loc), t.Name)...)
			all.fields = append(all.fields, f)
		}
	}
	return all.err()
}

// errDryRun undoes a unit of work that went well.
var errDryRun = errors.New("dry run")

// EventTypeImport makes the event types that are not there, replaces and brings back those that
// are, and returns the ones that this changed, by name. All is done, or nothing. A dry run is the
// same work, undone at its end, so that it tells nothing but the truth.
func (s *Service) EventTypeImport(ctx context.Context, scope Scope, in EventTypeImportIn) (changed []EventType, err error) {
	if err := scope.org(); err != nil {
		return nil, err
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	// In one order always: who writes event types one by one then waits and does not deadlock.
	in.Types = slices.SortedFunc(slices.Values(in.Types), func(a, b EventTypeIn) int { return strings.Compare(a.Name, b.Name) })
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if changed, err = s.eventTypeImport(ctx, tx, scope.OrgID, in); err == nil && in.DryRun {
			return errDryRun
		}
		return err
	})
	if errors.Is(err, errDryRun) {
		err = nil
	}
	return changed, err
}

func (s *Service) eventTypeImport(ctx context.Context, tx Tx, org OrgID, in EventTypeImportIn) ([]EventType, error) {
	if err := tx.EventTypeImportLock(ctx, org); err != nil {
		return nil, err
	}
	now := s.now()
	var changed []EventType
	names := make([]string, len(in.Types))
	for i, said := range in.Types {
		names[i] = said.Name
		t := EventType{OrgID: org, CreatedAt: now}
		said.fill(&t, now)
		differs, err := tx.EventTypeImport(ctx, t)
		if err != nil {
			return nil, err
		}
		if differs {
			changed = append(changed, t)
		}
	}
	if !in.ReplaceAll {
		return changed, nil
	}
	archived, err := tx.EventTypeArchiveOthers(ctx, org, names, EventTypeImportMost+1, now)
	if err == nil && len(archived) > EventTypeImportMost {
		err = Invalid(fmt.Sprintf("The import would archive more than %d event types; archive some of them first.", EventTypeImportMost), "body", "replaceAll")
	}
	changed = slices.Concat(changed, archived)
	slices.SortFunc(changed, func(a, b EventType) int { return strings.Compare(a.Name, b.Name) })
	return changed, err
}
