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

func TestTaskIsSeenByItsApplication(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	store.Tasks = []core.BackgroundTask{
		{OrgID: "org_a", ID: "qtask_1", Task: core.TaskRecover, AppID: new(core.AppID("app_1"))},
		{OrgID: "org_a", ID: "qtask_2", Task: core.TaskPurge, AppID: new(core.AppID("app_2"))},
		{OrgID: "org_a", ID: "qtask_3", Task: core.TaskUsageApp},
		{OrgID: "org_b", ID: "qtask_4", Task: core.TaskUsageApp},
	}
	for name, test := range map[string]struct {
		scope  core.Scope
		filter core.BackgroundTaskFilter
		want   string
	}{
		"organisation":          {scope, core.BackgroundTaskFilter{}, "qtask_1 qtask_2 qtask_3"},
		"organisation, by kind": {scope, core.BackgroundTaskFilter{Task: core.TaskPurge}, "qtask_2"},
		"application":           {core.Scope{OrgID: "org_a", AppID: "app_1"}, core.BackgroundTaskFilter{}, "qtask_1"},
		"application, asking for another's": {
			core.Scope{OrgID: "org_a", AppID: "app_1"}, core.BackgroundTaskFilter{AppID: "app_2"}, "qtask_1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := service.BackgroundTaskList(t.Context(), test.scope, test.filter, tenRows)
			var ids []string
			for _, task := range list.Data {
				ids = append(ids, string(task.ID))
			}
			if got := strings.Join(ids, " "); err != nil || got != test.want {
				t.Errorf("listed %s, want %s; %v", got, test.want, err)
			}
			if test.filter != (core.BackgroundTaskFilter{}) {
				return
			}
			for _, id := range []core.TaskID{"qtask_1", "qtask_2", "qtask_3", "qtask_4"} {
				_, err := service.BackgroundTaskGet(t.Context(), test.scope, id)
				if seen := strings.Contains(test.want, string(id)); (err == nil) != seen || err != nil && !core.IsKind(err, core.KindNotFound) {
					t.Errorf("%s: %v, want it found: %t", id, err, seen)
				}
			}
		})
	}
}
