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

// Tasks makes steps of background tasks until ctx ends: each step takes the task that has waited
// longest, so that all of them go on.
func Tasks(ctx context.Context, stepper TaskStepper, log *slog.Logger) {
	steps(ctx, stepper.BackgroundTaskStep, func(err error) {
		log.Error("step of a background task", "error", err)
	})
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
