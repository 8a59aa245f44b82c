package core_test

import (
	"testing"

	"github.com/postrider/postrider/core"
)

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
