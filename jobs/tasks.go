package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

// TaskStepper makes steps of background tasks; it is core's use case.
type TaskStepper interface {
	// BackgroundTaskStep makes one step of the task whose turn it is. False: there is none.
	BackgroundTaskStep(ctx context.Context) (bool, error)
}

const (
	taskPoll = time.Second // while there is nothing to do

	// taskStepTimeout is far more than a step takes. It bounds how long a stop waits for one, too.
	taskStepTimeout = 20 * time.Second
)

// Tasks makes steps of background tasks until ctx ends, one after the other: each step takes the task
// that has waited longest, so that all of them go on. A stop lets the step under way finish.
func Tasks(ctx context.Context, stepper TaskStepper, log *slog.Logger) {
	for ctx.Err() == nil {
		worked, err := taskStep(ctx, stepper)
		if err != nil {
			log.Error("step of a background task", "error", err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(taskPoll):
		}
	}
}

func taskStep(ctx context.Context, stepper TaskStepper) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), taskStepTimeout)
	defer cancel()
	return stepper.BackgroundTaskStep(ctx)
}

const (
	tasksDeletedAtOnce = 1000
	tasksDeletedMost   = 100 // times that many in one run; what is left is deleted in the next
)

// EndedTasks deletes the background tasks that ended so long ago that nobody asks for them any more.
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
