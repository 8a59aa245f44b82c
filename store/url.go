package store

import (
	"cmp"
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
func CheckURL(databaseURL string) error { return CheckURLThrough(PoolerNone, databaseURL) }

// CheckURLThrough is CheckURL for a URL of a pooler.
func CheckURLThrough(pooler Pooler, databaseURL string) error {
	_, err := poolConfig(Database{URL: databaseURL, Pooler: pooler})
	return err
}

// poolConfig parses the database's URL. It removes the parameters of the driver and its pool from those that are sent
// to the server, so every connection must use it.
func poolConfig(d Database) (*pgxpool.Config, error) {
	config, err := parseURL(d.URL)
	if err != nil {
		return nil, err
	}
	dialWatchfully(config)
	if !namesParameter(d.URL, "pool_max_conns") {
		config.MaxConns = connectionsDefault
	}
	parameters := config.ConnConfig.RuntimeParams
	if _, named := parameters["application_name"]; !named {
		parameters["application_name"] = cmp.Or(d.Application, "postrider")
	}
	if d.pooled() {
		return config, throughPooler(config.ConnConfig, d.URL)
	}
	parameters[searchPathSetting] = d.searchPath()
	return config, nil
}

func parseURL(databaseURL string) (*pgxpool.Config, error) {
	isURL := strings.HasPrefix(databaseURL, "postgres://") || strings.HasPrefix(databaseURL, "postgresql://")
	if !isURL && (strings.Contains(databaseURL, "://") || !strings.Contains(databaseURL, "=")) {
		return nil, errURL
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil && !isURL {
		return nil, errURL // the driver's error would show text that it cannot tell from a keyword
	}
	return config, err
}

// namesSeveralHosts reports whether there is another server to try. A fallback may also be the same host without TLS.
func namesSeveralHosts(c *pgx.ConnConfig) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port })
}

// namesParameter reports whether databaseURL, which is valid, sets a parameter of the driver or its pool.
func namesParameter(databaseURL, name string) bool {
	config, err := pgconn.ParseConfig(databaseURL) // this does not remove them
	if err != nil {
		return false
	}
	_, named := config.RuntimeParams[name]
	return named
}
