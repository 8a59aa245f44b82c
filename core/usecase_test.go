package core_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

var (
	now   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	scope = core.Scope{OrgID: "org_a"}
)

// newService returns use cases on a store with an application, acme, and an event type, order.placed.
func newService(rules core.EndpointRules) (*core.Service, *coretest.Store) {
	s := &coretest.Store{Rows: coretest.Rows{
		Applications: []core.Application{{OrgID: "org_a", ID: "app_1", UID: new("acme"), Name: "Acme"}},
		EventTypes:   []core.EventType{{OrgID: "org_a", Name: "order.placed"}},
	}}
	return core.NewService(s, coretest.Inserter{Store: s}, coretest.Tokens{}, func() time.Time { return now }, rules), s
}

func endpointIn(uid string) core.EndpointIn {
	return core.EndpointIn{UID: &uid, URL: "https://example.com/", Version: 1}
}

func wantError(t *testing.T, err error, kind core.Kind, code string) {
	t.Helper()
	if e, ok := errors.AsType[*core.Error](err); !ok || e.Kind != kind || code != "" && e.Code != code {
		t.Errorf("%v, want kind %v, code %s", err, kind, code)
	}
}

func TestEndpointCreateKeepsTheLimit(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{EndpointsMost: 2})
	for _, uid := range []string{"one", "two"} {
		if _, err := service.EndpointCreate(t.Context(), scope, "acme", endpointIn(uid)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := service.EndpointCreate(t.Context(), scope, "acme", endpointIn("three"))
	wantError(t, err, core.KindConflict, "too_many_endpoints")
	_, _, err = service.EndpointUpdate(t.Context(), scope, "acme", "three", endpointIn("three"))
	wantError(t, err, core.KindConflict, "too_many_endpoints")
	if _, created, err := service.EndpointUpdate(t.Context(), scope, "acme", "two", endpointIn("two")); err != nil || bool(created) {
		t.Errorf("an update where there is no more room: created %t, %v", created, err)
	}
	if len(store.Endpoints) != 2 || len(store.Told) != 3 {
		t.Errorf("%d endpoints, told %+v", len(store.Endpoints), store.Told)
	}
}

func TestEndpointCreateRefusesUnknownEventTypes(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := endpointIn("one")
	in.EventTypes = []string{"order.placed", "order.plcaed"}
	_, err := service.EndpointCreate(t.Context(), scope, "acme", in)
	wantError(t, err, core.KindInvalid, "")
	in.EventTypes = in.EventTypes[:1]
	if _, err := service.EndpointCreate(t.Context(), scope, "acme", in); err != nil || len(store.Endpoints) != 1 {
		t.Errorf("%v, %d endpoints", err, len(store.Endpoints))
	}
}

func TestEndpointUpdateCreatesOrReplaces(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := endpointIn("one")
	in.FIFO = true
	made, created, err := service.EndpointUpdate(t.Context(), scope, "acme", "one", in)
	if err != nil || !bool(created) || !made.FIFO {
		t.Fatalf("%+v, created %t, %v", made, created, err)
	}
	patched, err := service.EndpointPatch(t.Context(), scope, "acme", "one", func(e *core.EndpointIn) { e.Description = "d" })
	if err != nil || !patched.FIFO || patched.Description != "d" {
		t.Errorf("a patch of the description: %+v, %v", patched, err)
	}
	in.FIFO = false
	replaced, created, err := service.EndpointUpdate(t.Context(), scope, "acme", "one", in)
	if err != nil || bool(created) || replaced.ID != made.ID || replaced.FIFO || replaced.Description != "" {
		t.Errorf("replaced by %+v, created %t, %v", replaced, created, err)
	}
	if got := store.Endpoints; len(got) != 1 || got[0].Secret.Text() != made.Secret.Text() {
		t.Errorf("stored %+v", got)
	}
	_, _, err = service.EndpointUpdate(t.Context(), scope, "nobody", "one", in)
	wantError(t, err, core.KindNotFound, "")
}

func TestEndpointThatIsEnabledBeginsAnew(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Endpoints = []core.Endpoint{{
		AppID: "app_1", ID: "ep_1", URL: "https://example.com/", Version: 1, Disabled: true,
		Health: core.Health{FailingSince: &now, Failures: 9, DisabledReason: new(core.DisabledFailing)},
	}}
	e, err := service.EndpointPatch(t.Context(), scope, "acme", "ep_1", func(e *core.EndpointIn) { e.Disabled = false })
	if err != nil || e.Disabled || e.Health != (core.Health{}) {
		t.Errorf("%+v, %v", e, err)
	}
	var told []string
	for _, event := range store.Told {
		told = append(told, event.Type)
	}
	if want := []string{"endpoint.updated", "endpoint.enabled"}; !slices.Equal(told, want) || len(store.Dropped) != 1 {
		t.Errorf("told %v, want %v; dropped %v", told, want, store.Dropped)
	}
}

func TestMessageCreateWithKeyStoresOnce(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	send := func(payload, key string) core.Message {
		t.Helper()
		in := core.MessageIn{EventType: "order.placed", Payload: []byte(payload), IdempotencyKey: key}
		m, err := service.MessageCreate(t.Context(), scope, "acme", in)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := send(`{"n":1}`, "k")
	if again := send(`{"n":2}`, "k"); again.ID != first.ID || *again.Payload != `{"n":1}` {
		t.Errorf("again: %+v, first %+v", again, first)
	}
	if other := send(`{"n":1}`, "l"); other.ID == first.ID {
		t.Error("another key answers with the same message")
	}
	send(`{"n":1}`, "")
	send(`{"n":1}`, "")
	if len(store.Messages) != 4 {
		t.Errorf("%d messages are stored, want 4", len(store.Messages))
	}
}

func TestMessageCreateManyHasAKeyForEach(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	one := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(`{}`)}}
	bad := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(`[]`)}}
	var ids [2][]core.MessageID
	for i := range ids {
		stored, err := service.MessageCreateMany(t.Context(), scope, "acme", []core.BatchIn{one, bad, one}, "k")
		if err != nil || stored[1].Err == nil {
			t.Fatal(stored, err)
		}
		ids[i] = []core.MessageID{stored[0].Message.ID, stored[2].Message.ID}
	}
	if !slices.Equal(ids[0], ids[1]) || ids[0][0] >= ids[0][1] || len(store.Messages) != 2 {
		t.Errorf("stored %v, then %v", ids[0], ids[1])
	}
}

func TestMessageCreateMakesTheApplicationItComesWith(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	in := core.MessageIn{EventType: "order.placed", Payload: []byte(`{}`)}
	_, err := service.MessageCreate(t.Context(), scope, "new", in)
	wantError(t, err, core.KindNotFound, "")
	in.Application = &core.ApplicationIn{Name: "New", UID: new("other")}
	_, err = service.MessageCreate(t.Context(), scope, "new", in)
	wantError(t, err, core.KindInvalid, "")
	in.Application.UID = new("new")
	if _, err := service.MessageCreate(t.Context(), scope, "new", in); err != nil || len(store.Applications) != 2 || len(store.Messages) != 1 {
		t.Errorf("%v; %d applications, %d messages", err, len(store.Applications), len(store.Messages))
	}
	_, err = service.MessageCreate(t.Context(), core.Scope{OrgID: "org_a", AppID: "app_1"}, "acme", in)
	wantError(t, err, core.KindForbidden, "")
}

func TestEventTypeUpdateCreatesOrReplaces(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	for _, test := range []struct {
		name, does string
		archived   bool // before
		created    core.Created
	}{
		{"order.paid", "creates", false, true},
		{"order.placed", "replaces", false, false},
		{"order.placed", "brings back", true, false},
	} {
		for i := range store.EventTypes {
			store.EventTypes[i].Archived = test.archived
		}
		got, created, err := service.EventTypeUpdate(t.Context(), scope, core.EventTypeIn{Name: test.name, Description: test.does})
		if err != nil || created != test.created || got.Description != test.does || got.Archived {
			t.Errorf("%s: %+v, created %t, %v", test.does, got, created, err)
		}
	}
	_, err := service.EventTypeCreate(t.Context(), scope, core.EventTypeIn{Name: "order.placed"})
	wantError(t, err, core.KindConflict, "")
	if len(store.EventTypes) != 2 {
		t.Errorf("stored %+v", store.EventTypes)
	}
}

func TestTaskBeginsOnceForAnEndpoint(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Endpoints = []core.Endpoint{{AppID: "app_1", ID: "ep_1"}, {AppID: "app_1", ID: "ep_2"}, {AppID: "app_1", ID: "ep_off", Disabled: true}}
	period := core.PeriodIn{Since: now.Add(-time.Hour)}
	first, err := service.EndpointRecover(t.Context(), scope, "acme", "ep_1", period)
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.EndpointRecover(t.Context(), scope, "acme", "ep_1", period)
	wantError(t, err, core.KindConflict, "task_running")
	if err == nil || !strings.Contains(err.Error(), string(first.ID)) {
		t.Errorf("%v does not name %s", err, first.ID)
	}
	if _, err := service.EndpointRecover(t.Context(), scope, "acme", "ep_2", period); err != nil {
		t.Errorf("of another endpoint: %v", err)
	}
	if _, err := service.EndpointReplayMissing(t.Context(), scope, "acme", "ep_1", period); err != nil {
		t.Errorf("of another kind: %v", err)
	}
	_, err = service.EndpointRecover(t.Context(), scope, "acme", "ep_off", period)
	wantError(t, err, core.KindConflict, "endpoint_disabled")
	if len(store.Tasks) != 3 {
		t.Errorf("%d tasks", len(store.Tasks))
	}
}

// A task that prevented another from starting may have ended by the time it is looked up.
func TestTaskBeginsWhenAnotherEndsMeanwhile(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	if _, err := service.StatsUsageEventTypes(t.Context(), scope); err != nil {
		t.Fatal(err)
	}
	running := store.Tasks[0]
	var inserts int
	store.BeforeInsert = func() { inserts++ }
	ending := &endingStore{Store: store, end: func() { store.Tasks[0].Status = core.TaskFinished }}
	service = core.NewService(ending, coretest.Inserter{Store: store}, coretest.Tokens{}, func() time.Time { return now }, core.EndpointRules{})
	if task, err := service.StatsUsageEventTypes(t.Context(), scope); err != nil || task.ID == running.ID || inserts != 2 {
		t.Errorf("%+v, %v after %d tries", task, err, inserts)
	}
}

// endingStore ends the running task when it is looked up.
type endingStore struct {
	*coretest.Store
	end func()
}

func (s *endingStore) BackgroundTaskRunningGet(context.Context, core.BackgroundTask) (core.TaskID, error) {
	s.end()
	return "", core.NotFound()
}
