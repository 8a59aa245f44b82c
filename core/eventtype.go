package core

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// EventType is one kind of event an organisation sends.
type EventType struct {
	OrgID        OrgID
	Name         string
	Description  string
	Archived     bool // hidden from lists, and no endpoint can newly subscribe to it
	Deprecated   bool
	Schemas      json.RawMessage // JSON Schemas by version, or nil
	FeatureFlags []string        // who may see it; nil: everyone
	CreatedAt    time.Time
	UpdatedAt    time.Time
	GroupName    *string // the group it belongs to, in the client's words
}

// EventTypeReader reads event types.
type EventTypeReader interface {
	EventTypeGet(ctx context.Context, org OrgID, name string) (EventType, error)
	EventTypeList(ctx context.Context, org OrgID, filter EventTypeFilter, page Page) (rows []EventType, ended string, err error)
	// EventTypeNames returns the given names that are event types and not archived.
	EventTypeNames(ctx context.Context, org OrgID, names []string) ([]string, error)
}

// EventTypeTx changes event types in a unit of work.
type EventTypeTx interface {
	EventTypeLock(ctx context.Context, org OrgID, name string) (EventType, error)
	EventTypeInsert(ctx context.Context, t EventType) error
	EventTypeUpdate(ctx context.Context, t EventType) error
	EventTypeDelete(ctx context.Context, org OrgID, name string) error
	// EventTypeImportLock serializes the imports of an organisation.
	EventTypeImportLock(ctx context.Context, org OrgID) error
	// EventTypeImport creates an event type, or replaces all of it except the flags and the group if t does not set
	// them, and reports whether that changed anything.
	EventTypeImport(ctx context.Context, t EventType) (changed bool, err error)
	// EventTypeArchiveOthers archives up to limit event types that are not in names, and returns them without their
	// schemas.
	EventTypeArchiveOthers(ctx context.Context, org OrgID, names []string, limit int, now time.Time) ([]EventType, error)
}

// EventTypeIn holds the fields of an event type that a client can set.
type EventTypeIn struct {
	Name         string
	Description  string
	Archived     bool
	Deprecated   bool
	Schemas      json.RawMessage
	FeatureFlags []string
	GroupName    *string
}

func (in EventTypeIn) validate() error {
	var c checks
	in.check(&c)
	return c.err()
}

func (in EventTypeIn) check(c *checks) {
	c.pathName(in.Name, "name")
	in.checkContent(c)
}

// checkContent checks everything but the name.
func (in EventTypeIn) checkContent(c *checks) {
	c.boundedText(in.Description, descriptionBytesMax, "description")
	c.schemas(in.Schemas)
	c.body(len(in.FeatureFlags) <= featureFlagsMost,
		fmt.Sprintf("An event type may have at most %d feature flags, and has %d", featureFlagsMost, len(in.FeatureFlags)), "featureFlags")
	for _, flag := range in.FeatureFlags[:min(len(in.FeatureFlags), featureFlagsMost)] {
		c.name(flag, "featureFlag")
	}
	if in.GroupName != nil {
		c.name(*in.GroupName, "groupName")
	}
}

const (
	featureFlagsMost = 1000
	schemasBytesMax  = 512 << 10
)

// schemas checks that the schemas are an object of objects.
func (c *checks) schemas(text json.RawMessage) {
	if text == nil {
		return
	}
	if len(text) > schemasBytesMax {
		c.body(false, fmt.Sprintf("schemas must not exceed %d bytes, and has %d", schemasBytesMax, len(text)), "schemas")
		return
	}
	var byVersion map[string]map[string]any
	err := json.Unmarshal(text, &byVersion)
	c.body(err == nil, "schemas must be an object that maps each version to a JSON Schema", "schemas")
}

func (in EventTypeIn) fill(t *EventType, now time.Time) {
	t.Name, t.Description, t.Archived, t.Deprecated = in.Name, in.Description, in.Archived, in.Deprecated
	t.Schemas, t.FeatureFlags, t.GroupName, t.UpdatedAt = in.Schemas, in.FeatureFlags, in.GroupName, now
}

func (t EventType) in() EventTypeIn {
	return EventTypeIn{
		Name: t.Name, Description: t.Description, Archived: t.Archived, Deprecated: t.Deprecated,
		Schemas: t.Schemas, FeatureFlags: t.FeatureFlags, GroupName: t.GroupName,
	}
}

// EventTypeCreate creates an event type, or restores an archived one of that name with the new content.
func (s *Service) EventTypeCreate(ctx context.Context, scope Scope, in EventTypeIn) (t EventType, err error) {
	if err := scope.org(); err != nil {
		return t, err
	}
	if err := in.validate(); err != nil {
		return t, err
	}
	now := s.now()
	t = EventType{OrgID: scope.OrgID, CreatedAt: now}
	in.fill(&t, now)
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error { return tx.EventTypeInsert(ctx, t) })
	return t, reworded(err, KindConflict, "event_type_exists", fmt.Sprintf("The event type %s already exists; update it with a PUT.", shown(in.Name)))
}

// EventTypeGet finds an event type by name, including archived ones.
func (s *Service) EventTypeGet(ctx context.Context, scope Scope, name string) (EventType, error) {
	if err := scope.may(CapabilityViewBase); err != nil {
		return EventType{}, err
	}
	t, err := s.store.EventTypeGet(ctx, scope.OrgID, name)
	if err == nil && !scope.sees(t) {
		t, err = EventType{}, NotFound()
	}
	return t, noEventType(err, name)
}

// EventTypeFilter narrows a list of event types.
type EventTypeFilter struct {
	Archived bool     // include archived ones
	AllFlags bool     // include those with any feature flags
	Flags    []string // otherwise only those without flags, or with one of these
}

// EventTypeList lists event types by name; archived ones only if requested.
func (s *Service) EventTypeList(ctx context.Context, scope Scope, archived bool, page Page) (List[EventType], error) {
	if err := scope.may(CapabilityViewBase); err != nil {
		return List[EventType]{}, err
	}
	filter := EventTypeFilter{Archived: archived, AllFlags: scope.AppID == "", Flags: scope.FeatureFlags}
	return listLooked(page, func(p Page) ([]EventType, string, error) {
		types, ended, err := s.store.EventTypeList(ctx, scope.OrgID, filter, p)
		if ended != "" {
			ended = EventTypeIterator(ended)
		}
		return types, ended, err
	})
}

// EventTypeUpdate replaces all fields of an event type that a client can set, or creates the event type.
func (s *Service) EventTypeUpdate(ctx context.Context, scope Scope, in EventTypeIn) (EventType, Created, error) {
	change := func() (EventType, error) {
		return s.EventTypePatch(ctx, scope, in.Name, func(t *EventTypeIn) { *t = in })
	}
	create := func() (EventType, error) { return s.EventTypeCreate(ctx, scope, in) }
	return findOrCreate(true, change, create)
}

// EventTypePatch applies change to an event type. The name, and fields that change does not set, stay as they are.
func (s *Service) EventTypePatch(ctx context.Context, scope Scope, name string, change func(*EventTypeIn)) (t EventType, err error) {
	if err := scope.org(); err != nil {
		return t, err
	}
	err = s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if t, err = tx.EventTypeLock(ctx, scope.OrgID, name); err != nil {
			return noEventType(err, name)
		}
		in := t.in()
		change(&in)
		var c checks
		if in.checkContent(&c); c.err() != nil { // the name stays as it is
			return c.err()
		}
		in.fill(&t, s.now())
		return tx.EventTypeUpdate(ctx, t)
	})
	return t, err
}

// EventTypeDelete archives an event type, or deletes it if expunge is set.
func (s *Service) EventTypeDelete(ctx context.Context, scope Scope, name string, expunge bool) error {
	if !expunge {
		_, err := s.EventTypePatch(ctx, scope, name, func(t *EventTypeIn) { t.Archived = true })
		return err
	}
	if err := scope.org(); err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		return noEventType(tx.EventTypeDelete(ctx, scope.OrgID, name), name)
	})
}
