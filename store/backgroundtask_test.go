package store

import (
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestTasksAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	earlier := func(by time.Duration) *core.Service { // ids of the same instant have no order
		return w.serviceOn(w.Store, ahead(-by))
	}
	period := core.PeriodIn{Since: past()}
	first := w.ended(earlier(2*time.Second).EndpointRecover(t.Context(), orgScope, "acme", string(e.ID), period))
	second := w.ended(earlier(time.Second).EndpointReplayMissing(t.Context(), orgScope, "acme", string(e.ID), period))
	third := w.ended(w.service().StatsUsageEventTypes(t.Context(), orgScope))
	w.exec("UPDATE background_task SET data = jsonb_build_object('event_types', (SELECT jsonb_agg(jsonb_build_object('appId', md5(n::text))) FROM generate_series(1, 2000) AS n)) WHERE id = $1", third.ID)
	list := func(scope core.Scope, filter core.BackgroundTaskFilter, in core.PageIn) []core.BackgroundTask {
		t.Helper()
		page, err := core.NewBackgroundTaskPage(in)
		if err != nil {
			t.Fatal(err)
		}
		l, err := w.service().BackgroundTaskList(t.Context(), scope, filter, page)
		if err != nil {
			t.Fatal(err)
		}
		return l.Data
	}
	newest := core.PageIn{Descending: true}
	appScope := core.Scope{OrgID: testOrg, AppID: w.app.ID}
	for name, test := range map[string]struct {
		got  []core.BackgroundTask
		want []core.TaskID
	}{
		"all":                    {list(orgScope, core.BackgroundTaskFilter{}, newest), []core.TaskID{third.ID, second.ID, first.ID}},
		"oldest first":           {list(orgScope, core.BackgroundTaskFilter{}, core.PageIn{}), []core.TaskID{first.ID, second.ID, third.ID}},
		"behind one":             {list(orgScope, core.BackgroundTaskFilter{}, core.PageIn{Descending: true, Iterator: string(second.ID)}), []core.TaskID{first.ID}},
		"of an application":      {list(appScope, core.BackgroundTaskFilter{}, newest), []core.TaskID{second.ID, first.ID}},
		"of a kind":              {list(orgScope, core.BackgroundTaskFilter{Task: core.TaskReplayMissing}, newest), []core.TaskID{second.ID}},
		"that run":               {list(orgScope, core.BackgroundTaskFilter{Status: core.TaskRunning}, newest), nil},
		"of another":             {list(core.Scope{OrgID: testOrg, AppID: "app_x"}, core.BackgroundTaskFilter{}, newest), nil},
		"of another organsation": {list(core.Scope{OrgID: "org_other"}, core.BackgroundTaskFilter{}, newest), nil},
	} {
		var got []core.TaskID
		for _, task := range test.got {
			got = append(got, task.ID)
			if task.ID == first.ID && (task.Data.MessagesSent == nil || *task.EndpointID != e.ID || task.Parameters.Since.IsZero()) {
				t.Errorf("%s: %+v", name, task)
			}
			if task.ID == third.ID && task.Data.EventTypes != nil {
				t.Errorf("%s shows %d event types", name, len(task.Data.EventTypes))
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: listed %v, want %v", name, got, test.want)
		}
	}
	if n := len(w.task(third.ID).Data.EventTypes); n != 2000 {
		t.Errorf("got with %d lines", n)
	}
	if _, err := w.BackgroundTaskGet(t.Context(), "org_other", first.ID); !core.IsKind(err, core.KindNotFound) {
		t.Errorf("read by another organisation: %v", err)
	}
}

func TestEndedTasksAreDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	old, failed, recent := w.replaysMissing(e), w.replaysMissing(e), w.replaysMissing(e)
	running := w.recovers(e, past())
	w.exec("UPDATE background_task SET status = 'failed' WHERE id = $1", failed.ID)
	for _, task := range []*core.BackgroundTask{&old, &failed, &running} {
		began := core.NewTaskID(now().AddDate(0, 0, -92))
		w.exec("UPDATE background_task SET id = $2, updated_at = now() - interval '91 days' WHERE id = $1", task.ID, began)
		task.ID = began
	}
	long := w.replaysMissing(e) // began long ago and has just ended
	w.exec("UPDATE background_task SET id = $2 WHERE id = $1", long.ID, core.NewTaskID(now().AddDate(0, 0, -92)))
	before := core.TasksEndedBefore(now())
	for range 2 {
		if n, err := w.BackgroundTaskDeleteEnded(t.Context(), before, 1); err != nil || n != 1 {
			t.Errorf("deleted %d, %v; want one at a time", n, err)
		}
	}
	if n, err := w.BackgroundTaskDeleteEnded(t.Context(), before, 10); err != nil || n != 0 {
		t.Errorf("deleted %d, %v; want none", n, err)
	}
	w.task(running.ID)
	w.task(recent.ID)
	if _, err := w.BackgroundTaskGet(t.Context(), testOrg, old.ID); !core.IsKind(err, core.KindNotFound) {
		t.Errorf("an old task is left: %v", err)
	}
}
