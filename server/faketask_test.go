package server

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
)

// faketasks is the part of a fake that holds background tasks and operational events. No test here runs a step of a
// task or takes out an event.
type faketasks struct {
	core.BackgroundTaskTx
	core.TaskStepTx
	core.OperationalTx
	core.OutboxTx
	tasks []core.BackgroundTask
	told  []core.OperationalEvent
}

func (f *fake) OperationalEventInsert(_ context.Context, e core.OperationalEvent) error {
	f.told = append(f.told, e)
	return nil
}

func (f *fake) BackgroundTaskInsert(ctx context.Context, t core.BackgroundTask) error {
	if _, err := f.BackgroundTaskRunningGet(ctx, t); err == nil {
		return core.AnotherTaskRuns()
	}
	f.tasks = append(f.tasks, t)
	return nil
}

func (f *fake) BackgroundTaskRunningGet(_ context.Context, t core.BackgroundTask) (core.TaskID, error) {
	running, err := get(f, f.tasks, func(other core.BackgroundTask) bool {
		return other.Status == core.TaskRunning && other.Task == t.Task && other.Place() == t.Place() &&
			orZero(other.EndpointID) == orZero(t.EndpointID)
	})
	return running.ID, err
}

func (f *fake) BackgroundTaskPlaceList(context.Context, string, int, time.Time) ([]core.TaskPlace, string, error) {
	return nil, "", f.broken
}

func (f *fake) BackgroundTaskGet(_ context.Context, org core.OrgID, id core.TaskID) (core.BackgroundTask, error) {
	return get(f, f.tasks, func(t core.BackgroundTask) bool { return t.OrgID == org && t.ID == id })
}

func (f *fake) BackgroundTaskList(_ context.Context, org core.OrgID, filter core.BackgroundTaskFilter, p core.Page) ([]core.BackgroundTask, string, error) {
	f.filter = filter
	return page(f, f.tasks, p, func(t core.BackgroundTask) string { return string(t.ID) },
		func(t core.BackgroundTask) bool {
			return t.OrgID == org && (filter.AppID == "" || t.AppID != nil && *t.AppID == filter.AppID) &&
				(filter.Status == "" || t.Status == filter.Status) && (filter.Task == "" || t.Task == filter.Task)
		})
}

func (f *fake) ApplicationResolveMany(ctx context.Context, org core.OrgID, refs []string) (map[string]core.AppID, error) {
	ids := map[string]core.AppID{}
	for _, ref := range refs {
		if app, err := f.ApplicationGet(ctx, org, ref); err == nil {
			ids[ref] = app.ID
		}
	}
	return ids, f.broken
}

// The ids of the fixture's tasks: a running one of the application one, and a failed one of the organisation.
const (
	taskOfApp = "qtask_2zzzzzzzzzzzzzzzzzzzzzzzzzz"
	taskOfOrg = "qtask_1zzzzzzzzzzzzzzzzzzzzzzzzzz"
)

func seedTasks(app core.AppID, endpoint core.EndpointID) []core.BackgroundTask {
	return []core.BackgroundTask{
		{
			OrgID: "org_a", ID: taskOfApp, Task: core.TaskRecover, AppID: &app, EndpointID: &endpoint,
			Status: core.TaskRunning, Processed: 12, Data: core.TaskData{MessagesSent: new(int64(3))},
			CreatedAt: testNow, UpdatedAt: testNow, NextAt: testNow,
		},
		{
			OrgID: "org_a", ID: taskOfOrg, Task: core.TaskUsageApp, Status: core.TaskFailed, Error: new("Ours"),
			Data:      core.TaskData{AppStats: []core.AppUsage{{AppID: app, MessageDestinations: 7}}},
			CreatedAt: testNow, UpdatedAt: testNow, NextAt: testNow,
		},
	}
}
