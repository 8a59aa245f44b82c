package store

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/db"
)

// silencer is a proxy in front of a server that can go silent. It then keeps connections open and drops all data on
// them, like a firewall that forgot the connections. New connections work again immediately.
type silencer struct {
	listener net.Listener
	to       *pgx.ConnConfig
	epoch    atomic.Int64 // data on connections from earlier epochs is dropped
	bytes    atomic.Int64 // passed on to the server
}

// silence returns a URL of the same database through a silencer.
func silence(t *testing.T, database string) (*silencer, string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config, err := poolConfig(Database{URL: database})
	if err != nil {
		t.Fatal(err)
	}
	s := &silencer{listener: listener, to: config.ConnConfig}
	t.Cleanup(func() { listener.Close() })
	go s.serve()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	return s, u.String()
}

func (s *silencer) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		go s.join(conn)
	}
}

func (s *silencer) join(conn net.Conn) {
	defer conn.Close()
	kind, address := pgconn.NetworkAddress(s.to.Host, s.to.Port)
	server, err := net.Dial(kind, address)
	if err != nil {
		return
	}
	defer server.Close()
	epoch := s.epoch.Load()
	go func() {
		defer server.Close()
		s.copy(server, conn, epoch, &s.bytes)
	}()
	s.copy(conn, server, epoch, new(atomic.Int64))
	_, _ = io.Copy(io.Discard, server)
}

func (s *silencer) copy(to io.Writer, from io.Reader, epoch int64, bytes *atomic.Int64) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if s.epoch.Load() != epoch {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		bytes.Add(int64(n))
	}
}

// hush drops all further data on existing connections.
func (s *silencer) hush() { s.epoch.Add(1) }

func TestListenNoticesThatItsConnectionWasDropped(t *testing.T) {
	t.Parallel()
	proxy, database := silence(t, pg.New(t))
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if err := startListening(t.Context(), conn, statementTimeout); err != nil {
		t.Fatal(err)
	}
	proxy.hush()
	if heard, err := nextNotification(t.Context(), conn, 10*time.Millisecond); err == nil {
		t.Errorf("heard %v of a connection that was dropped", heard)
	}
}

func TestListenHearsAfterAQuietTime(t *testing.T) {
	t.Parallel()
	proxy, database := silence(t, pg.New(t))
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if err := startListening(t.Context(), conn, statementTimeout); err != nil {
		t.Fatal(err)
	}
	other := openStore(t, database, nil)
	began := proxy.bytes.Load()
	heard := make(chan error, 1)
	go func() {
		_, err := nextNotification(t.Context(), conn, time.Millisecond)
		heard <- err
	}()
	for proxy.bytes.Load() < began+100 { // many pings have come and gone
		select {
		case err := <-heard:
			t.Fatalf("heard something of nothing: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if err := other.deliveryAnnounce(t.Context(), newsFresh); err != nil {
		t.Fatal(err)
	}
	if err := <-heard; err != nil {
		t.Error(err)
	}
}

// TestSharesEndStatementsThatGetNoAnswer has no deadline in the context, like parts of the process that never end.
func TestSharesEndStatementsThatGetNoAnswer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const statement = "SELECT 1"
	inTx := func(work func(pgx.Tx) error) func(beginner, *silencer) error {
		return func(in beginner, proxy *silencer) error {
			return transact(ctx, in, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return errors.New("it went silent too early")
				}
				proxy.hush()
				return work(tx)
			})
		}
	}
	scan := func(conn db.DBTX) error {
		var n int
		return conn.QueryRow(ctx, statement).Scan(&n)
	}
	list := func(conn db.DBTX) error {
		rows, err := conn.Query(ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		rows.Next()
		return rows.Err()
	}
	for name, work := range map[string]func(beginner, *silencer) error{
		"row":       func(in beginner, p *silencer) error { p.hush(); return scan(in.(db.DBTX)) },
		"rows":      func(in beginner, p *silencer) error { p.hush(); return list(in.(db.DBTX)) },
		"begin":     func(in beginner, p *silencer) error { p.hush(); _, err := in.Begin(ctx); return err },
		"tx row":    inTx(func(tx pgx.Tx) error { return scan(tx) }),
		"tx rows":   inTx(func(tx pgx.Tx) error { return list(tx) }),
		"savepoint": inTx(func(tx pgx.Tx) error { return transact(ctx, tx, func(pgx.Tx) error { return nil }) }),
		"commit":    inTx(func(pgx.Tx) error { return nil }),
		"exec": func(in beginner, p *silencer) error {
			p.hush()
			_, err := in.(db.DBTX).Exec(ctx, statement)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, database := silence(t, pg.New(t))
			s := openStore(t, database+"&pool_max_conns=1", nil)
			if err := work(s.pools.sources.limited(500*time.Millisecond), proxy); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it ended with %v", err)
			}
			if err := scan(s.pools.sources); err != nil {
				t.Errorf("on a new connection: %v", err)
			}
		})
	}
}
