package store

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// TestRunbookStatementsRun executes every statement of the runbook, as the role for reading and with psql's
// search_path. Each must find something, and every alert must have one.
func TestRunbookStatementsRun(t *testing.T) {
	t.Parallel()
	w := newBareWorld(t)
	databaseURL := w.pool.Config().ConnString()
	makeRoles(t, databaseURL)
	w.alarm()
	reader := connectAs(t, databaseURL, readonlyRole)
	page, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(page), "\n## ")[1:]
	if len(sections) == 0 {
		t.Fatal("the runbook has no sections")
	}
	block := regexp.MustCompile("(?s)```sql\n(.*?)```")
	for _, section := range sections {
		name, _, _ := strings.Cut(section, "\n")
		found := block.FindAllStringSubmatch(section, -1)
		if len(found) == 0 {
			t.Errorf("%s has no statement", name)
		}
		for _, sql := range found {
			results, err := reader.PgConn().Exec(t.Context(), sql[1]).ReadAll()
			if err != nil {
				t.Errorf("%s: %s: %v", name, sql[1], err)
			}
			for n, r := range results {
				if len(r.Rows) == 0 {
					t.Errorf("%s: statement %d finds nothing: %s", name, n+1, sql[1])
				}
			}
		}
	}
}

// connectAs connects as psql does, for another role.
func connectAs(t *testing.T, databaseURL, role string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(as(t, databaseURL, role))
	if err != nil {
		t.Fatal(err)
	}
	delete(config.RuntimeParams, "search_path")
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(context.WithoutCancel(t.Context()), conn) })
	return conn
}

// alarm fills the database with something for each alert. Until the test ends, a transaction of a consumer holds rows
// of the outbox and a snapshot.
func (w *world) alarm() {
	w.t.Helper()
	ctx := w.t.Context()
	w.incident()
	e := w.addEndpoint(func(e *core.Endpoint) { e.URL = "https://user:password@gone.example.test/" })
	w.exec("UPDATE endpoint SET disabled = true, disabled_reason = 'gone', failing_since = now() WHERE id = $1", e.ID)
	config := w.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["application_name"] = "postrider-consume"
	consumer, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { closeConn(context.WithoutCancel(ctx), consumer) })
	for _, sql := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT FROM outbox FOR UPDATE"} {
		if _, err := consumer.Exec(ctx, sql); err != nil {
			w.t.Fatal(err)
		}
	}
}
