package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

// IdempotencyKeys deletes expired idempotency keys.
func IdempotencyKeys(ctx context.Context, store core.IdempotencyPruner, now time.Time, log *slog.Logger) error {
	deleted, err := store.IdempotencyPrune(ctx, now.Add(-core.IdempotencyLifetime))
	if err != nil {
		return fmt.Errorf("idempotency keys: %w", err)
	}
	log.Debug("idempotency keys deleted", "keys", deleted)
	return nil
}
