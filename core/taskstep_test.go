package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

// stepAll makes steps of background tasks until none is waiting for one.
func stepAll(t *testing.T, store *coretest.Store) {
	t.Helper()
	clock := now
	stepAllAt(t, store, &clock)
}

func stepAllAt(t *testing.T, store *coretest.Store, clock *time.Time) {
	t.Helper()
	tasks := core.NewTasks(store, func() time.Time { return *clock })
	var turns core.TaskTurns
	for range 100 {
		switch more, err := tasks.BackgroundTaskStep(t.Context(), &turns); {
		case err != nil:
			t.Fatal(err)
		case !more:
			return
		}
	}
	t.Fatal("steps never end")
}

// purging returns a store with a running task that purges n messages.
func purging(t *testing.T, n int) *coretest.Store {
	t.Helper()
	service, store := newService(core.EndpointRules{})
	for range n {
		store.Messages = append(store.Messages, core.NewMessage{Message: core.Message{
			AppID: "app_1", ID: core.NewMessageID(now.Add(-time.Hour)), Payload: new("{}"), ExpiresAt: now.Add(time.Hour),
		}})
	}
	if _, err := service.MessageExpungeAll(t.Context(), scope, "acme"); err != nil {
		t.Fatal(err)
	}
	return store
}

func payloads(store *coretest.Store) (n int) {
	for _, m := range store.Messages {
		if m.Payload != nil {
			n++
		}
	}
	return n
}

func TestTaskStepContinuesAtTheCursor(t *testing.T) {
	t.Parallel()
	store := purging(t, 1100)
	for _, want := range []struct {
		processed int64
		left      int
		more      bool
		status    core.TaskStatus
	}{
		{500, 600, true, core.TaskRunning},
		{1000, 100, true, core.TaskRunning},
		{1100, 0, true, core.TaskFinished},
		{1100, 0, false, core.TaskFinished},
	} {
		// Each step is made by another process, which begins with what is in the database.
		tasks, turns := core.NewTasks(store, func() time.Time { return now }), core.TaskTurns{}
		more, err := tasks.BackgroundTaskStep(t.Context(), &turns)
		task := store.Tasks[0]
		if err != nil || more != want.more || task.Processed != want.processed || payloads(store) != want.left || task.Status != want.status {
			t.Errorf("more is %t, %d payloads are left, %+v, %v; want %+v", more, payloads(store), task, err, want)
		}
	}
	if sent := *store.Tasks[0].Progress().MessagesPurged; sent != 1100 {
		t.Errorf("%d messages count as purged", sent)
	}
	wantTold(t, store, "background_task.finished")
}

func TestTaskStepThatFailsIsRetriedAndGivenUp(t *testing.T) {
	t.Parallel()
	store := purging(t, 1)
	broken := errors.New("broken")
	store.StepErr = func() error { return broken }
	clock := now
	tasks := core.NewTasks(store, func() time.Time { return clock })
	var turns core.TaskTurns
	for failures, wait := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second} {
		more, err := tasks.BackgroundTaskStep(t.Context(), &turns)
		if failed, ok := errors.AsType[*core.TaskError](err); !more || !ok || failed.Task != core.TaskPurge || !errors.Is(err, broken) {
			t.Fatalf("more is %t, %v", more, err)
		}
		task := store.Tasks[0]
		if task.Status != core.TaskRunning || int(task.Failures) != failures+1 || !task.NextAt.Equal(clock.Add(wait)) {
			t.Errorf("after %d failures %+v", failures+1, task)
		}
		clock = task.NextAt.Add(-time.Microsecond)
		if more, err := tasks.BackgroundTaskStep(t.Context(), &turns); more || err != nil {
			t.Errorf("too early: more is %t, %v", more, err)
		}
		clock = clock.Add(time.Second) // places are looked for once a second at most
	}
	if _, err := tasks.BackgroundTaskStep(t.Context(), &turns); err == nil {
		t.Error("the fifth step succeeded")
	}
	if task := store.Tasks[0]; task.Status != core.TaskFailed || task.Progress().Error == "" || payloads(store) != 1 {
		t.Errorf("given up as %+v", task)
	}
	wantTold(t, store, "background_task.finished")
}

func TestTaskStepForgetsFailuresAfterASuccess(t *testing.T) {
	t.Parallel()
	store := purging(t, 1000)
	store.Tasks[0].Failures = 4
	tasks, turns := core.NewTasks(store, func() time.Time { return now }), core.TaskTurns{}
	if _, err := tasks.BackgroundTaskStep(t.Context(), &turns); err != nil || store.Tasks[0].Failures != 0 {
		t.Errorf("%+v, %v", store.Tasks[0], err)
	}
}

// An unavailable database is not the task's fault.
func TestTaskStepWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	store := purging(t, 1)
	store.StepErr = func() error { return &core.Error{Kind: core.KindUnavailable} }
	clock := now
	for range 10 {
		tasks, turns := core.NewTasks(store, func() time.Time { return clock }), core.TaskTurns{}
		if _, err := tasks.BackgroundTaskStep(t.Context(), &turns); err == nil {
			t.Fatal("the step succeeded")
		}
		if task := store.Tasks[0]; task.Status != core.TaskRunning || task.Failures != 0 {
			t.Fatalf("the task stands at %+v", task)
		}
		clock = clock.Add(5 * time.Second)
	}
	store.StepErr = nil
	stepAllAt(t, store, &clock)
	if store.Tasks[0].Status != core.TaskFinished || payloads(store) != 0 {
		t.Errorf("%+v, %d payloads are left", store.Tasks[0], payloads(store))
	}
}

// A task that fails must not keep another one of its application from its turn.
func TestTaskStepGoesToTheNextTask(t *testing.T) {
	t.Parallel()
	store := purging(t, 1000)
	first := store.Tasks[0]
	second := first
	second.ID, second.Data.MessagesPurged = core.NewTaskID(now.Add(time.Second)), new(int64)
	store.Tasks = append(store.Tasks, second)
	tasks, turns := core.NewTasks(store, func() time.Time { return now }), core.TaskTurns{}
	for _, want := range [][2]int64{{500, 0}, {500, 500}, {1000, 500}, {1000, 1000}} {
		if _, err := tasks.BackgroundTaskStep(t.Context(), &turns); err != nil {
			t.Fatal(err)
		}
		if got := [2]int64{store.Tasks[0].Processed, store.Tasks[1].Processed}; got != want {
			t.Errorf("the tasks have processed %v, want %v", got, want)
		}
	}
}
