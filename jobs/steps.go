package jobs

import (
	"context"
	"time"
)

const (
	stepPoll = time.Second // while there is nothing to do

	// stepRestRatio is how many times as long as a step the rest after it is.
	stepRestRatio = 4

	// stepTimeout is far longer than a step takes. It also bounds how long a shutdown waits for a step.
	stepTimeout = 20 * time.Second
)

// steps makes steps until ctx ends: one after the other while there is work, and otherwise one per second. After
// each step it rests for stepRestRatio times as long as the step took, up to a second, so that background work leaves
// most of the time, and of the database, to work that customers wait for. A step in progress is finished before steps
// returns.
func steps(ctx context.Context, clock func() time.Time, step func(context.Context) (bool, error), failed func(error)) {
	for ctx.Err() == nil {
		begun := clock()
		worked, err := oneStep(ctx, step)
		if err != nil {
			failed(err)
		}
		rest := stepPoll
		if worked && err == nil {
			rest = min(stepRestRatio*clock().Sub(begun), stepPoll)
		}
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
}

func oneStep(ctx context.Context, step func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	return step(ctx)
}
