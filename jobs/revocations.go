package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
)

// revocationStatementsMax bounds one run; the next run continues.
const revocationStatementsMax = 1000

// TokenRevocations deletes the revocations of tokens that have since expired, a bounded number at a time. It may run
// late without harm.
func TokenRevocations(ctx context.Context, store core.TokenRevocationPruner, now time.Time) error {
	for range revocationStatementsMax {
		forgotten, err := store.TokenRevocationPrune(ctx, now)
		if err != nil {
			return fmt.Errorf("forget revocations of tokens: %w", err)
		}
		if forgotten == 0 {
			break
		}
	}
	return nil
}
