package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
)

// AttemptCounts deletes attempt counts that statistics no longer need. It may run late without harm.
func AttemptCounts(ctx context.Context, store core.AttemptCountPruner, now time.Time) error {
	if _, err := store.AttemptCountPrune(ctx, core.AttemptCountsKeptSince(now)); err != nil {
		return fmt.Errorf("counts of attempts: %w", err)
	}
	return nil
}
