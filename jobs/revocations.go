package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/postrider/postrider/core"
)

// revocationStatementsMax bounds one run; what is left is done in the next.
const revocationStatementsMax = 1000

// TokenRevocations forgets, a bounded number at a time, what was revoked of tokens that have expired
// since. Nothing depends on when it runs.
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
