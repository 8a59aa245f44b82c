package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// addWatcher creates an operational-webhook endpoint that wants the given event types, or all if there are none.
func (w *world) addWatcher(org core.OrgID, eventTypes ...string) core.Endpoint {
	w.t.Helper()
	in := core.EndpointIn{URL: "https://ops.example/", Version: 1, EventTypes: eventTypes}
	e, err := w.service().OperationalWebhookEndpointCreate(w.t.Context(), core.Scope{OrgID: org}, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// told returns the events that were written and not taken out, in order, or nil if there are none.
func (w *world) told() []core.OperationalEvent {
	w.t.Helper()
	var events []core.OperationalEvent
	rollback := errors.New("only to look")
	err := w.InTx(w.t.Context(), func(ctx context.Context, tx core.Tx) error {
		taken, err := tx.OperationalEventTakeMany(ctx, 1000)
		if events = append(events, taken...); err != nil {
			return err
		}
		return rollback
	})
	if !errors.Is(err, rollback) {
		w.t.Fatal(err)
	}
	return events
}

// tell writes events of one organisation that differ in their payloads.
func (w *world) tell(org core.OrgID, payloads ...string) {
	w.t.Helper()
	w.in(func(ctx context.Context, tx core.Tx) error {
		for _, p := range payloads {
			if err := tx.OperationalEventInsert(ctx, core.OperationalEvent{OrgID: org, Type: "endpoint.updated", Payload: p}); err != nil {
				return err
			}
		}
		return nil
	})
}

// payloads returns the payloads of the messages stored for an operational-webhook endpoint, ordered by message id.
func (w *world) payloads(watcher core.Endpoint) []string {
	w.t.Helper()
	return value[[]string](w, `SELECT coalesce(array_agg(payload ORDER BY message.id), '{}') FROM message
		JOIN delivery ON delivery.message_id = message.id WHERE delivery.endpoint_id = $1`, watcher.ID)
}

// changes returns the use cases that write events about an endpoint whose uid is the use case's name. Each returns
// the number of its events.
func changes(w *world) map[string]func(context.Context, *core.Service) (int, error) {
	app := string(w.app.ID)
	return map[string]func(context.Context, *core.Service) (int, error){
		"create": func(ctx context.Context, s *core.Service) (int, error) {
			_, err := s.EndpointCreate(ctx, orgScope, app, core.EndpointIn{URL: "https://a.example/", Version: 1})
			return 1, err
		},
		"patch": func(ctx context.Context, s *core.Service) (int, error) {
			_, err := s.EndpointPatch(ctx, orgScope, app, "patch", func(in *core.EndpointIn) { in.Disabled = true })
			return 2, err
		},
		"headers": func(ctx context.Context, s *core.Service) (int, error) {
			return 1, s.EndpointHeadersUpdate(ctx, orgScope, app, "headers", core.Headers{"X-A": "1"})
		},
		"rotate": func(ctx context.Context, s *core.Service) (int, error) {
			_, err := s.EndpointSecretRotate(ctx, orgScope, app, "rotate", core.SecretRotateIn{})
			return 1, err
		},
		"delete": func(ctx context.Context, s *core.Service) (int, error) {
			return 1, s.EndpointDelete(ctx, orgScope, app, "delete")
		},
	}
}

func TestAnEventIsCommittedWithWhatItTellsOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	away := errors.New("away")
	for name, change := range changes(w) {
		w.addEndpoint(func(e *core.Endpoint) { e.UID = &name })
		s := w.serviceOn(&breaking{Store: w.Store, times: 1, err: away}, time.Now)
		if _, err := change(t.Context(), s); !errors.Is(err, away) || w.told() != nil {
			t.Errorf("%s that is rolled back: %v, told %+v", name, err, w.told())
		}
		want, err := change(t.Context(), w.service())
		if got := w.told(); err != nil || len(got) != want || got[0].OrgID != testOrg {
			t.Errorf("%s: %v, told %+v", name, err, got)
		}
		w.exec("DELETE FROM operational_event")
	}
}

func TestADeletedEndpointIsToldByTheUIDItHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	e := w.addEndpoint(func(e *core.Endpoint) { e.UID = new("main") })
	if err := w.service().EndpointDelete(t.Context(), orgScope, "acme", "main"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"type":"endpoint.deleted","data":{"appId":"%s","appUid":"acme","endpointId":"%s","endpointUid":"main"}}`, w.app.ID, e.ID)
	if got := w.told(); len(got) != 1 || got[0].Payload != want {
		t.Errorf("told %+v, want %s", got, want)
	}
}

func TestOnlyWhatAnEndpointWantsIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tell(testOrg, "nobody is there")
	others := w.addWatcher("org_other")
	w.tell(testOrg, "only others are there")
	picky := w.addWatcher(testOrg, "endpoint.created")
	w.tell(testOrg, "nobody wants it")
	off := w.addWatcher(testOrg)
	w.exec("UPDATE endpoint SET disabled = true WHERE id = $1", off.ID)
	w.tell(testOrg, "it is disabled")
	gone := w.addWatcher(testOrg)
	if err := w.service().OperationalWebhookEndpointDelete(t.Context(), orgScope, string(gone.ID)); err != nil {
		t.Fatal(err)
	}
	w.tell(testOrg, "it is deleted")
	if got := w.told(); got != nil {
		t.Errorf("told %+v", got)
	}
	w.exec("UPDATE endpoint SET disabled = false WHERE id = $1", off.ID)
	w.tell(testOrg, "sent")
	w.stepEvents(w.tasks())
	for e, want := range map[*core.Endpoint][]string{&others: {}, &picky: {}, &off: {"sent"}} {
		if got := w.payloads(*e); !slices.Equal(got, want) {
			t.Errorf("%s is owed %q, want %q", e.ID, got, want)
		}
	}
}

// stepEvents runs steps until nothing is left.
func (w *world) stepEvents(s *core.Tasks) {
	w.t.Helper()
	for more := true; more; {
		var err error
		if more, err = s.OperationalEventStep(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestAnEventBecomesAMessageThatIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watcher := w.addWatcher(testOrg)
	w.addEndpoint(nil) // the customer's own endpoint, which wants everything
	ctx, stop := context.WithCancel(t.Context())
	heard, done := make(chan struct{}, 100), make(chan struct{})
	go func() { defer close(done); w.Listen(ctx, listener{wake: func() { heard <- struct{}{} }}) }()
	<-heard // connected
	w.tell(testOrg, `{"type":"endpoint.updated","data":{}}`)
	w.stepEvents(w.tasks())
	select {
	case <-heard:
	case <-time.After(20 * time.Second):
		t.Error("no worker is woken")
	}
	stop()
	<-done
	got := w.claim(room())
	if len(got) != 1 || got[0].EndpointID != watcher.ID || got[0].Payload != `{"type":"endpoint.updated","data":{}}` || got[0].Manual {
		t.Fatalf("claimed %+v", got)
	}
	m, err := w.MessageGet(t.Context(), watcher.AppID, string(got[0].MessageID))
	if err != nil || m.EventType != "endpoint.updated" || m.ExpiresAt.Before(now().Add(89*24*time.Hour)) {
		t.Errorf("the message is %+v, %v", m, err)
	}
}

func TestEventsOfAnApplicationThatIsGoneAreDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, there := w.addWatcher(testOrg), w.addWatcher("org_other")
	w.tell(testOrg, "a")
	w.tell("org_other", "b")
	w.exec("UPDATE application SET deleted_at = now(), uid = NULL WHERE id = $1", gone.AppID)
	w.stepEvents(w.tasks())
	if w.told() != nil || len(w.payloads(gone)) != 0 || !slices.Equal(w.payloads(there), []string{"b"}) {
		t.Errorf("left %+v; owed %q and %q", w.told(), w.payloads(gone), w.payloads(there))
	}
}

func TestEventsThatAreTakenOutAtOnceAreStoredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watcher := w.addWatcher(testOrg)
	var want []string
	for i := range 1_500 {
		want = append(want, fmt.Sprint(i))
	}
	w.tell(testOrg, want...)
	var takers sync.WaitGroup
	for range 4 {
		takers.Go(func() {
			for s := w.tasks(); value[int](w, "SELECT count(*) FROM operational_event") > 0; {
				if _, err := s.OperationalEventStep(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	takers.Wait()
	if got := w.payloads(watcher); !slices.Equal(got, want) {
		t.Errorf("stored %d messages: %.300v", len(got), got)
	}
}

// Message ids follow the order of the events, even if a second process takes the rest while the first one is still at
// work.
func TestWhoComesWhileAnotherTakesEventsOutWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watcher := w.addWatcher(testOrg)
	w.tell(testOrg, "first")
	second := make(chan error, 1)
	w.in(func(ctx context.Context, tx core.Tx) error {
		taken, err := tx.OperationalEventTakeMany(ctx, 10)
		if err != nil || len(taken) != 1 {
			t.Errorf("took %+v, %v", taken, err)
		}
		w.tell(testOrg, "second")
		go func() {
			_, err := w.tasks().OperationalEventStep(t.Context())
			second <- err
		}()
		w.awaitLock()
		payload := "first"
		at := now()
		m := core.NewMessage{
			Message: core.Message{ID: core.NewMessageID(at), EventType: "endpoint.updated", Payload: &payload, ExpiresAt: at.Add(time.Hour), CreatedAt: at},
			OrgID:   core.OperationalOrg, AppRef: string(testOrg),
		}
		<-time.After(5 * time.Millisecond) // ids have a resolution of 4 ms
		_, err = tx.MessageInsertMany(ctx, []core.NewMessage{m}, at)
		return err
	})
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	w.stepEvents(w.tasks())
	if got := w.payloads(watcher); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("stored %q", got)
	}
}

func TestAnEventOutlivesWhoTakesItOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	watcher := w.addWatcher(testOrg)
	w.tell(testOrg, "a", "b")
	s := w.tasksOn(&breaking{Store: w.Store, times: 1, before: func() { // the messages are stored and the commit is next
		w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'idle in transaction'`)
	}}, time.Now)
	if _, err := s.OperationalEventStep(t.Context()); err == nil {
		t.Error("the step survived its connection")
	}
	if got := w.told(); len(got) != 2 || len(w.payloads(watcher)) != 0 {
		t.Errorf("left %+v, stored %q", got, w.payloads(watcher))
	}
	w.stepEvents(w.tasks())
	if got := w.payloads(watcher); w.told() != nil || len(got) != 2 {
		t.Errorf("left %+v, stored %q", w.told(), got)
	}
}

func TestTheEndOfATaskIsToldWhicheverStepMakesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	e := w.addEndpoint(nil)
	w.addAttempts(e, 500, w.addMessages(w.app.ID, 700, past())...)
	task := w.recovers(e, past().Add(-time.Minute))
	s := w.tasks()
	if _, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err != nil || w.told() != nil {
		t.Errorf("after one step of two: %v, told %+v", err, w.told())
	}
	s = w.tasksOn(&breaking{Store: w.Store, times: 1, err: errors.New("a defect")}, time.Now)
	if _, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err == nil || w.told() != nil {
		t.Errorf("after a step that failed: %v, told %+v", err, w.told())
	}
	w.steps(w.tasksAhead(time.Minute))
	want := fmt.Sprintf(`{"type":"background_task.finished","data":{"taskId":"%s","task":"endpoint.recover","status":"finished",`+
		`"data":{"messagesProcessed":700,"messagesSent":700}}}`, task.ID)
	if got := w.told(); len(got) != 1 || got[0].Payload != want {
		t.Errorf("told %+v, want %s", got, want)
	}
}

func TestATaskThatFailsIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg, "background_task.finished")
	e := w.addEndpoint(nil)
	w.recovers(e, past())
	w.exec("UPDATE endpoint SET deleted_at = now() WHERE id = $1", e.ID)
	w.steps(w.tasks())
	w.recovers(w.addEndpoint(nil), past())
	w.exec("UPDATE background_task SET failures = 4 WHERE status = 'running'")
	s := w.tasksOn(&breaking{Store: w.Store, times: 1, err: errors.New("a defect")}, time.Now)
	if _, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err == nil {
		t.Error("the step did not fail")
	}
	got := w.told()
	if len(got) != 2 || !strings.Contains(got[0].Payload, "The endpoint was deleted.") || !strings.Contains(got[1].Payload, "Internal error; the operator") {
		t.Errorf("told %+v", got)
	}
}

// The step fails for the fifth time in one process, while another process completes it.
func TestATaskThatMovedOnIsNotToldToHaveFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addWatcher(testOrg)
	w.recovers(w.addEndpoint(nil), past())
	w.exec("UPDATE background_task SET failures = 4")
	s := w.tasksOn(&after{breaking: breaking{Store: w.Store, times: 1, err: errors.New("a defect")}, then: func() { w.steps(w.tasks()) }}, time.Now)
	if _, err := s.BackgroundTaskStep(t.Context(), new(core.TaskTurns)); err == nil {
		t.Error("the step did not fail")
	}
	if got := w.told(); len(got) != 1 || !strings.Contains(got[0].Payload, `"status":"finished"`) {
		t.Errorf("told %+v", got)
	}
}

// after is a breaking store that runs an action when the first unit of work is over.
type after struct {
	breaking
	then func()
	once sync.Once
}

func (a *after) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	err := a.breaking.InTx(ctx, work)
	a.once.Do(a.then)
	return err
}

func TestChangesOfOperationalEndpointsAreNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, s := w.addWatcher(testOrg), w.service()
	w.addWatcher(testOrg)
	in := core.EndpointIn{URL: "https://ops.example/", Version: 1, Disabled: true}
	_, _, err := s.OperationalWebhookEndpointUpdate(t.Context(), orgScope, string(e.ID), in)
	err = errors.Join(err, s.OperationalWebhookEndpointHeadersUpdate(t.Context(), orgScope, string(e.ID), core.Headers{"X-A": "1"}),
		s.OperationalWebhookEndpointSecretRotate(t.Context(), orgScope, string(e.ID), core.SecretRotateIn{}),
		s.OperationalWebhookEndpointDelete(t.Context(), orgScope, string(e.ID)))
	if got := w.told(); err != nil || got != nil {
		t.Errorf("%v, told %+v", err, got)
	}
}
