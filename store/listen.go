package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

const (
	listenRetry = time.Second

	// listenPing is how long a listening connection may hear nothing before it is checked. A connection that a proxy
	// or a firewall dropped would never hear anything again, and workers would depend on polling alone.
	listenPing = 15 * time.Second
)

// Listener is a worker that is notified of deliveries.
type Listener interface {
	Wake()             // waiting deliveries may be due, or there are fresh deliveries
	WakeFresh()        // there are fresh deliveries
	Recall(core.AppID) // deliveries of the application changed; "" means all applications
}

// Listen notifies a worker of deliveries until ctx ends. It replaces a lost connection. After connecting, it wakes
// the worker and recalls all applications, because announcements in between are lost. An announcement is a hint (a
// server of another node may swallow it), so listeners poll as well. Behind a transaction pooler, without a direct way
// to the database, polling is all there is, and Listen returns at once.
func (s *Store) Listen(ctx context.Context, l Listener) {
	if s.listening == nil {
		s.clock.log.Info("not listening for deliveries through a transaction pooler; polling for them")
		return
	}
	for ctx.Err() == nil {
		_ = s.listen(ctx, l) // every other user of the database meets the same error
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
}

// listenConfig returns how to connect in order to listen, or nil: a transaction pooler would subscribe a session that
// the next transaction shares with others.
func listenConfig(d Database, tracer pgx.QueryTracer) (*pgx.ConnConfig, error) {
	if d = d.Direct(); d.pooled() {
		return nil, nil
	}
	config, err := poolConfig(d)
	if err != nil {
		return nil, fmt.Errorf("direct connection: %w", err)
	}
	config.ConnConfig.Tracer = tracer
	return config.ConnConfig, nil
}

func (s *Store) listen(ctx context.Context, l Listener) error {
	conn, err := pgx.ConnectConfig(ctx, s.listening.Copy())
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if err := startListening(ctx, conn, statementTimeout); err != nil {
		return err
	}
	l.Recall("") // changes before this connection were missed
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

// nextNotification waits for a notification. It returns an error if the connection stops answering.
func nextNotification(ctx context.Context, conn *pgx.Conn, ping time.Duration) (*pgconn.Notification, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, ping)
		heard, err := conn.WaitForNotification(waiting)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return heard, err
		}
		// Another LISTEN has no effect, and pg_stat_activity keeps showing what the connection is for.
		if err := startListening(ctx, conn, pingTimeout); err != nil {
			return nil, err
		}
	}
}

// closeConn closes a connection to a server that may be gone.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// recall tells workers after a write that the deliveries they hold for the application are stale. If the write
// failed, it only returns err.
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
