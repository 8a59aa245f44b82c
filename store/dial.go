package store

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTimeout is how long connecting may take, where connect_timeout doesn't say. It is some round trips, and a
	// new process of Postgres. Without a limit, connections that were begun while the server answered nothing keep their
	// places in the pool for minutes after it is back.
	connectTimeout = 10 * time.Second

	// connectTimeoutEach is the same for each of several hosts. One that is switched off keeps the next from being asked.
	connectTimeoutEach = 5 * time.Second

	// pingTimeout is how long a connection that was idle may take to answer before another one is taken. Each that a
	// network has dropped costs one caller that much.
	pingTimeout = 3 * time.Second
)

// keepAlive finds out within 30 s, 15 and three times 5, that the other side of an idle connection is gone. A
// connection that listens is idle most of the time, and so is one whose server works on a long statement. pgx's own
// default is 5 minutes, nine times.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialWatchfully makes connections that notice when the server goes away without a word: by a failed host, a firewall that
// forgot them, or a proxy.
func dialWatchfully(config *pgxpool.Config) {
	conn := config.ConnConfig
	switch {
	case conn.ConnectTimeout > 0: // DATABASE_URL says so
	case namesSeveralHosts(conn):
		conn.ConnectTimeout = connectTimeoutEach
	default:
		conn.ConnectTimeout = connectTimeout
	}
	conn.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	if config.PingTimeout == 0 {
		config.PingTimeout = pingTimeout
	}
}
