package rig

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Silencer is a proxy to a database that can go silent: it accepts connections and keeps them open, but forwards
// nothing. After Heal new connections work, while old ones stay silent, as if a firewall had forgotten them.
type Silencer struct {
	Address string
	to      *pgx.ConnConfig
	epoch   atomic.Int64 // odd: silent. Data on connections from an earlier epoch is dropped
}

// NewSilencer starts a silencer in front of a database. It runs until the test ends.
func NewSilencer(t testing.TB, database string) *Silencer {
	t.Helper()
	s := &Silencer{to: Must(pgx.ParseConfig(database))(t)}
	s.Address = ServeTCP(t, s.join)
	return s
}

// Hush silences all connections.
func (s *Silencer) Hush() { s.epoch.Add(1) }

// Heal lets new connections work again.
func (s *Silencer) Heal() { s.epoch.Add(1) }

func (s *Silencer) join(conn net.Conn) {
	defer conn.Close()
	epoch := s.epoch.Load()
	if epoch%2 != 0 {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	kind, address := pgconn.NetworkAddress(s.to.Host, s.to.Port)
	server, err := net.Dial(kind, address)
	if err != nil {
		return
	}
	var there sync.WaitGroup
	there.Go(func() {
		defer server.Close()
		s.copy(server, conn, epoch)
	})
	s.copy(conn, server, epoch)
	server.Close()
	if s.epoch.Load() != epoch {
		there.Wait()
		_, _ = io.Copy(io.Discard, conn) // do not forward that the server closed the connection either
	}
	conn.Close()
	there.Wait()
}

func (s *Silencer) copy(to io.Writer, from io.Reader, epoch int64) {
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
	}
}
