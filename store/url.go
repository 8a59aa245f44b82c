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

// CheckURL reports what is wrong with databaseURL, which is a URL or keywords and values. Its errors show no
// password.
func CheckURL(databaseURL string) error {
	_, err := poolConfig(databaseURL)
	return err
}

// poolConfig reads databaseURL. Parameters of the driver and its pool are taken out of what the server is
// sent, so that whatever connects has to begin here.
func poolConfig(databaseURL string) (*pgxpool.Config, error) {
	isURL := strings.HasPrefix(databaseURL, "postgres://") || strings.HasPrefix(databaseURL, "postgresql://")
	if !isURL && (strings.Contains(databaseURL, "://") || !strings.Contains(databaseURL, "=")) {
		return nil, errURL
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil && !isURL {
		return nil, errURL // the driver's error shows what it cannot tell from a keyword
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

// namesSeveralHosts reports whether there is another server to try. Fallbacks may also be the same host without TLS.
func namesSeveralHosts(c *pgx.ConnConfig) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port })
}

// namesPoolSize reports whether databaseURL, which is good, says how many connections the pool has.
func namesPoolSize(databaseURL string) bool {
	config, err := pgx.ParseConfig(databaseURL) // which leaves the pool's parameters where they are
	if err != nil {
		return false
	}
	_, named := config.RuntimeParams["pool_max_conns"]
	return named
}
