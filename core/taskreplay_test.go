package core_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

func TestEndpointReplayChecksItsPeriod(t *testing.T) {
	t.Parallel()
	const minute, day = time.Minute, 24 * time.Hour
	at := func(d time.Duration) *time.Time { return new(now.Add(d)) }
	for name, test := range map[string]struct {
		since    time.Duration // from now
		until    *time.Time
		recovers bool // EndpointRecover accepts the period
		replays  bool // the others do
	}{
		"an hour":               {-time.Hour, nil, true, true},
		"14 days":               {-14*day - 5*minute, nil, true, true},
		"more than 14 days":     {-14*day - 5*minute - 1, nil, false, true},
		"14 days long ago":      {-50 * day, at(-36 * day), true, true},
		"backwards":             {-day, at(-2 * day), false, false},
		"clock ahead":           {5 * minute, nil, true, true},
		"future":                {5*minute + 1, nil, false, false},
		"of before all payload": {-200 * day, at(-190 * day), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			period := core.PeriodIn{Since: now.Add(test.since), Until: test.until}
			_, recovered := service.EndpointRecover(t.Context(), scope, "acme", "main", period)
			_, missing := service.EndpointReplayMissing(t.Context(), scope, "acme", "main", period)
			_, bulk := service.EndpointBulkReplay(t.Context(), scope, "acme", "main", core.ReplayIn{PeriodIn: period})
			for i, err := range []error{recovered, missing, bulk} {
				good := i == 0 && test.recovers || i > 0 && test.replays
				if !good {
					wantField(t, err, "since")
				} else if err != nil {
					t.Errorf("task %d: %v", i, err)
				}
			}
			for _, task := range store.Tasks {
				if p := task.Parameters; p.Until.After(now) || p.Since.Before(now.Add(-90*day)) {
					t.Errorf("the task begins at %s and ends at %s", p.Since, p.Until)
				}
			}
		})
	}
}

func TestEndpointBulkReplayChecksItsFilter(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*core.ReplayIn){
		"":              func(in *core.ReplayIn) { in.Channel, in.Tag, in.EventTypes = "a:b", "a/b", []string{"c"} },
		"channel":       func(in *core.ReplayIn) { in.Channel = "a b" },
		"tag":           func(in *core.ReplayIn) { in.Tag = "a b" },
		"eventTypes":    func(in *core.ReplayIn) { in.EventTypes = []string{} },
		"eventTypes[1]": func(in *core.ReplayIn) { in.EventTypes = []string{"a", "b c"} },
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			in := core.ReplayIn{PeriodIn: core.PeriodIn{Since: now.Add(-time.Hour)}, Status: new(core.StatusFail), CodeFrom: 500, CodeTo: 599}
			change(&in)
			_, err := service.EndpointBulkReplay(t.Context(), scope, "acme", "main", in)
			if field != "" {
				wantField(t, err, field)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p := store.Tasks[0].Parameters
			if p.Channel != "a:b" || p.Tag != "a/b" || p.EventTypes[0] != "c" || *p.Status != core.StatusFail || p.CodeFrom != 500 || p.CodeTo != 599 {
				t.Errorf("the task has %+v", p)
			}
		})
	}
}

// newReplay is newSent with messages of the last hours: one failed at ep_1, one succeeded, one was never sent there.
func newReplay() (*core.Service, *coretest.Store) {
	service, store := newSent(core.EndpointRules{})
	store.Messages, store.Attempts = nil, nil
	for i, name := range []string{"failed", "succeeded", "missing"} {
		at := now.Add(time.Duration(i-3) * time.Hour)
		m := core.Message{AppID: "app_1", ID: core.NewMessageID(at), EventID: &name, Payload: new("{}"), ExpiresAt: now.Add(time.Hour)}
		store.Messages = append(store.Messages, core.NewMessage{Message: m})
		a := core.Attempt{AppID: "app_1", ID: core.NewAttemptID(at), MessageID: m.ID, EndpointID: "ep_1", Status: core.StatusFail}
		if name == "succeeded" {
			a.Status = core.StatusSuccess
		}
		if name != "missing" {
			store.Attempts = append(store.Attempts, a)
		}
	}
	return service, store
}

// delivered returns the event ids of the messages that are to be delivered.
func delivered(store *coretest.Store) (names []string) {
	for _, d := range store.Deliveries {
		for _, m := range store.Messages {
			if m.ID == d.MessageID {
				names = append(names, *m.EventID)
			}
		}
	}
	return names
}

func TestEndpointReplayDeliversWhatItIsFor(t *testing.T) {
	t.Parallel()
	type start func(*core.Service, core.PeriodIn) (core.BackgroundTask, error)
	recovers := func(s *core.Service, p core.PeriodIn) (core.BackgroundTask, error) {
		return s.EndpointRecover(t.Context(), scope, "acme", "main", p)
	}
	missing := func(s *core.Service, p core.PeriodIn) (core.BackgroundTask, error) {
		return s.EndpointReplayMissing(t.Context(), scope, "acme", "main", p)
	}
	bulk := func(s *core.Service, p core.PeriodIn) (core.BackgroundTask, error) {
		return s.EndpointBulkReplay(t.Context(), scope, "acme", "main", core.ReplayIn{PeriodIn: p})
	}
	for name, test := range map[string]struct {
		start     start
		since     time.Duration // before now
		delivered []string
		processed int64
	}{
		"recover":                  {recovers, 4 * time.Hour, []string{"failed"}, 3},
		"recover, later":           {recovers, 150 * time.Minute, nil, 2},
		"replay missing":           {missing, 4 * time.Hour, []string{"missing"}, 3},
		"bulk replay":              {bulk, 4 * time.Hour, []string{"failed", "succeeded"}, 3},
		"bulk replay, later":       {bulk, 150 * time.Minute, []string{"succeeded"}, 2},
		"replay missing of nobody": {missing, time.Minute, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newReplay()
			if _, err := test.start(service, core.PeriodIn{Since: now.Add(-test.since)}); err != nil {
				t.Fatal(err)
			}
			stepAll(t, store)
			if got := delivered(store); !slices.Equal(got, test.delivered) {
				t.Errorf("delivered %v, want %v", got, test.delivered)
			}
			task := store.Tasks[0]
			if p := task.Progress(); task.Status != core.TaskFinished || *p.MessagesProcessed != test.processed || *p.MessagesSent != int64(len(test.delivered)) {
				t.Errorf("the task ended as %+v", task)
			}
			wantTold(t, store, "background_task.finished")
		})
	}
}

func TestEndpointReplayFailsWithItsEndpoint(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*coretest.Store){
		"The endpoint was deleted.":    func(s *coretest.Store) { s.Endpoints = nil },
		"The endpoint is disabled.":    func(s *coretest.Store) { s.Endpoints[0].Disabled = true },
		"The application was deleted.": func(s *coretest.Store) { s.Applications = nil },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			service, store := newReplay()
			if _, err := service.EndpointRecover(t.Context(), scope, "acme", "main", core.PeriodIn{Since: now.Add(-4 * time.Hour)}); err != nil {
				t.Fatal(err)
			}
			change(store)
			stepAll(t, store)
			if task := store.Tasks[0]; task.Status != core.TaskFailed || task.Progress().Error != want || len(store.Deliveries) != 0 {
				t.Errorf("the task ended as %+v", task)
			}
			if wantTold(t, store, "background_task.finished"); !strings.Contains(store.Told[0].Payload, want) {
				t.Errorf("told %s", store.Told[0].Payload)
			}
		})
	}
}

// A task leaves room for other deliveries to its endpoint.
func TestEndpointReplayPausesWhileMuchIsDue(t *testing.T) {
	t.Parallel()
	service, store := newReplay()
	store.Deliveries = make([]core.Delivery, 10_000)
	for i := range store.Deliveries {
		store.Deliveries[i] = core.Delivery{AppID: "app_1", EndpointID: "ep_1"}
	}
	if _, err := service.EndpointRecover(t.Context(), scope, "acme", "main", core.PeriodIn{Since: now.Add(-4 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	stepAll(t, store)
	task := store.Tasks[0]
	if task.Status != core.TaskRunning || task.Processed != 0 || !task.NextAt.Equal(now.Add(2*time.Second)) {
		t.Errorf("the task stands at %+v", task)
	}
	store.Deliveries = store.Deliveries[1:]
	clock := now.Add(2 * time.Second)
	stepAllAt(t, store, &clock)
	if task := store.Tasks[0]; task.Status != core.TaskFinished || len(store.Deliveries) != 10_000 {
		t.Errorf("the task stands at %+v", task)
	}
}
