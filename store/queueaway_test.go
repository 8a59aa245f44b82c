package store

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// TestQueueWithoutDatabaseIsUnavailable calls each method of the queue on a database that refuses connections. What logs
// outages, and rests during them, knows them by this kind of error.
func TestQueueWithoutDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.send(1)
	delivery := w.claim(room())[0]
	w.refuseConnections()

	q, ctx := w.queue(), t.Context()
	calls := map[string]func() error{
		"DeliveryTake":   func() error { _, err := q.DeliveryTake(ctx, room(), now()); return err },
		"DeliveryExpire": func() error { _, err := q.DeliveryExpire(ctx, now()); return err },
		"DeliverySweep":  func() error { _, err := q.DeliverySweep(ctx, now()); return err },
		"DeliveryClaim":  func() error { _, err := q.DeliveryClaim(ctx, room(), core.Queue{}, now()); return err },
		"MessagePayloadGet": func() error {
			_, err := q.MessagePayloadGet(ctx, delivery.AppID, delivery.MessageID, now())
			return err
		},
		"DeliveryRecord":   func() error { _, err := q.DeliveryRecord(ctx, result(delivery, now())); return err },
		"DeliveryRelease":  func() error { return q.DeliveryRelease(ctx, []core.Delivery{delivery}, now()) },
		"DeliveryPostpone": func() error { return q.DeliveryPostpone(ctx, delivery, now()) },
	}
	for name, call := range calls {
		if err := call(); !core.IsKind(err, core.KindUnavailable) {
			t.Errorf("%s returns %v, which is not unavailable", name, err)
		}
	}
}

// refuseConnections ends all connections to the database and lets nobody connect again.
func (w *world) refuseConnections() {
	w.t.Helper()
	config := w.pool.Config().ConnConfig
	database := pgx.Identifier{config.Database}.Sanitize()
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, statement := range []string{
		"ALTER DATABASE " + database + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = " + "'" + w.pool.Config().ConnConfig.Database + "'",
	} {
		if _, err := conn.Exec(w.t.Context(), statement); err != nil {
			w.t.Fatal(err)
		}
	}
}
