package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const listenRetry = time.Second

// Listen calls due whenever deliveries became due, and once after each connection, because what was
// announced in between is lost. It returns only when ctx ends: a lost connection is made again. An
// announcement is a hint and no promise (a pooler between us and Postgres may swallow it), so
// listeners look by themselves as well.
func (s *Store) Listen(ctx context.Context, due func()) {
	for ctx.Err() == nil {
		_ = s.listen(ctx, due) // the same trouble shows wherever else the database is used
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
}

func (s *Store) listen(ctx context.Context, due func()) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := queries.DeliveryListenAnyTenant(ctx, conn); err != nil {
		return err
	}
	for {
		due()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
