package store

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg"
)

// hosts returns a database URL that names other hosts before its own, in each form that DATABASE_URL can take.
func hosts(t *testing.T, database string, hosts, ports []string, more map[string]string) []string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	values := u.Query()
	values.Set("host", strings.Join(append(hosts, values.Get("host")), ","))
	values.Set("port", strings.Join(append(ports, values.Get("port")), ","))
	for name, value := range more {
		values.Set(name, value)
	}
	u.RawQuery = values.Encode()
	return []string{u.String(), keywords(*u)}
}

// server is the test's own Postgres, which listens only on a socket. It is read-only, so clients see it as a standby.
func server(t *testing.T) (s *localpg.Server, socketDir string) {
	t.Helper()
	s, err := localpg.Start(t.Context(), localpg.Config{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return s, u.Query().Get("host")
}

func execAt(t *testing.T, database string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func makeReadOnly(t *testing.T, s *localpg.Server) {
	t.Helper()
	execAt(t, s.URL(), "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
}

func TestDatabaseURLNamesHostsOfWhichTheFirstIsDown(t *testing.T) {
	t.Parallel()
	for name, first := range map[string][2]string{
		"nobody listens": {"127.0.0.1", "1"}, "no socket": {"/nonexistent", "5432"}, "no such name": {"nobody.invalid", "5432"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, form := range hosts(t, empty.New(t), []string{first[0]}, []string{first[1]}, nil) {
				connects(t, form)
			}
		})
	}
}

func TestDatabaseURLNamesHostsOfWhichTheFirstIsReadOnly(t *testing.T) {
	t.Parallel()
	standby, dir := server(t)
	makeReadOnly(t, standby)
	primary, _ := server(t)
	for _, form := range hosts(t, primary.URL(), []string{dir}, []string{"5432"}, map[string]string{"target_session_attrs": "read-write"}) {
		connects(t, form)
	}
	execAt(t, standby.URL(), "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
	if list, err := MigrateStatus(t.Context(), Database{URL: standby.URL()}); err != nil || len(list) == 0 || list[0].Applied {
		t.Errorf("the read-only server was migrated: %v, %v", list, err)
	}
}

func TestHostsThatDoNotAnswerAreGivenUp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"postgres://a,b/db":                              connectTimeoutEach,
		"postgres://a:1,a:2/db?sslmode=disable":          connectTimeoutEach,
		"host=/tmp/a,/tmp/b dbname=db":                   connectTimeoutEach,
		"postgres://a,b/db?connect_timeout=9":            9 * time.Second,
		"postgres://a/db":                                connectTimeout,
		"postgres://a/db?sslmode=prefer":                 connectTimeout, // twice, with and without TLS
		"postgres://someone@/db?host=/tmp/a&port=5432":   connectTimeout,
		"postgres://someone@%2Ftmp%2Fa/db?sslmode=allow": connectTimeout,
	} {
		config, err := poolConfig(Database{URL: text})
		if err != nil || config.ConnConfig.ConnectTimeout != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestStoreFollowsAFailoverWithoutARestart: the former primary stays up and refuses writes on existing connections.
func TestStoreFollowsAFailoverWithoutARestart(t *testing.T) {
	t.Parallel()
	first, dir := server(t)
	second, _ := server(t)
	form := hosts(t, second.URL(), []string{dir}, []string{"5432"}, map[string]string{"target_session_attrs": "read-write"})[0]
	for _, s := range []*localpg.Server{first, second} {
		if err := Migrate(t.Context(), Database{URL: s.URL()}); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, form, nil)
	service := core.NewService(s, nil, nil, time.Now, core.EndpointRules{})
	create := func() error {
		_, _, err := service.ApplicationCreate(t.Context(), core.Scope{OrgID: testOrg}, core.ApplicationIn{Name: "N"}, false)
		return err
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	counter, err := pgx.Connect(t.Context(), second.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close(context.WithoutCancel(t.Context()))
	makeReadOnly(t, first)
	deadline := time.Now().Add(time.Minute)
	for there := 0; there == 0; {
		if err := create(); err != nil && !core.IsKind(err, core.KindUnavailable) {
			t.Fatalf("%v, want it to be unavailable", err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the store stays with a server that refuses writes")
		}
		if err := counter.QueryRow(t.Context(), "SELECT count(*) FROM application").Scan(&there); err != nil {
			t.Fatal(err)
		}
	}
}
