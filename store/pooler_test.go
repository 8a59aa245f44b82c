package store

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/localpg/bouncer"
)

// connectQuery gives the sessions of a PgBouncer the settings that they need, as its connect_query does.
func connectQuery() string {
	var statements []string
	for _, s := range SessionSettings(SchemaDefault) {
		statements = append(statements, "SET "+s.SQL())
	}
	return strings.Join(statements, "; ")
}

func databaseName(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// pool starts a PgBouncer in front of a database and returns the database through it.
func pool(t *testing.T, databaseURL, connectQuery string) (*bouncer.Bouncer, Database) {
	t.Helper()
	b := bouncer.New(t, bouncer.Config{Server: databaseURL, ConnectQuery: connectQuery})
	return b, Database{URL: b.URL(databaseName(t, databaseURL)), Pooler: PoolerTransaction}
}

func openPooled(t *testing.T, d Database) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Database: d, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func openError(t *testing.T, d Database) error {
	t.Helper()
	s, err := Open(t.Context(), Config{Database: d, Clock: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		s.Close()
	}
	return err
}

// TestPoolerServesStores: two stores share the sessions of a PgBouncer, so that each statement of one may find what
// the other left in a session.
func TestPoolerServesStores(t *testing.T) {
	t.Parallel()
	_, d := pool(t, pg.New(t), connectQuery())
	w := &world{Store: openPooled(t, d), t: t}
	w.app = w.addApplication(testOrg, "acme")
	w.sweep(now())
	w.addEndpoint(nil)
	other := &world{Store: openPooled(t, d), t: t, app: w.app}
	for range 5 {
		w.wantHotPath()
		other.wantHotPath()
		if err := listEventTypes(t.Context(), other.Store); err != nil {
			t.Error(err)
		}
		if err := w.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := other.compareClock(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := value[int](w, "SELECT count(*) FROM pg_prepared_statements"); n != 0 {
		t.Errorf("%d statements were prepared in a session of the pooler", n)
	}
}

var alterRole = regexp.MustCompile(`ALTER ROLE [^;]*;`)

// TestPoolerWithoutSettingsIsRefused also runs what the error says, after which the pooler is accepted.
func TestPoolerWithoutSettingsIsRefused(t *testing.T) {
	t.Parallel()
	database := pg.New(t)
	b, d := pool(t, database, "")
	err := openError(t, d)
	if err == nil || IsUnavailable(err) {
		t.Fatalf("%v, want a lasting error", err)
	}
	for _, s := range SessionSettings(SchemaDefault) {
		if !strings.Contains(err.Error(), s.SQL()) || !strings.Contains(err.Error(), s.Name+" is ") {
			t.Errorf("%v says nothing of %v", err, s)
		}
	}
	execAt(t, database, alterRole.FindAllString(err.Error(), -1)...)
	if err := b.Command(t.Context(), "RECONNECT"); err != nil {
		t.Fatal(err)
	}
	s := openPooled(t, d)
	// A setting that is lost later makes the database unavailable, until the role has it again.
	role := database[strings.Index(database, "//")+2 : strings.Index(database, "@")]
	lost := "ALTER ROLE " + role + " IN DATABASE " + databaseName(t, database)
	execAt(t, database, lost+" SET jit = on")
	if err := b.Command(t.Context(), "RECONNECT"); err != nil {
		t.Fatal(err)
	}
	s.pools.reset()
	err = s.Ready(t.Context())
	if cause, away := OutageCause(err); !away || cause != causeSettings {
		t.Errorf("%v, want an outage because of settings", err)
	}
	if err := openError(t, d); err == nil || len(alterRole.FindAllString(err.Error(), -1)) != 1 {
		t.Errorf("%v, want one setting to be wrong", err)
	}
	execAt(t, database, lost+" SET jit = off")
	if err := b.Command(t.Context(), "RECONNECT"); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPoolerThatIsNotDeclaredIsRefused: by one that refuses startup parameters, and by one that ignores them.
func TestPoolerThatIsNotDeclaredIsRefused(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	for name, more := range map[string][]string{"refuses": nil, "ignores": {"ignore_startup_parameters = search_path"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bouncer.New(t, bouncer.Config{Server: database, Settings: more})
			d := Database{URL: b.URL(databaseName(t, database))}
			_, status := MigrateStatus(t.Context(), d)
			for what, err := range map[string]error{"open": openError(t, d), "migrate": Migrate(t.Context(), d), "status": status} {
				if err == nil || IsUnavailable(err) || !strings.Contains(err.Error(), "set POSTRIDER_DATABASE_POOLER=transaction") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if locks := valueAt[int](t, database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"); locks != 0 {
				t.Errorf("%d locks are left in sessions", locks)
			}
		})
	}
}

func valueAt[T any](t *testing.T, database, statement string) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if err := conn.QueryRow(t.Context(), statement).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestPoolerCannotMigrate(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	_, d := pool(t, database, connectQuery())
	for what, err := range map[string]error{"up": Migrate(t.Context(), d), "down": MigrateDown(t.Context(), d)} {
		if err == nil || !strings.Contains(err.Error(), "set POSTRIDER_DATABASE_DIRECT_URL") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := valueAt[int](t, database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'postrider'"); n != 0 {
		t.Error("it changed the database")
	}
	direct := d
	direct.DirectURL = database
	if err := Migrate(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), d); err != nil {
		t.Errorf("with nothing to do: %v", err)
	}
	list, err := MigrateStatus(t.Context(), d)
	if err != nil || len(list) == 0 || !list[0].Applied {
		t.Errorf("status %v, %v", list, err)
	}
}

// TestMigrationsHaveNoTimeoutsOfTheRole: the role has them for use behind a pooler.
func TestMigrationsHaveNoTimeoutsOfTheRole(t *testing.T) {
	t.Parallel()
	database := empty.New(t)
	name := pgx.Identifier{databaseName(t, database)}.Sanitize()
	execAt(t, database, "ALTER ROLE CURRENT_USER IN DATABASE "+name+" SET lock_timeout = '5s'",
		"ALTER ROLE CURRENT_USER IN DATABASE "+name+" SET idle_in_transaction_session_timeout = '30s'")
	config, err := migrationConfig(Database{URL: database})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	var timeouts string
	const statement = "SELECT current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout')"
	if err := conn.QueryRow(t.Context(), statement).Scan(&timeouts); err != nil || timeouts != "0 0" {
		t.Errorf("timeouts are %q, want none; %v", timeouts, err)
	}
}

func TestPoolerIsListenedPast(t *testing.T) {
	t.Parallel()
	database := pg.New(t)
	_, d := pool(t, database, connectQuery())
	ctx, stop := context.WithCancel(t.Context())
	openPooled(t, d).Listen(ctx, listener{wake: func() { stop(); t.Error("it listened through the pooler") }})
	d.DirectURL = database
	s := openPooled(t, d)
	heard, done := make(chan struct{}, 100), make(chan struct{})
	go func() { defer close(done); s.Listen(ctx, listener{wake: func() { heard <- struct{}{} }}) }()
	<-heard // connected
	if err := s.deliveryAnnounce(t.Context(), newsWaiting); err != nil {
		t.Error(err)
	}
	<-heard
	stop()
	<-done
}

// TestPoolerListsEnd: without a timeout in the session, a list whose time is up ends in Postgres, too.
func TestPoolerListsEnd(t *testing.T) {
	t.Parallel()
	_, d := pool(t, pg.New(t), connectQuery())
	w := &world{Store: openPooled(t, d), t: t}
	if got := w.pools.lists.limit; got != listLimit {
		t.Errorf("lists may take %s, want %s", got, listLimit)
	}
	short := w.pools.lists.limited(200 * time.Millisecond)
	_, err := short.Exec(t.Context(), "SELECT pg_sleep(3600)")
	if !core.IsKind(mapError(err), core.KindUnavailable) {
		t.Errorf("%v, want it to be unavailable", err)
	}
	w.await("no statement is left in Postgres", func() bool {
		return value[int](w, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%3600)' AND state = 'active' AND pid <> pg_backend_pid()") == 0
	})
}

func TestPoolerShowsTheApplication(t *testing.T) {
	t.Parallel()
	database := pg.New(t)
	_, d := pool(t, database, connectQuery())
	const statement = "SELECT string_agg(DISTINCT application_name, ',') FROM pg_stat_activity WHERE pid = pg_backend_pid()"
	for _, test := range []struct {
		change func(*Database)
		want   string
	}{
		{func(*Database) {}, "postrider"},
		{func(d *Database) { d.Application = "postrider-worker" }, "postrider-worker"},
		{func(d *Database) { d.Application, d.URL = "postrider-worker", d.URL+"&application_name=ours" }, "ours"},
	} {
		for _, d := range []Database{d, {URL: database}} {
			test.change(&d)
			w := &world{Store: openPooled(t, d), t: t}
			if got := value[string](w, statement); got != test.want {
				t.Errorf("%s: the application is %q, want %q", d.Pooler, got, test.want)
			}
		}
	}
}

// TestPoolerIsFollowedInAFailover has a PgBouncer in front of each server.
func TestPoolerIsFollowedInAFailover(t *testing.T) {
	t.Parallel()
	first, _ := server(t)
	second, _ := server(t)
	var urls []string
	for _, database := range []string{first.URL(), second.URL()} {
		if err := Migrate(t.Context(), Database{URL: database}); err != nil {
			t.Fatal(err)
		}
		_, d := pool(t, database, connectQuery())
		urls = append(urls, d.URL)
	}
	u, err := url.Parse(urls[0])
	if err != nil {
		t.Fatal(err)
	}
	form := hosts(t, urls[1], []string{u.Query().Get("host")}, []string{u.Query().Get("port")}, map[string]string{"target_session_attrs": "read-write"})[0]
	s := openPooled(t, Database{URL: form, Pooler: PoolerTransaction})
	makeReadOnly(t, first)
	deadline := time.Now().Add(time.Minute)
	for {
		w := &world{Store: s, t: t}
		err := w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
			return tx.ApplicationInsert(ctx, core.Application{
				OrgID: testOrg, ID: core.NewAppID(now()), Name: "N", Metadata: core.Metadata{}, CreatedAt: now(), UpdatedAt: now(),
			})
		})
		if err != nil && !core.IsKind(err, core.KindUnavailable) {
			t.Fatalf("%v, want it to be unavailable", err)
		}
		if err == nil && valueAt[int](t, second.URL(), "SELECT count(*) FROM postrider.application") > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the store stays with a server that refuses writes")
		}
	}
}

// TestPoolerWhoseServerWentSilent: the pooler answers, and its sessions do not.
func TestPoolerWhoseServerWentSilent(t *testing.T) {
	t.Parallel()
	proxy, database := silence(t, pg.New(t))
	_, d := pool(t, database, connectQuery())
	s := openPooled(t, d)
	const statement = "SELECT 1"
	if _, err := s.pools.requests.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	proxy.hush()
	if _, err := s.pools.requests.limited(200*time.Millisecond).Exec(t.Context(), statement); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
	s.pools.reset()
	if _, err := s.pools.requests.Exec(t.Context(), statement); err != nil {
		t.Errorf("on a new session: %v", err)
	}
}

func TestPoolerRefusesOtherParameters(t *testing.T) {
	t.Parallel()
	for parameter, good := range map[string]bool{
		"search_path=x": true, "application_name=x": true, "TimeZone=UTC": true, "pool_max_conns=3": true,
		"statement_timeout=1s": false, "options=-cjit%3Don": false,
	} {
		err := CheckURLThrough(PoolerTransaction, "postgres://h/d?"+parameter)
		if name, _, _ := strings.Cut(parameter, "="); (err == nil) != good || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", parameter, err)
		}
	}
	for mode, want := range map[string]pgx.QueryExecMode{
		"": pgx.QueryExecModeCacheDescribe, "&default_query_exec_mode=cache_statement": pgx.QueryExecModeCacheStatement,
		"&default_query_exec_mode=exec": pgx.QueryExecModeExec,
	} {
		config, err := poolConfig(Database{URL: "postgres://h/d?sslmode=disable" + mode, Pooler: PoolerTransaction})
		if err != nil || config.ConnConfig.DefaultQueryExecMode != want {
			t.Errorf("%q: %v, %v", mode, config, err)
		}
	}
}

// TestPoolersPageIsRight: the page names the settings that are checked, and a PgBouncer with its settings works.
func TestPoolersPageIsRight(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/poolers.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, s := range SessionSettings(SchemaDefault) {
		if !strings.Contains(page, " SET "+s.SQL()+";\n") {
			t.Errorf("the page does not set %s for the role", s.SQL())
		}
	}
	_, section, _ := strings.Cut(page, "[pgbouncer]\n")
	section, _, found := strings.Cut(section, "```")
	_, query, alsoFound := strings.Cut(page, "connect_query='")
	query, _, _ = strings.Cut(query, "'\n")
	if !found || !alsoFound {
		t.Fatal("the page has no example")
	}
	var settings []string
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "listen_") && !strings.HasPrefix(line, "auth_") { // those of tests
			settings = append(settings, strings.TrimSpace(line))
		}
	}
	database := pg.New(t)
	b := bouncer.New(t, bouncer.Config{Server: database, ConnectQuery: strings.ReplaceAll(query, "''", "'"), Settings: settings})
	s := openPooled(t, Database{URL: b.URL(databaseName(t, database)), Pooler: PoolerTransaction})
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
