package core_test

import (
	"strings"
	"testing"
	"time"

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

func TestMessageCreateChecksItsInput(t *testing.T) {
	t.Parallel()
	const minute, hour, day = time.Minute, time.Hour, 24 * time.Hour
	many := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
	for name, test := range map[string]struct {
		change func(*core.MessageIn)
		field  string // at fault; empty: none
	}{
		"plain":                   {func(*core.MessageIn) {}, ""},
		"no event type":           {func(in *core.MessageIn) { in.EventType = "" }, "eventType"},
		"unknown event type":      {func(in *core.MessageIn) { in.EventType = "order.plcaed" }, ""},
		"event id":                {func(in *core.MessageIn) { in.EventID = new("e-1") }, ""},
		"event id like an id":     {func(in *core.MessageIn) { in.EventID = new("msg_1") }, "eventId"},
		"event id with a space":   {func(in *core.MessageIn) { in.EventID = new("a b") }, "eventId"},
		"5 tags":                  {func(in *core.MessageIn) { in.Tags = []string{"a", "b/c", "d#1", "e", "f"} }, ""},
		"6 tags":                  {func(in *core.MessageIn) { in.Tags = many[:6] }, "tags"},
		"no tags":                 {func(in *core.MessageIn) { in.Tags = []string{} }, "tags"},
		"tag with a space":        {func(in *core.MessageIn) { in.Tags = []string{"a", "b c"} }, "tags[1]"},
		"10 channels":             {func(in *core.MessageIn) { in.Channels = many[:10] }, ""},
		"11 channels":             {func(in *core.MessageIn) { in.Channels = many }, "channels"},
		"array":                   {func(in *core.MessageIn) { in.Payload = []byte("[]") }, "payload"},
		"raw text":                {func(in *core.MessageIn) { in.Payload, in.Raw = []byte("a=b"), true }, ""},
		"raw text with NUL":       {func(in *core.MessageIn) { in.Payload, in.Raw = []byte("a\x00"), true }, "rawPayload"},
		"content type":            {func(in *core.MessageIn) { in.ContentType = new("text/plain") }, ""},
		"content type, two lines": {func(in *core.MessageIn) { in.ContentType = new("a\r\nb: c") }, "content-type"},
		"content type, long":      {func(in *core.MessageIn) { in.ContentType = new(strings.Repeat("a", 257)) }, "content-type"},
		"due in a minute":         {func(in *core.MessageIn) { in.DeliverAt = new(now.Add(minute)) }, ""},
		"due earlier":             {func(in *core.MessageIn) { in.DeliverAt = new(now.Add(minute - 1)) }, "deliverAt"},
		"due in a day":            {func(in *core.MessageIn) { in.DeliverAt = new(now.Add(day)) }, ""},
		"due later":               {func(in *core.MessageIn) { in.DeliverAt = new(now.Add(day + 1)) }, "deliverAt"},
		"kept an hour":            {func(in *core.MessageIn) { in.Retention = new(hour) }, ""},
		"kept shorter":            {func(in *core.MessageIn) { in.Retention = new(hour - 1) }, "payloadRetentionPeriod"},
		"kept 90 days":            {func(in *core.MessageIn) { in.Retention = new(90 * day) }, ""},
		"kept longer":             {func(in *core.MessageIn) { in.Retention = new(90*day + 1) }, "payloadRetentionPeriod"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newService(core.EndpointRules{})
			in := core.MessageIn{EventType: "order.placed", Payload: []byte("{}")}
			test.change(&in)
			_, err := service.MessageCreate(t.Context(), scope, "acme", in)
			if test.field == "" {
				if err != nil || len(store.Messages) != 1 {
					t.Errorf("%v, %d messages stored", err, len(store.Messages))
				}
				return
			}
			wantField(t, err, test.field)
			if len(store.Messages) != 0 {
				t.Error("the message is stored nevertheless")
			}
		})
	}
}

func TestMessageCreateKeepsPayloadFor90Days(t *testing.T) {
	t.Parallel()
	service, _ := newService(core.EndpointRules{})
	in := core.MessageIn{EventType: "order.placed", Payload: []byte("{ }"), Tags: []string{"t"}, Channels: []string{"c"}}
	m, err := service.MessageCreate(t.Context(), scope, "acme", in)
	if err != nil || !m.CreatedAt.Equal(now) || !m.ExpiresAt.Equal(now.Add(90*24*time.Hour)) {
		t.Errorf("created at %s, expires at %s, %v", m.CreatedAt, m.ExpiresAt, err)
	}
	got, err := service.MessageGet(t.Context(), scope, "acme", string(m.ID))
	if err != nil || *got.Payload != "{ }" || got.Tags[0] != "t" || got.Channels[0] != "c" {
		t.Errorf("stored %+v, %v", got, err)
	}
	in.Retention = new(2 * time.Hour)
	if m, err = service.MessageCreate(t.Context(), scope, "acme", in); err != nil || !m.ExpiresAt.Equal(now.Add(2*time.Hour)) {
		t.Errorf("expires at %s, %v", m.ExpiresAt, err)
	}
}

func TestMessageCreateRefusesATakenEventID(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	in := core.MessageIn{EventType: "order.placed", Payload: []byte("{}"), EventID: new("event_1")}
	_, err := service.MessageCreate(t.Context(), scope, "acme", in)
	wantError(t, err, core.KindConflict, "conflict")
	if err != nil && !strings.Contains(err.Error(), "event_1") {
		t.Errorf("%v does not name the event id", err)
	}
	store.Applications = append(store.Applications, core.Application{OrgID: "org_a", ID: "app_2"})
	if _, err := service.MessageCreate(t.Context(), scope, "app_2", in); err != nil {
		t.Errorf("the same event id in another application: %v", err)
	}
}

func TestMessageGetHidesAnExpiredPayload(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		expiresAt time.Time
		shown     bool
	}{
		"expired": {now, false},
		"kept":    {now.Add(time.Microsecond), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			store.Messages[0].ExpiresAt = test.expiresAt
			m, err := service.MessageGet(t.Context(), scope, "acme", "event_1")
			if err != nil || (m.Payload != nil) != test.shown {
				t.Errorf("got %+v, %v", m, err)
			}
			page := tenRows
			list, err := service.MessageList(t.Context(), scope, "acme", core.MessageFilter{}, page)
			if err != nil || len(list.Data) != 1 || (list.Data[0].Payload != nil) != test.shown {
				t.Errorf("listed %+v, %v", list, err)
			}
		})
	}
}

func TestMessageGetNamesTheMissingRow(t *testing.T) {
	t.Parallel()
	service, _ := newSent(core.EndpointRules{})
	for _, test := range []struct{ app, message, want string }{
		{"acme", "event_2", "There is no message event_2 in application app_1."},
		{"other", "event_1", "There is no application other."},
		{"a b", "event_1", `There is no application "a b".`},
	} {
		_, err := service.MessageGet(t.Context(), scope, test.app, test.message)
		wantError(t, err, core.KindNotFound, "not_found")
		if got := core.Reason(err); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
