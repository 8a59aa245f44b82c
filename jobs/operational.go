package jobs

import (
	"context"
	"log/slog"
)

// OperationalEventStepper sends operational webhooks; it is core's use case.
type OperationalEventStepper interface {
	// OperationalEventStep stores some events as messages. True: there may be more.
	OperationalEventStep(ctx context.Context) (bool, error)
}

// OperationalEvents stores what operational webhooks tell of as messages, until ctx ends.
func OperationalEvents(ctx context.Context, stepper OperationalEventStepper, log *slog.Logger) {
	steps(ctx, stepper.OperationalEventStep, func(err error) {
		log.Error("store operational webhooks", "error", err)
	})
}
