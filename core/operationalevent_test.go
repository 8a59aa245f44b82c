package core

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fakeStore is a store in which every organisation has one application with one endpoint.
type fakeStore struct {
	Store
	tx fakeTx
}

func (s *fakeStore) InTx(ctx context.Context, work func(context.Context, Tx) error) error {
	return work(ctx, &s.tx)
}

func (s *fakeStore) ApplicationGet(_ context.Context, org OrgID, _ string) (Application, error) {
	return Application{OrgID: org, ID: "app_1", UID: new("acme")}, nil
}

// fakeTx collects the recorded events and the messages made from them.
type fakeTx struct {
	Tx
	endpoint Endpoint
	waiting  []OperationalEvent
	refuse   error
	dropped  bool

	told      []OperationalEvent
	stored    []NewMessage
	sequenced []Sequenced
}

func (f *fakeTx) ApplicationHold(context.Context, OrgID, AppID) error { return nil }

func (f *fakeTx) EndpointLock(context.Context, AppID, string) (Endpoint, error) {
	return f.endpoint, nil
}

func (f *fakeTx) EndpointInsert(_ context.Context, e Endpoint) error {
	f.endpoint = e
	return f.refuse
}

func (f *fakeTx) EndpointUpdate(context.Context, Endpoint) error        { return f.refuse }
func (f *fakeTx) EndpointUpdateSecret(context.Context, Endpoint) error  { return f.refuse }
func (f *fakeTx) EndpointHeadersUpdate(context.Context, Endpoint) error { return f.refuse }

// DeliveryDropByEndpoint finds one full part to drop.
func (f *fakeTx) DeliveryDropByEndpoint(context.Context, AppID, EndpointID) (int64, error) {
	if f.dropped {
		return 0, nil
	}
	f.dropped = true
	return DropMost, nil
}

func (f *fakeTx) EndpointDelete(context.Context, AppID, EndpointID, time.Time) error { return f.refuse }

func (f *fakeTx) OperationalEventInsert(_ context.Context, e OperationalEvent) error {
	f.told = append(f.told, e)
	return nil
}

func (f *fakeTx) OperationalEventTakeMany(_ context.Context, limit int) ([]OperationalEvent, error) {
	taken := f.waiting[:min(limit, len(f.waiting))]
	f.waiting = f.waiting[len(taken):]
	return taken, nil
}

func (f *fakeTx) MessageInsertMany(_ context.Context, messages []NewMessage, _ time.Time) ([]Stored, error) {
	f.stored = append(f.stored, messages...)
	stored := make([]Stored, len(messages))
	for i, m := range messages {
		if stored[i].Message = m.Message; m.AppRef == "org_gone" {
			stored[i] = Stored{Err: NotFound()}
		}
	}
	return stored, f.refuse
}

func (f *fakeTx) DeliverySequenceMany(_ context.Context, messages []Sequenced) error {
	f.sequenced = append(f.sequenced, messages...)
	return nil
}

func fakeService(tx fakeTx) (*Service, *fakeTx) {
	s := &fakeStore{tx: tx}
	return NewService(s, nil, nil, func() time.Time { return noon }, EndpointRules{}), &s.tx
}

func anEndpoint(disabled bool) Endpoint {
	return Endpoint{AppID: "app_1", ID: "ep_1", UID: new("main"), URL: "https://example.com/", Version: 1, Disabled: disabled}
}

func fakeTasks(tx fakeTx) (*Tasks, *fakeTx) {
	s := &fakeStore{tx: tx}
	return NewTasks(s, func() time.Time { return noon }), &s.tx
}

type useCase func(context.Context, *Service, Scope) error

func patching(change func(*EndpointIn)) useCase {
	return func(ctx context.Context, s *Service, scope Scope) error {
		_, err := s.EndpointPatch(ctx, scope, "acme", "main", change)
		return err
	}
}

var endpointUseCases = map[string]struct {
	call     useCase
	disabled bool // before
	want     []string
}{
	"create": {call: func(ctx context.Context, s *Service, scope Scope) error {
		_, err := s.EndpointCreate(ctx, scope, "acme", EndpointIn{URL: "https://example.com/", Version: 1, Disabled: true})
		return err
	}, want: []string{"endpoint.created"}},
	"update": {call: func(ctx context.Context, s *Service, scope Scope) error {
		_, _, err := s.EndpointUpdate(ctx, scope, "acme", "main", EndpointIn{UID: new("main"), URL: "https://example.org/", Version: 1})
		return err
	}, want: []string{"endpoint.updated"}},
	"disable":     {call: patching(func(in *EndpointIn) { in.Disabled = true }), want: []string{"endpoint.updated", "endpoint.disabled"}},
	"enable":      {call: patching(func(in *EndpointIn) { in.Disabled = false }), disabled: true, want: []string{"endpoint.updated", "endpoint.enabled"}},
	"stay so":     {call: patching(func(in *EndpointIn) { in.Disabled = true }), disabled: true, want: []string{"endpoint.updated"}},
	"patch a bit": {call: patching(func(in *EndpointIn) { in.Description = "mine" }), want: []string{"endpoint.updated"}},
	"headers": {call: func(ctx context.Context, s *Service, scope Scope) error {
		return s.EndpointHeadersUpdate(ctx, scope, "acme", "main", Headers{"X-A": "1"})
	}, want: []string{"endpoint.updated"}},
	"patch headers": {call: func(ctx context.Context, s *Service, scope Scope) error {
		return s.EndpointHeadersPatch(ctx, scope, "acme", "main", HeadersPatch{Set: Headers{"X-A": "1"}})
	}, want: []string{"endpoint.updated"}},
	"rotate": {call: func(ctx context.Context, s *Service, scope Scope) error {
		_, err := s.EndpointSecretRotate(ctx, scope, "acme", "main", SecretRotateIn{})
		return err
	}, want: []string{"endpoint.updated"}},
	"delete": {call: func(ctx context.Context, s *Service, scope Scope) error {
		return s.EndpointDelete(ctx, scope, "acme", "main")
	}, want: []string{"endpoint.deleted"}},
}

func TestWhatBecomesOfEndpointsIsTold(t *testing.T) {
	t.Parallel()
	for name, test := range endpointUseCases {
		s, tx := fakeService(fakeTx{endpoint: anEndpoint(test.disabled)})
		if err := test.call(t.Context(), s, Scope{OrgID: "org_1"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want []OperationalEvent
		for _, eventType := range test.want {
			uid, more := `"main"`, ""
			if name == "create" {
				uid = "null"
			}
			if eventType == "endpoint.disabled" {
				more = `,"failSince":null,"trigger":"manual"`
			}
			want = append(want, OperationalEvent{OrgID: "org_1", Type: eventType, Subject: string(tx.endpoint.ID), Payload: fmt.Sprintf(
				`{"type":%q,"data":{"appId":"app_1","appUid":"acme","endpointId":%q,"endpointUid":%s%s}}`,
				eventType, tx.endpoint.ID, uid, more)})
		}
		if !slices.Equal(tx.told, want) {
			t.Errorf("%s: told %+v, want %+v", name, tx.told, want)
		}
	}
}

func TestWhatWasRefusedIsNotTold(t *testing.T) {
	t.Parallel()
	for name, test := range endpointUseCases {
		away := errors.New("away")
		s, tx := fakeService(fakeTx{endpoint: anEndpoint(false), refuse: away})
		if err := test.call(t.Context(), s, Scope{OrgID: "org_1"}); !errors.Is(err, away) || tx.told != nil {
			t.Errorf("%s: %v, told %+v", name, err, tx.told)
		}
	}
}

func TestNothingIsToldOfOperationalEndpoints(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]useCase{
		"create": func(ctx context.Context, s *Service, scope Scope) error {
			_, err := s.OperationalWebhookEndpointCreate(ctx, scope, EndpointIn{URL: "https://example.com/", Version: 1})
			return err
		},
		"disable": func(ctx context.Context, s *Service, scope Scope) error {
			in := EndpointIn{URL: "https://example.com/", Version: 1, Disabled: true}
			_, _, err := s.OperationalWebhookEndpointUpdate(ctx, scope, "main", in)
			return err
		},
		"headers": func(ctx context.Context, s *Service, scope Scope) error {
			return s.OperationalWebhookEndpointHeadersUpdate(ctx, scope, "main", Headers{"X-A": "1"})
		},
		"rotate": func(ctx context.Context, s *Service, scope Scope) error {
			return s.OperationalWebhookEndpointSecretRotate(ctx, scope, "main", SecretRotateIn{})
		},
		"delete": func(ctx context.Context, s *Service, scope Scope) error {
			return s.OperationalWebhookEndpointDelete(ctx, scope, "main")
		},
	} {
		s, tx := fakeService(fakeTx{endpoint: anEndpoint(false)})
		if err := call(t.Context(), s, Scope{OrgID: "org_1"}); err != nil || tx.told != nil {
			t.Errorf("%s: %v, told %+v", name, err, tx.told)
		}
	}
}

func TestTheEndOfATaskIsTold(t *testing.T) {
	t.Parallel()
	many := make([]AppUsage, 10_000)
	task := func(status TaskStatus, data TaskData, reason *string) BackgroundTask {
		return BackgroundTask{OrgID: "org_1", ID: "qtask_1", Task: TaskUsageApp, Status: status, Data: data, Error: reason}
	}
	for name, test := range map[string]struct {
		task BackgroundTask
		data string // empty: no event
	}{
		"running":      {task(TaskRunning, TaskData{AppStats: []AppUsage{}}, nil), ""},
		"finished":     {task(TaskFinished, TaskData{AppStats: []AppUsage{}}, nil), `{"appStats":[]}`},
		"failed":       {task(TaskFailed, TaskData{AppStats: []AppUsage{}}, new("gone")), `{"appStats":[],"error":"gone"}`},
		"too much":     {task(TaskFinished, TaskData{AppStats: many}, nil), `{}`},
		"too much yet": {task(TaskFailed, TaskData{AppStats: many}, new("gone")), `{"error":"gone"}`},
	} {
		var tx fakeTx
		if err := test.task.tellOfEnd(t.Context(), &tx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var want []OperationalEvent
		if test.data != "" {
			want = []OperationalEvent{{OrgID: "org_1", Type: "background_task.finished", Subject: "qtask_1", Payload: fmt.Sprintf(
				`{"type":"background_task.finished","data":{"taskId":"qtask_1","task":"application.stats","status":%q,"data":%s}}`,
				test.task.Status, test.data)}}
		}
		if !slices.Equal(tx.told, want) {
			t.Errorf("%s: told %.500v, want %v", name, tx.told, want)
		}
	}
}

func TestWhatIsToldOfAttempts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attempts int
		status   AttemptStatus
		last     bool // there are no more attempts
		want     string
	}{
		"success":                     {1, StatusSuccess, true, ""},
		"success after three":         {4, StatusSuccess, true, ""},
		"success after four":          {5, StatusSuccess, true, "message.attempt.recovered"},
		"success at the end":          {8, StatusSuccess, true, "message.attempt.recovered"},
		"first failure":               {1, StatusFail, false, ""},
		"third failure":               {3, StatusFail, false, ""},
		"fourth failure":              {4, StatusFail, false, "message.attempt.failing"},
		"fifth failure":               {5, StatusFail, false, ""},
		"fourth failure and the last": {4, StatusFail, true, "message.attempt.exhausted"},
		"only failure":                {1, StatusFail, true, "message.attempt.exhausted"},
		"eighth failure":              {8, StatusFail, true, "message.attempt.exhausted"},
	} {
		r := Result{Attempt: Attempt{Status: test.status}, Attempts: test.attempts}
		if !test.last {
			r.NextAt = noon
		}
		if got := r.OperationalEventType(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if r.Attempt.Trigger = TriggerManual; r.OperationalEventType() != "" {
			t.Errorf("%s, by hand: %q", name, r.OperationalEventType())
		}
	}
}

func TestEventsOfOneSubjectAreSequenced(t *testing.T) {
	t.Parallel()
	s, tx := fakeTasks(fakeTx{waiting: []OperationalEvent{
		{OrgID: "org_1", Subject: "ep_1", Place: 7}, {OrgID: "org_1", Place: 8}, {OrgID: "org_gone", Subject: "ep_2", Place: 9},
		{OrgID: "org_2", Subject: "msg_1 ep_1", Place: 10},
	}})
	if _, err := s.OperationalEventStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []Sequenced{
		{MessageID: tx.stored[0].ID, Subject: "ep_1", Place: 7}, {MessageID: tx.stored[3].ID, Subject: "msg_1 ep_1", Place: 10},
	}
	if !slices.Equal(tx.sequenced, want) {
		t.Errorf("sequenced %+v, want %+v", tx.sequenced, want)
	}
}

func TestEventsBecomeMessagesOfTheirOrganisations(t *testing.T) {
	t.Parallel()
	var waiting []OperationalEvent
	for i := range operationalEventsAtOnce + 1 {
		org := OrgID(fmt.Sprintf("org_%d", i%3))
		waiting = append(waiting, OperationalEvent{OrgID: org, Type: "endpoint.created", Payload: strings.Repeat("x", i)})
	}
	s, tx := fakeTasks(fakeTx{waiting: waiting})
	for step, want := range []bool{true, false, false} {
		if more, err := s.OperationalEventStep(t.Context()); more != want || err != nil {
			t.Errorf("step %d: more is %t, %v", step, more, err)
		}
	}
	if len(tx.stored) != len(waiting) {
		t.Fatalf("stored %d messages of %d events", len(tx.stored), len(waiting))
	}
	for i, m := range tx.stored {
		got := []any{m.OrgID, m.AppRef, m.EventType, *m.Payload, m.KeyHash, m.EventID, m.CreatedAt}
		want := []any{OperationalOrg, string(waiting[i].OrgID), "endpoint.created", waiting[i].Payload, []byte(nil), (*string)(nil), noon}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("message %d is %v, want %v", i, got, want)
		}
	}
	s, _ = fakeTasks(fakeTx{waiting: waiting, refuse: errors.New("away")})
	if more, err := s.OperationalEventStep(t.Context()); more || err == nil {
		t.Errorf("away: more is %t, %v", more, err)
	}
}
