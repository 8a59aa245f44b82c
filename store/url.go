package store

import (
	"errors"
	"net/url"

	"github.com/jackc/pgx/v5/pgxpool"
)

const poolMaxConns = "pool_max_conns"

// parameters of the URL that only our driver knows; the migrations' driver would send them to the
// server, which refuses them.
var driverParameters = []string{
	poolMaxConns, "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime",
	"pool_max_conn_lifetime_jitter", "pool_max_conn_idle_time", "pool_health_check_period",
	"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
}

// CheckURL tells whether databaseURL can be understood at all. Its errors show no password.
func CheckURL(databaseURL string) error {
	if _, err := migrationURL(databaseURL); err != nil {
		return err
	}
	_, err := pgxpool.ParseConfig(databaseURL)
	return err
}

func namesPoolSize(databaseURL string) bool {
	u, err := url.Parse(databaseURL)
	return err == nil && u.Query().Has(poolMaxConns)
}

// migrationURL is databaseURL as the migrations' driver understands it, with TLS used where the
// server offers it, as our own driver does when nothing is said.
func migrationURL(databaseURL string) (*url.URL, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("must be a URL that begins with postgres://") // err would show the password
	}
	values := u.Query()
	for _, name := range driverParameters {
		values.Del(name)
	}
	if !values.Has("sslmode") {
		values.Set("sslmode", "prefer")
	}
	u.RawQuery = values.Encode()
	return u, nil
}
