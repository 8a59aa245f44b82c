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

// steps makes steps until ctx ends: one after the other while there is work, and else one each second. After each it
// rests for as long as the step took, up to a second. So background work takes at most half of the time that it could
// have, and what customers wait for has the other half.
// A stop lets the step under way finish.
func steps(ctx context.Context, clock func() time.Time, step func(context.Context) (bool, error), failed func(error)) {
	for ctx.Err() == nil {
		begun := clock()
		worked, err := oneStep(ctx, step)
		if err != nil {
			failed(err)
		}
		rest := stepPoll
		if worked && err == nil {
			rest = min(clock().Sub(begun), stepPoll)
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
