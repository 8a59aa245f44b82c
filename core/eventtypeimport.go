package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// EventTypeImportMost is how many event types one import may name, and how many it may archive. An import is one
// unit of work with one statement per event type; a thousand take 50 ms with the database near.
const EventTypeImportMost = 1000

// EventTypeImportIn holds event types that were described elsewhere, such as in an OpenAPI document.
type EventTypeImportIn struct {
	Types      []EventTypeIn
	Loc        []string // the path to them in the client's request
	ReplaceAll bool     // archive event types that are not in Types
	DryRun     bool     // change nothing, only return what would change
}

// validate names each faulty event type: the path to an error begins with its name.
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

// errDryRun rolls back a unit of work that succeeded.
var errDryRun = errors.New("dry run")

// EventTypeImport creates the event types that do not exist, replaces and restores those that do, and returns the
// changed ones by name. Either everything is done or nothing. A dry run does the same work and rolls it back at the
// end, so its result is accurate.
func (s *Service) EventTypeImport(ctx context.Context, scope Scope, in EventTypeImportIn) (changed []EventType, err error) {
	if err := scope.org(); err != nil {
		return nil, err
	}
	if err := in.validate(); err != nil {
		return nil, err
	}
	// Sorted, so that a concurrent request that writes event types one by one waits and does not deadlock.
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
