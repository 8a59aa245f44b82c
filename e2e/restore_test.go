package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRestoredQueueIsDelivered kills the service with deliveries in all states, and starts it on a copy
// of the database in another cluster, whose transaction ids have nothing to do with those of the dump.
func TestRestoredQueueIsDelivered(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	dump := pgTool(t, database, "pg_dump")
	// So that all ids of transactions in the dump lie ahead of those of a new cluster.
	execute(t, database, "DO 'BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'")
	api := start(t, settings(database), "api")
	c := api.service(t).tenant(t)
	app := c.application(t)
	var open atomic.Bool
	leased := newReceiver(t, nil)
	leased.answer = func(w http.ResponseWriter, r *http.Request, _ arrival) {
		if !open.Load() {
			<-r.Context().Done() // it is under way when the worker is killed
		}
	}
	ordered := newReceiver(t, leased.answer)
	failing := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		if !open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	receivers := []*receiver{leased, ordered, failing}
	leased.endpoint(t, c, app)
	failing.endpoint(t, c, app)
	ordered.fifo(t, c, app)

	worker := start(t, settings(database, longAttempts...), "worker")
	ids := c.messages(t, app, 40)
	failing.await(t, ids[:10]...)
	leased.awaitArrivals(t, 8)
	ordered.awaitArrivals(t, 1)
	awaitRows(t, database, "SELECT count(*) FROM delivery WHERE attempts > 0", 10)
	worker.kill()
	ids = append(ids, c.messages(t, app, 40)...) // these are fresh
	api.kill()
	for _, kind := range []string{"attempts > 0", "lease > 0 AND queue = 0", "lease = 0 AND queue = 0", "queue = 2"} {
		awaitRows(t, database, "SELECT count(*) FROM delivery WHERE "+kind, 1)
	}
	awaitRows(t, database, "SELECT count(*) FROM delivery", len(receivers)*len(ids))
	open.Store(true)

	other := newBreakable(t)
	copies := map[string]string{
		"another cluster":  must(other.url(t.Context()))(t),
		"the same cluster": newDatabase(t),
	}
	for name, target := range copies {
		t.Run(name, func(t *testing.T) { // one after the other: they share the receivers
			copyDatabase(t, dump, database, target)
			var dumped, here int64
			query(t, database, "SELECT pg_current_xact_id()::text::bigint", &dumped)
			query(t, target, "SELECT pg_current_xact_id()::text::bigint", &here)
			t.Logf("the dump was made at transaction %d, the copy is at %d", dumped, here)
			var marks []int
			for _, r := range receivers {
				marks = append(marks, len(r.all()))
			}
			p := start(t, settings(target, longAttempts...), "serve")
			p.ready(t)
			for i, r := range receivers {
				r.awaitSince(t, marks[i], ids)
			}
			awaitRows(t, target, "SELECT (count(*) = 0)::int FROM delivery", 1)
			again := newClient(t, p.service(t).url, c.token)
			fresh := again.message(t, app)
			for _, r := range receivers {
				r.await(t, fresh)
			}
			p.stop(t)
			since := &receiver{arrivals: ordered.all()[marks[1]:]}
			since.inOrder(t, append(ids[:len(ids):len(ids)], fresh))
		})
	}
}

// longAttempts are not over when a process is killed, while its leases are over soon after.
var longAttempts = []string{
	"POSTRIDER_REQUEST_TIMEOUT=5s", "POSTRIDER_LEASE=7s", "POSTRIDER_CONCURRENCY=32", "POSTRIDER_ENDPOINT_CONCURRENCY=8",
	"POSTRIDER_CIRCUIT_FAILURES=0", "POSTRIDER_RETRY_SCHEDULE=1s,2s" + strings.Repeat(",5s", 40),
}

// awaitRows waits until a statement that counts finds at least so many.
func awaitRows(t testing.TB, database, statement string, least int) {
	t.Helper()
	await(t, func() string {
		var n int
		if query(t, database, statement, &n); n < least {
			return fmt.Sprintf("%d, want at least %d: %s", n, least, statement)
		}
		return ""
	})
}

// awaitSince waits until each of the messages has arrived after the first so many webhooks.
func (r *receiver) awaitSince(t testing.TB, mark int, ids []string) {
	t.Helper()
	await(t, func() string {
		arrived := map[string]bool{}
		for _, a := range r.all()[mark:] {
			arrived[a.id] = true
		}
		missing := 0
		for _, id := range ids {
			if !arrived[id] {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Sprintf("%d of %d messages have not arrived", missing, len(ids))
		}
		return ""
	})
}

// pgTool finds a program of Postgres that is no older than the server of a database.
func pgTool(t testing.TB, database, name string) string {
	t.Helper()
	var server int
	query(t, database, "SELECT current_setting('server_version_num')::int / 10000", &server)
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	for _, program := range append([]string{filepath.Join(os.Getenv("PG_BINDIR"), name), name}, installed...) {
		version, _ := exec.CommandContext(t.Context(), program, "--version").Output() // none: it is not there
		var major int
		if _, text, found := strings.Cut(string(version), "(PostgreSQL) "); found {
			_, _ = fmt.Sscanf(text, "%d", &major)
		}
		if major >= server {
			return program
		}
	}
	t.Skipf("there is no %s of Postgres %d or newer", name, server)
	return ""
}

// copyDatabase dumps one database and restores it in another, an empty one.
func copyDatabase(t testing.TB, dump, from, to string) {
	t.Helper()
	var text, complaints bytes.Buffer
	dumping := exec.CommandContext(t.Context(), dump, "--no-owner", "--dbname="+from)
	dumping.Env, dumping.Stdout, dumping.Stderr = cleanEnvironment(), &text, &complaints
	restoring := exec.CommandContext(t.Context(), pgTool(t, to, "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "--dbname="+to)
	restoring.Env, restoring.Stdin, restoring.Stderr = cleanEnvironment(), &text, &complaints
	for _, cmd := range []*exec.Cmd{dumping, restoring} {
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v: %s", cmd.Path, err, tail(complaints.String()))
		}
	}
}
