package store

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTimeout is how long connecting may take if connect_timeout is not set. Connecting takes some round trips
	// and a new Postgres process. Without a limit, connections that were started while the server did not answer would
	// occupy the pool for minutes after it is back.
	connectTimeout = 10 * time.Second

	// connectTimeoutEach is the same for each of several hosts, because a host that is switched off delays the attempt
	// to reach the next one.
	connectTimeoutEach = 5 * time.Second

	// pingTimeout is how long an idle connection may take to answer before another one is used. Each connection that
	// the network has dropped delays one caller by that much.
	pingTimeout = 3 * time.Second
)

// keepAlive detects within 30 s (15 s plus three times 5 s) that the peer of an idle connection is gone. A listening
// connection is idle most of the time, and so is one whose server is working on a long statement. pgx's own default
// is 5 minutes, nine times.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialWatchfully configures connections to notice when the server disappears silently, because of a failed host, a
// firewall that forgot the connection, or a proxy.
func dialWatchfully(config *pgxpool.Config) {
	conn := config.ConnConfig
	switch {
	case conn.ConnectTimeout > 0: // set in DATABASE_URL
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
