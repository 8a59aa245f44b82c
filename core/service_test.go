package core_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

var (
	now   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	scope = core.Scope{OrgID: "org_a"}

	tenRows = core.Page{Before: "\x7f", Limit: 10} // the first page of any list
)

// newService returns use cases on a store with an application, acme, and an event type, order.placed.
func newService(rules core.EndpointRules) (*core.Service, *coretest.Store) {
	s := &coretest.Store{Rows: coretest.Rows{
		Applications: []core.Application{{OrgID: "org_a", ID: "app_1", UID: new("acme"), Name: "Acme"}},
		EventTypes:   []core.EventType{{OrgID: "org_a", Name: "order.placed"}},
	}}
	return core.NewService(s, coretest.Inserter{Store: s}, coretest.Tokens{}, func() time.Time { return now }, rules), s
}

func wantError(t *testing.T, err error, kind core.Kind, code string) {
	t.Helper()
	if e, ok := errors.AsType[*core.Error](err); !ok || e.Kind != kind || code != "" && e.Code != code {
		t.Errorf("%v, want kind %v, code %s", err, kind, code)
	}
}

// ids of the rows that newSent adds.
var (
	sentMessage = core.NewMessageID(now.Add(-time.Hour))
	sentAttempt = core.NewAttemptID(now.Add(-time.Hour))
)

// newSent is newService with an endpoint, ep_1 or main, and a message, event_1, that failed there.
func newSent(rules core.EndpointRules) (*core.Service, *coretest.Store) {
	service, store := newService(rules)
	store.Endpoints = []core.Endpoint{{
		AppID: "app_1", ID: "ep_1", UID: new("main"), URL: "https://example.com/", Version: 1,
		Secret: core.NewSecret(), Headers: core.Headers{"X-A": "1", "Authorization": "key"},
	}}
	store.Messages = []core.NewMessage{{OrgID: "org_a", AppRef: "acme", Message: core.Message{
		AppID: "app_1", ID: sentMessage, EventID: new("event_1"), EventType: "order.placed", Payload: new(`{"n":1}`),
		CreatedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour),
	}}}
	store.Attempts = []core.Attempt{{
		AppID: "app_1", ID: sentAttempt, MessageID: sentMessage, EndpointID: "ep_1",
		Status: core.StatusFail, ResponseStatusCode: 500, Response: "broken", CreatedAt: now.Add(-time.Hour),
	}}
	return service, store
}

// told returns the types of the operational events that were recorded.
func told(store *coretest.Store) (types []string) {
	for _, event := range store.Told {
		types = append(types, event.Type)
	}
	return types
}

func wantTold(t *testing.T, store *coretest.Store, want ...string) {
	t.Helper()
	if got := told(store); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// wantField wants the error of a request in which only that field is wrong.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	wantError(t, err, core.KindInvalid, "validation_error")
	if e, ok := errors.AsType[*core.Error](err); ok && (len(e.Fields) != 1 || e.Fields[0].Loc[len(e.Fields[0].Loc)-1] != field) {
		t.Errorf("%+v, want %s to be wrong", e.Fields, field)
	}
}
