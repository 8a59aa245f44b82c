package rig

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/localpg/bouncer"
)

// Pooling is what E2E_POOLER puts between the processes of all tests and their databases.
type Pooling string

const (
	// NoPooling connects processes to Postgres itself.
	NoPooling Pooling = ""
	// Pooled puts a PgBouncer in transaction mode between them; processes migrate and listen on a direct URL.
	Pooled Pooling = "pgbouncer"
	// PooledOnly has no direct URL, except for databases that are not migrated yet.
	PooledOnly Pooling = "pgbouncer-only"
)

// UsedPooling returns the value of E2E_POOLER.
func UsedPooling() Pooling { return Pooling(os.Getenv("E2E_POOLER")) }

// bouncers are the PgBouncers of all tests, one for each server and user.
var bouncers bouncer.Running

// StopPoolers stops the PgBouncers of all tests.
func StopPoolers() {
	if err := bouncers.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: stop PgBouncer:", err)
	}
}

// connectQuery gives a session of the pooler what docs/poolers.md demands.
func connectQuery(schema string) string {
	return "SET search_path = " + schema + ", pg_temp; SET enable_seqscan = off; SET enable_bitmapscan = off; " +
		"SET plan_cache_mode = force_generic_plan; SET jit = off; SET max_parallel_workers_per_gather = 0; " +
		"SET idle_in_transaction_session_timeout = '30s'; SET lock_timeout = '5s'"
}

// ThroughPooler returns the settings of a process whose DATABASE_URL goes through a PgBouncer, which it starts.
// Settings that name several hosts stay as they are: PgBouncer does not look for the primary.
func ThroughPooler(ctx context.Context, settings []string) (pooled []string, err error) {
	database := valueOf(settings, "DATABASE_URL")
	config, invalid := pgx.ParseConfig(database)
	if database == "" || invalid != nil || namesSeveralHosts(config) {
		return settings, nil //nolint:nilerr // an invalid URL is for the process to refuse
	}
	schema := valueOf(settings, "POSTRIDER_SCHEMA")
	if schema == "" {
		schema = "postrider"
	}
	b, err := bouncers.Get(ctx, bouncer.Config{Server: database, ConnectQuery: connectQuery(schema)})
	if err != nil {
		return nil, err
	}
	through := MustParseURL(b.URL(config.Database))
	through.RawQuery = poolParameters(database, through.Query()).Encode()
	return append(slices.Clone(settings), "DATABASE_URL="+through.String(), "POSTRIDER_DATABASE_POOLER=transaction"), nil
}

func namesSeveralHosts(c *pgx.ConnConfig) bool {
	return slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != c.Host || f.Port != c.Port })
}

// poolParameters adds to a query the parameters of the driver's pool.
func poolParameters(database string, query url.Values) url.Values {
	u, err := url.Parse(database)
	if err != nil {
		return query // keywords and values
	}
	for name, values := range u.Query() {
		if strings.HasPrefix(name, "pool_") || name == "application_name" {
			query[name] = values
		}
	}
	return query
}

// pooledAsUsual applies E2E_POOLER to the settings of a process, unless they say what is between it and Postgres.
func pooledAsUsual(settings []string) ([]string, error) {
	pooling := UsedPooling()
	said := valueOf(settings, "POSTRIDER_DATABASE_POOLER") + valueOf(settings, "POSTRIDER_DATABASE_DIRECT_URL")
	if pooling == NoPooling || said != "" {
		return settings, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	direct := valueOf(settings, "DATABASE_URL")
	pooled, err := ThroughPooler(ctx, settings)
	if err == nil && len(pooled) > len(settings) && (pooling == Pooled || !isMigrated(ctx, direct)) {
		pooled = append(pooled, "POSTRIDER_DATABASE_DIRECT_URL="+direct)
	}
	return pooled, err
}

func isMigrated(ctx context.Context, database string) (migrated bool) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return true // nothing could be migrated either
	}
	defer conn.Close(ctx)
	const statement = "SELECT to_regclass('postrider.schema_migrations') IS NOT NULL"
	return conn.QueryRow(ctx, statement).Scan(&migrated) == nil && migrated
}

// valueOf returns the value that a process with these settings sees.
func valueOf(settings []string, name string) string {
	for _, setting := range slices.Backward(settings) {
		if value, ok := strings.CutPrefix(setting, name+"="); ok {
			return value
		}
	}
	return ""
}
