package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/postrider/postrider/core"
)

// TaskStepper makes steps of background tasks. core implements it.
type TaskStepper interface {
	// BackgroundTaskStep makes one step of the task whose turn it is, and reports whether there was one. If it returns
	// true and an error, only that task failed.
	BackgroundTaskStep(ctx context.Context, turns *core.TaskTurns) (bool, error)
}

// taskSteps is how many steps are made at a time, for different applications, so that an application with endless
// work does not keep another waiting. More would need more of the connections that jobs have.
const taskSteps = 2

// Tasks makes steps of background tasks until ctx ends. Organisations take turns, and so do the applications of each.
func Tasks(ctx context.Context, stepper TaskStepper, clock func() time.Time, log *slog.Logger) {
	var turns core.TaskTurns
	failed := func(err error) { log.Error("background task step failed; retrying", "error", err) }
	step := func(ctx context.Context) (bool, error) {
		worked, err := stepper.BackgroundTaskStep(ctx, &turns)
		if worked && err != nil { // other tasks do not wait for it
			failed(err)
			return true, nil
		}
		return worked, err
	}
	var running sync.WaitGroup
	for range taskSteps {
		running.Go(func() { steps(ctx, clock, step, failed) })
	}
	running.Wait()
}

const (
	tasksDeletedAtOnce = 1000
	tasksDeletedMost   = 100 // batches in one run; the next run deletes the rest
)

// EndedTasks deletes background tasks that ended long ago.
func EndedTasks(ctx context.Context, store core.TaskCleaner, now time.Time) error {
	for range tasksDeletedMost {
		deleted, err := store.BackgroundTaskDeleteEnded(ctx, core.TasksEndedBefore(now), tasksDeletedAtOnce)
		if err != nil {
			return fmt.Errorf("ended background tasks: %w", err)
		}
		if deleted < tasksDeletedAtOnce {
			return nil
		}
	}
	return nil
}
