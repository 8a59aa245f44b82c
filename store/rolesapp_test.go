package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

var (
	generatedQuery = regexp.MustCompile("(?s)= `-- name: (\\w+) :\\w+\n(.*?)\n`")
	parameter      = regexp.MustCompile(`\$\d+`)
)

// explainable returns the generated queries that have a plan, by name.
func explainable(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "db", "*.sql.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range generatedQuery.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(match[2], "LISTEN") {
				found[match[1]] = match[2]
			}
		}
	}
	if len(found) < 100 {
		t.Fatalf("%d queries found", len(found))
	}
	return found
}

// explain plans a query, as the current role. Postgres checks privileges before it shows a plan.
func explain(ctx context.Context, conn *pgx.Conn, name, sql string) error {
	if _, err := conn.Prepare(ctx, name, sql); err != nil {
		return err
	}
	var last int
	for _, p := range parameter.FindAllString(sql, -1) {
		n, _ := strconv.Atoi(p[1:]) // digits
		last = max(last, n)
	}
	call := "EXPLAIN EXECUTE " + pgx.Identifier{name}.Sanitize()
	if last > 0 {
		call += "(" + strings.Join(slices.Repeat([]string{"NULL"}, last), ", ") + ")"
	}
	_, err := conn.Exec(ctx, call)
	return err
}

// TestServiceMayRunEachQuery and nothing that no query needs: without any one of its privileges, some query fails.
func TestServiceMayRunEachQuery(t *testing.T) {
	t.Parallel()
	_, admin := rolesWorld(t)
	conn := connectTo(t, admin.pool.Config().ConnString())
	do := func(statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	do("SET search_path = postrider, pg_temp", "SET plan_cache_mode = force_generic_plan", "SET ROLE postrider_app")
	all := explainable(t)
	for name, sql := range all {
		if err := explain(t.Context(), conn, name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, table := range tableRights {
		named := regexp.MustCompile(`\b` + table.Table + `\b`)
		for _, privilege := range table.App {
			if table.Table == "schema_migrations" {
				continue // which migrations were applied, dbmate reads
			}
			do("RESET ROLE", "BEGIN", fmt.Sprintf("REVOKE %s ON %s FROM postrider_app", privilege, table.Table), "SET LOCAL ROLE postrider_app")
			needed := false
			for name, sql := range all {
				if named.MatchString(sql) && sqlState(explain(t.Context(), conn, name, sql)) == codeForbidden {
					needed = true
					break
				}
			}
			do("ROLLBACK")
			if !needed {
				t.Errorf("no query needs %s on %s", privilege, table.Table)
			}
		}
	}
}

// TestRightsNameEachTable finds tables that were added without saying who may read them.
func TestRightsNameEachTable(t *testing.T) {
	t.Parallel()
	w := &world{Store: openStore(t, pg.Shared(t), nil), t: t}
	const tables = `SELECT array_agg(relname::text) FROM pg_class WHERE relnamespace = 'postrider'::regnamespace
		AND relkind IN ('r', 'p') AND (NOT relispartition OR relname ~ '_default$')`
	named := map[string]TableRights{}
	for _, r := range tableRights {
		named[r.Table] = r
	}
	for _, table := range value[[]string](w, tables) {
		if _, ok := named[table]; !ok {
			t.Errorf("%s is not among tableRights", table)
		}
	}
	const columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = ANY ($2)"
	for table, r := range named {
		if n := value[int](w, columns, table, r.Hidden); n != len(r.Hidden) {
			t.Errorf("%s: %q are hidden, and %d of them exist", table, r.Hidden, n)
		}
	}
}

// TestServiceWorksWithoutTheRightsOfTheOwner runs what the processes do.
func TestServiceWorksWithoutTheRightsOfTheOwner(t *testing.T) {
	t.Parallel()
	w, admin := rolesWorld(t)
	listening, stop := context.WithCancel(t.Context())
	heard, done := make(chan struct{}, 100), make(chan struct{})
	go func() { defer close(done); w.Listen(listening, listener{wake: func() { heard <- struct{}{} }}) }()
	<-heard // connected
	e := w.addEndpoint(nil)
	fifo := w.addEndpoint(func(e *core.Endpoint) { e.FIFO = true })
	ids := w.send(3)
	<-heard
	for range 3 { // one of a FIFO endpoint at a time
		for _, d := range w.claim(room()) {
			w.record(result(d, time.Time{}))
		}
	}
	if owed := w.owed(); owed[e.ID]+owed[fifo.ID] != 0 {
		t.Errorf("still owed: %v", owed)
	}
	page := core.Page{Before: "~", Limit: 10}
	service, scope := w.service(), orgScope
	lists := map[string]func() (int, error){
		"messages": func() (int, error) {
			l, err := service.MessageList(t.Context(), scope, string(w.app.ID), core.MessageFilter{}, page)
			return len(l.Data), err
		},
		"attempts": func() (int, error) {
			l, err := service.AttemptedMessageList(t.Context(), scope, string(w.app.ID), string(e.ID), core.AttemptedMessageFilter{}, page)
			return len(l.Data), err
		},
		"endpoints": func() (int, error) {
			l, err := service.EndpointList(t.Context(), scope, string(w.app.ID), page)
			return len(l.Data) + 1, err
		},
	}
	for name, list := range lists {
		if n, err := list(); n != len(ids) || err != nil {
			t.Errorf("%s: %d listed, %v", name, n, err)
		}
	}
	w.resend(ids[0], e.ID)
	w.replaysMissing(e)
	token := w.token("hash", "", now())
	if err := w.revocations().TokenRevoke(t.Context(), token); err != nil {
		t.Error(err)
	}
	if err := w.revocations().TokenRevokeMany(t.Context(), testOrg); err != nil {
		t.Error(err)
	}
	w.prunes(now().Add(time.Hour))
	w.cleanUp()
	for _, application := range []string{"acme", "nobody"} { // nobody's message becomes a dead letter
		admin.leave(application, `{}`)
	}
	w.ingest().OutboxIngestMany(t.Context(), w.inOutbox())
	if n := value[int](admin, "SELECT count(*) FROM outbox_dead_letter"); n != 1 || len(w.inOutbox()) != 0 {
		t.Errorf("%d dead letters, want 1; %d left", n, len(w.inOutbox()))
	}
	stop()
	<-done
}

// cleanUp deletes what is old, as the hourly jobs do.
func (w *world) cleanUp() {
	w.t.Helper()
	ctx, late := w.t.Context(), now().AddDate(1, 0, 0)
	if _, err := w.IdempotencyPrune(ctx, late); err != nil {
		w.t.Errorf("idempotency keys: %v", err)
	}
	if _, err := w.AttemptCountPrune(ctx, late); err != nil {
		w.t.Errorf("attempt counts: %v", err)
	}
	if _, err := w.PartitionAnalyze(ctx, late); err != nil {
		w.t.Errorf("statistics: %v", err)
	}
}
