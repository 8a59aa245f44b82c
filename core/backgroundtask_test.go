package core_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

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
