package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

const (
	listenRetry = time.Second

	// listenPing is how long a connection that listens hears nothing before it is asked whether it still works. One
	// that a proxy or a firewall dropped would hear nothing for ever, and workers would go by their polls alone.
	listenPing = 15 * time.Second
)

// Listener is a worker that is told of deliveries.
type Listener interface {
	Wake()             // deliveries that wait may be due, or there are fresh ones
	WakeFresh()        // there are fresh ones
	Recall(core.AppID) // those of an application have changed; "" is all applications
}

// Listen tells a worker of deliveries. After each connection it wakes it and recalls all applications, because
// announcements in between are lost. It returns only when ctx ends: a lost connection is made again. An
// announcement is a hint (a pooler between us and Postgres may swallow it), so listeners poll as well.
func (s *Store) Listen(ctx context.Context, l Listener) {
	for ctx.Err() == nil {
		_ = s.listen(ctx, l) // the same trouble shows wherever else the database is used
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
}

func (s *Store) listen(ctx context.Context, l Listener) error {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if err := startListening(ctx, conn, statementTimeout); err != nil {
		return err
	}
	l.Recall("") // changes before this connection were not heard of
	l.Wake()
	for {
		heard, err := nextNotification(ctx, conn, listenPing)
		if err != nil {
			return err
		}
		switch heard.Payload {
		case "":
			l.Wake()
		case "fresh":
			l.WakeFresh()
		default:
			l.Recall(core.AppID(heard.Payload))
			l.Wake()
		}
	}
}

func startListening(ctx context.Context, conn *pgx.Conn, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return queries.DeliveryListenAnyTenant(ctx, conn)
}

// nextNotification waits for a notification. It returns an error once the connection does not answer.
func nextNotification(ctx context.Context, conn *pgx.Conn, ping time.Duration) (*pgconn.Notification, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, ping)
		heard, err := conn.WaitForNotification(waiting)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return heard, err
		}
		// Once more changes nothing, and pg_stat_activity goes on showing what the connection is for.
		if err := startListening(ctx, conn, pingTimeout); err != nil {
			return nil, err
		}
	}
}

// closeConn takes leave of a server, which may be gone.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// recall goes with a write after which what workers hold of the application's deliveries is stale.
func (t tx) recall(ctx context.Context, app core.AppID, err error) error {
	if err != nil {
		return err
	}
	_, err = queries.DeliveryRecall(ctx, t.conn, string(app))
	return mapError(err)
}

func (s *Store) deliveryAnnounce(ctx context.Context, n news) error {
	_, err := queries.DeliveryAnnounceAnyTenant(ctx, s.pool, n&newsWaiting != 0)
	return err
}
