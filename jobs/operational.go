package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

// OperationalEventStepper sends operational webhooks. core implements it.
type OperationalEventStepper interface {
	// OperationalEventStep stores some events as messages, and reports whether there may be more.
	OperationalEventStep(ctx context.Context) (bool, error)
	// OperationalLaneStep releases some deliveries that wait for nothing, and returns where the next step begins.
	OperationalLaneStep(ctx context.Context, after core.Lane) (core.Lane, error)
}

// OperationalEvents stores pending operational webhooks as messages until ctx ends.
func OperationalEvents(ctx context.Context, stepper OperationalEventStepper, clock func() time.Time, log *slog.Logger) {
	var after core.Lane
	step := func(ctx context.Context) (more bool, err error) {
		if after, err = stepper.OperationalLaneStep(ctx, after); err != nil {
			return false, err
		}
		return stepper.OperationalEventStep(ctx)
	}
	steps(ctx, clock, step, func(err error) {
		log.Error("operational webhooks not stored; retrying", "error", err)
	})
}
