package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// A fake implements core's ports in memory. It is enough of a database for the handlers to show what they do. When a
// unit of work fails, it rolls back only the changes to event types.
type fake struct {
	mu     sync.Mutex
	broken error // if set, every call returns it

	apps      []core.Application
	types     []core.EventType
	endpoints []core.Endpoint
	messages  []core.Message
	attempts  []core.Attempt
	revoked   []core.TokenRevocation
	inserted  []core.NewMessage // messages as MessageInsert got them
	owed      []core.Delivery   // deliveries created by units of work
	nextAt    *time.Time        // next attempt of the attempted deliveries
	filter    any               // filter of the last list that was read
	looks     int               // how many rows a list looks at for a page, of which every second matches; if 0, all
	answers   map[core.IdempotencyKey]kept
	worked    int // how often Once ran its work
	faketasks
}

var (
	_ core.Store           = (*fake)(nil)
	_ core.Tx              = (*fake)(nil)
	_ core.MessageInserter = inserter{}
)

// An inserter is the part of a fake that stores messages outside units of work.
type inserter struct{ *fake }

// find returns a pointer to the item that matches.
func find[T any](f *fake, items []T, match func(T) bool) (*T, error) {
	if f.broken != nil {
		return new(T), f.broken
	}
	if i := slices.IndexFunc(items, match); i >= 0 {
		return &items[i], nil
	}
	return new(T), core.NotFound()
}

func get[T any](f *fake, items []T, match func(T) bool) (T, error) {
	item, err := find(f, items, match)
	return *item, err
}

// page returns the matching items of a page.
func page[T any](f *fake, items []T, p core.Page, key func(T) string, match func(T) bool) (rows []T, ended string, err error) {
	if f.broken != nil {
		return nil, "", f.broken
	}
	var found []T
	for _, item := range items {
		if match(item) && key(item) > p.After && key(item) < p.Before {
			found = append(found, item)
		}
	}
	slices.SortFunc(found, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	if p.Descending {
		slices.Reverse(found)
	}
	if f.looks > 0 && len(found) >= f.looks { // looks is how many rows were looked at, of which every second matches
		found, ended = found[:f.looks], key(found[f.looks-1])
		matching := found[:0:0]
		for i := 1; i < len(found); i += 2 {
			matching = append(matching, found[i])
		}
		found = matching
	}
	return found[:min(p.Limit, len(found))], ended, nil
}

// of prints the data of an organisation.
func (f *fake) of(org core.OrgID) string {
	apps := slices.DeleteFunc(slices.Clone(f.apps), func(a core.Application) bool {
		return a.OrgID != org && (a.OrgID != operationalOrg || *a.UID != string(org))
	})
	types := slices.DeleteFunc(slices.Clone(f.types), func(t core.EventType) bool { return t.OrgID != org })
	inApps := func(id core.AppID) bool {
		return slices.ContainsFunc(apps, func(a core.Application) bool { return a.ID == id })
	}
	endpoints := slices.DeleteFunc(slices.Clone(f.endpoints), func(e core.Endpoint) bool { return !inApps(e.AppID) })
	messages := slices.DeleteFunc(slices.Clone(f.messages), func(m core.Message) bool { return !inApps(m.AppID) })
	revoked := slices.DeleteFunc(slices.Clone(f.revoked), func(r core.TokenRevocation) bool { return r.OrgID != org })
	return fmt.Sprintf("%+v\n%+v\n%+v\n%+v\n%+v", apps, types, endpoints, messages, revoked)
}

func is[T ~string](id T, uid *string, ref string) bool {
	return string(id) == ref || uid != nil && *uid == ref
}

func (f *fake) Ping(context.Context) error { return f.broken }

func (f *fake) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return f.broken
	}
	types := slices.Clone(f.types)
	err := work(ctx, f)
	if err != nil {
		f.types = types
	}
	return err
}

func (f *fake) ApplicationGet(_ context.Context, org core.OrgID, ref string) (core.Application, error) {
	if !isText(ref) {
		return core.Application{}, errors.New("invalid byte sequence for encoding UTF8") // as Postgres says
	}
	return get(f, f.apps, func(a core.Application) bool { return a.OrgID == org && is(a.ID, a.UID, ref) })
}

func (f *fake) ApplicationLock(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	return f.ApplicationGet(ctx, org, ref)
}

func (f *fake) ApplicationLockForDelete(ctx context.Context, org core.OrgID, ref string) (core.Application, error) {
	return f.ApplicationGet(ctx, org, ref)
}

func (f *fake) ApplicationHold(ctx context.Context, org core.OrgID, id core.AppID) error {
	_, err := f.ApplicationGet(ctx, org, string(id))
	return err
}

func (f *fake) ApplicationFilterMany(_ context.Context, filter core.ApplicationFilter, ids []core.AppID) ([]core.AppID, error) {
	f.filter = filter
	return slices.DeleteFunc(slices.Clone(ids), func(id core.AppID) bool {
		return filter.NoEndpoints && !slices.ContainsFunc(f.endpoints, func(e core.Endpoint) bool { return e.AppID == id })
	}), f.broken
}

func (f *fake) ApplicationList(_ context.Context, org core.OrgID, p core.Page) ([]core.Application, string, error) {
	return page(f, f.apps, p, func(a core.Application) string { return string(a.ID) },
		func(a core.Application) bool { return a.OrgID == org })
}

func (f *fake) ApplicationInsert(_ context.Context, app core.Application) error {
	if slices.ContainsFunc(f.apps, func(a core.Application) bool { return app.UID != nil && is(a.ID, a.UID, *app.UID) }) {
		return core.Conflict("An application with that id or uid already exists")
	}
	f.apps = append(f.apps, app)
	return nil
}

func (f *fake) ApplicationUpdate(_ context.Context, app core.Application) error {
	if app.UID != nil && slices.ContainsFunc(f.apps, func(a core.Application) bool { return a.ID != app.ID && is(a.ID, a.UID, *app.UID) }) {
		return core.Conflict("An application with that id or uid already exists")
	}
	stored, err := find(f, f.apps, func(a core.Application) bool { return a.ID == app.ID })
	*stored = app
	return err
}

func (f *fake) ApplicationDelete(_ context.Context, _ core.OrgID, id core.AppID, _ time.Time) error {
	f.apps = slices.DeleteFunc(f.apps, func(a core.Application) bool { return a.ID == id })
	return nil
}

func (f *fake) EventTypeGet(_ context.Context, org core.OrgID, name string) (core.EventType, error) {
	return get(f, f.types, func(t core.EventType) bool { return t.OrgID == org && t.Name == name })
}

func (f *fake) EventTypeLock(ctx context.Context, org core.OrgID, name string) (core.EventType, error) {
	return f.EventTypeGet(ctx, org, name)
}

func (f *fake) EventTypeList(_ context.Context, org core.OrgID, filter core.EventTypeFilter, p core.Page) ([]core.EventType, string, error) {
	f.filter = filter
	return page(f, f.types, p, func(t core.EventType) string { return t.Name },
		func(t core.EventType) bool { return t.OrgID == org && (filter.Archived || !t.Archived) })
}

func (f *fake) EventTypeNames(_ context.Context, org core.OrgID, names []string) ([]string, error) {
	var known []string
	for _, t := range f.types {
		if t.OrgID == org && !t.Archived && slices.Contains(names, t.Name) {
			known = append(known, t.Name)
		}
	}
	return known, f.broken
}

func (f *fake) EventTypeInsert(ctx context.Context, t core.EventType) error {
	if _, err := f.EventTypeGet(ctx, t.OrgID, t.Name); err == nil {
		return &core.Error{Kind: core.KindConflict, Code: "event_type_exists", Message: "An event_type with this name already exists"}
	}
	f.types = append(f.types, t)
	return nil
}

func (f *fake) EventTypeUpdate(_ context.Context, t core.EventType) error {
	stored, err := find(f, f.types, func(o core.EventType) bool { return o.OrgID == t.OrgID && o.Name == t.Name })
	*stored = t
	return err
}

func (f *fake) EventTypeDelete(ctx context.Context, org core.OrgID, name string) error {
	_, err := f.EventTypeGet(ctx, org, name)
	f.types = slices.DeleteFunc(f.types, func(t core.EventType) bool { return t.OrgID == org && t.Name == name })
	return err
}

func (f *fake) EventTypeImportLock(context.Context, core.OrgID) error { return nil }

func (f *fake) EventTypeImport(_ context.Context, t core.EventType) (bool, error) {
	stored, err := find(f, f.types, func(o core.EventType) bool { return o.OrgID == t.OrgID && o.Name == t.Name })
	if core.IsKind(err, core.KindNotFound) {
		f.types = append(f.types, t)
		return true, nil
	}
	was := *stored
	t.CreatedAt, t.UpdatedAt = was.CreatedAt, was.UpdatedAt
	if t.FeatureFlags == nil {
		t.FeatureFlags = was.FeatureFlags
	}
	t.GroupName = cmp.Or(t.GroupName, was.GroupName)
	*stored = t
	return !reflect.DeepEqual(t, was), err
}

func (f *fake) EventTypeArchiveOthers(_ context.Context, org core.OrgID, names []string, limit int, _ time.Time) (archived []core.EventType, err error) {
	for i, t := range f.types {
		if t.OrgID == org && !t.Archived && !slices.Contains(names, t.Name) && len(archived) < limit {
			f.types[i].Archived = true
			t.Archived, t.Schemas = true, nil
			archived = append(archived, t)
		}
	}
	return archived, f.broken
}

func (f *fake) EndpointGet(_ context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	return get(f, f.endpoints, func(e core.Endpoint) bool { return e.AppID == app && is(e.ID, e.UID, ref) })
}

func (f *fake) EndpointLock(ctx context.Context, app core.AppID, ref string) (core.Endpoint, error) {
	return f.EndpointGet(ctx, app, ref)
}

func (f *fake) EndpointList(_ context.Context, app core.AppID, p core.Page) ([]core.Endpoint, string, error) {
	return page(f, f.endpoints, p, func(e core.Endpoint) string { return string(e.ID) },
		func(e core.Endpoint) bool { return e.AppID == app })
}

func (f *fake) EndpointCountForInsert(_ context.Context, app core.AppID, most int) (int, error) {
	n := 0
	for _, e := range f.endpoints {
		if e.AppID == app {
			n++
		}
	}
	return min(n, most), f.broken
}

func (f *fake) EndpointInsert(ctx context.Context, e core.Endpoint) error {
	if e.UID != nil {
		if _, err := f.EndpointGet(ctx, e.AppID, *e.UID); err == nil {
			return core.Conflict("A conflict has occurred")
		}
	}
	f.endpoints = append(f.endpoints, e)
	return nil
}

func (f *fake) EndpointUpdate(ctx context.Context, e core.Endpoint) error {
	if e.UID != nil {
		if other, err := f.EndpointGet(ctx, e.AppID, *e.UID); err == nil && other.ID != e.ID {
			return core.Conflict("A conflict has occurred")
		}
	}
	stored, err := find(f, f.endpoints, func(o core.Endpoint) bool { return o.ID == e.ID })
	*stored = e
	return err
}

func (f *fake) EndpointHeadersUpdate(_ context.Context, e core.Endpoint) error {
	stored, err := find(f, f.endpoints, func(o core.Endpoint) bool { return o.ID == e.ID })
	stored.Headers, stored.UpdatedAt = e.Headers, e.UpdatedAt
	return err
}

func (f *fake) EndpointDelete(_ context.Context, _ core.AppID, id core.EndpointID, _ time.Time) error {
	f.endpoints = slices.DeleteFunc(f.endpoints, func(e core.Endpoint) bool { return e.ID == id })
	return nil
}

func (f *fake) MessageGet(_ context.Context, app core.AppID, ref string) (core.Message, error) {
	return get(f, f.messages, func(m core.Message) bool { return m.AppID == app && is(m.ID, m.EventID, ref) })
}

func (f *fake) MessageGetBare(ctx context.Context, app core.AppID, ref string) (core.Message, error) {
	m, err := f.MessageGet(ctx, app, ref)
	m.Payload = nil
	return m, err
}

func (f *fake) MessageList(_ context.Context, app core.AppID, filter core.MessageFilter, p core.Page) ([]core.Message, string, error) {
	f.filter = filter
	return page(f, f.messages, p, func(m core.Message) string { return string(m.ID) },
		func(m core.Message) bool { return m.AppID == app })
}

func (f inserter) MessageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.messageInsert(ctx, m)
}

func (f inserter) MessageInsertMany(ctx context.Context, messages []core.NewMessage) []core.Stored {
	f.mu.Lock()
	defer f.mu.Unlock()
	stored := make([]core.Stored, len(messages))
	for i, m := range messages {
		stored[i].Message, stored[i].Err = f.messageInsert(ctx, m)
	}
	return stored
}

func (f *fake) messageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	app, err := f.ApplicationGet(ctx, m.OrgID, m.AppRef)
	if err != nil {
		return core.Message{}, err
	}
	for i, known := range f.inserted {
		if m.KeyHash != nil && string(known.KeyHash) == string(m.KeyHash) {
			return f.inserted[i].Message, nil
		}
	}
	if m.EventID != nil {
		if _, err := f.MessageGet(ctx, app.ID, *m.EventID); err == nil {
			return core.Message{}, core.Conflict("A conflict has occurred")
		}
	}
	m.AppID, *m.Payload = app.ID, strings.Clone(*m.Payload)
	f.inserted, f.messages = append(f.inserted, m), append(f.messages, m.Message)
	return m.Message, nil
}

func (f *fake) AttemptGet(_ context.Context, app core.AppID, message core.MessageID, id core.AttemptID) (core.Attempt, error) {
	return get(f, f.attempts, func(a core.Attempt) bool { return a.AppID == app && a.MessageID == message && a.ID == id })
}

func (f *fake) AttemptListByEndpoint(_ context.Context, app core.AppID, endpoint core.EndpointID, filter core.AttemptFilter, p core.Page) ([]core.Attempt, string, error) {
	f.filter = filter
	return page(f, f.attempts, p, func(a core.Attempt) string { return string(a.ID) },
		func(a core.Attempt) bool { return a.AppID == app && a.EndpointID == endpoint })
}

func (f *fake) AttemptListByMessage(_ context.Context, app core.AppID, message core.MessageID, filter core.AttemptFilter, p core.Page) ([]core.Attempt, string, error) {
	f.filter = filter
	return page(f, f.attempts, p, func(a core.Attempt) string { return string(a.ID) },
		func(a core.Attempt) bool { return a.AppID == app && a.MessageID == message })
}

func (f *fake) TokenRevocationExists(_ context.Context, token core.Token, now time.Time) (bool, error) {
	return slices.ContainsFunc(f.revoked, func(r core.TokenRevocation) bool {
		return r.OrgID == token.OrgID && r.AppID == token.AppID && !r.EffectiveAt.After(now) && token.IssuedAt.Before(r.IssuedBefore) &&
			(r.TokenHash == nil || string(r.TokenHash) == string(token.Hash)) &&
			(r.SessionIDs == nil || slices.Contains(r.SessionIDs, token.SessionID))
	}), f.broken
}

func (f *fake) TokenRevocationInsertMany(_ context.Context, r core.TokenRevocation) error {
	f.revoked = append(f.revoked, r)
	return nil
}

func (f *fake) TokenRevocationSupersede(context.Context, core.TokenRevocation) error { return nil }
