package store

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var errURL = errors.New("must be a URL such as postgres://user:password@host/database, or keywords and values such as host=localhost dbname=postrider")

// CheckURL returns an error if databaseURL, which is a URL or keywords and values, is invalid. Its errors never
// contain a password.
func CheckURL(databaseURL string) error {
	_, err := poolConfig(databaseURL)
	return err
}

// poolConfig parses databaseURL. It removes the parameters of the driver and its pool from those that are sent to the
// server, so every connection must use it.
func poolConfig(databaseURL string) (*pgxpool.Config, error) {
	isURL := strings.HasPrefix(databaseURL, "postgres://") || strings.HasPrefix(databaseURL, "postgresql://")
	if !isURL && (strings.Contains(databaseURL, "://") || !strings.Contains(databaseURL, "=")) {
		return nil, errURL
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil && !isURL {
		return nil, errURL // the driver's error would show text that it cannot tell from a keyword
	}
	if err != nil {
		return nil, err
	}
	dialWatchfully(config)
	if !namesPoolSize(databaseURL) {
		config.MaxConns = connectionsDefault
	}
	return config, nil
}

// namesSeveralHosts reports whether there is another server to try. A fallback may also be the same host without TLS.
func namesSeveralHosts(c *pgx.ConnConfig) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port })
}

// namesPoolSize reports whether databaseURL, which is valid, sets the size of the pool.
func namesPoolSize(databaseURL string) bool {
	config, err := pgx.ParseConfig(databaseURL) // this does not remove the pool's parameters
	if err != nil {
		return false
	}
	_, named := config.RuntimeParams["pool_max_conns"]
	return named
}
