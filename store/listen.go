package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

const listenRetry = time.Second

// Listen calls due whenever deliveries became due, and recall when those of an application have changed.
// Both it calls once after each connection, recall with "" for all applications, because what was
// announced in between is lost. It returns only when ctx ends: a lost connection is made again. An
// announcement is a hint and no promise (a pooler between us and Postgres may swallow it), so
// listeners look by themselves as well.
func (s *Store) Listen(ctx context.Context, due func(), recall func(core.AppID)) {
	for ctx.Err() == nil {
		_ = s.listen(ctx, due, recall) // the same trouble shows wherever else the database is used
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
}

func (s *Store) listen(ctx context.Context, due func(), recall func(core.AppID)) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := queries.DeliveryListenAnyTenant(ctx, conn); err != nil {
		return err
	}
	recall("") // who knows what was not heard until now
	for {
		due()
		heard, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if heard.Payload != "" {
			recall(core.AppID(heard.Payload))
		}
	}
}

// recall goes with a write after which what workers hold of the application's deliveries is stale.
func (t tx) recall(ctx context.Context, app core.AppID, err error) error {
	if err != nil {
		return err
	}
	_, err = queries.DeliveryRecall(ctx, t.conn, string(app))
	return mapError(err)
}

func (s *Store) deliveryAnnounce(ctx context.Context) error {
	_, err := queries.DeliveryAnnounceAnyTenant(ctx, s.pool)
	return err
}
