package jobs

import (
	"context"
	"time"
)

const (
	stepPoll = time.Second // while there is nothing to do

	// stepTimeout is far more than a step takes. It bounds how long a stop waits for one, too.
	stepTimeout = 20 * time.Second
)

// steps makes steps until ctx ends, one after the other while there is work, and else one each second.
// A stop lets the step under way finish.
func steps(ctx context.Context, step func(context.Context) (bool, error), failed func(error)) {
	for ctx.Err() == nil {
		worked, err := oneStep(ctx, step)
		if err != nil {
			failed(err)
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(stepPoll):
		}
	}
}

func oneStep(ctx context.Context, step func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	return step(ctx)
}
