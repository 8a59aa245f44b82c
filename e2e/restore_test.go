package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRestoredQueueIsDelivered kills the service with deliveries in all states, and starts it on a copy
// of the database in another cluster, whose transaction ids have nothing to do with those of the dump.
func TestRestoredQueueIsDelivered(t *testing.T) {
	t.Parallel()
	skipIfShort(t)
	database := newDatabase(t)
	dump := pgTool(t, database, "pg_dump")
	// So that all ids of transactions in the dump lie ahead of those of a new cluster.
	execute(t, database, "DO 'BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'")
	d := newDebts(t, database)
	other := newBreakable(t)
	for name, target := range map[string]string{ //nolint:paralleltest // They share the receivers, which are to see all of it again.
		"another cluster":  must(other.url(t.Context()))(t),
		"the same cluster": newDatabase(t),
	} {
		t.Run(name, func(t *testing.T) {
			copyDatabase(t, dump, database, target)
			var dumped, here int64
			query(t, database, "SELECT pg_current_xact_id()::text::bigint", &dumped)
			query(t, target, "SELECT pg_current_xact_id()::text::bigint", &here)
			t.Logf("the dump was made at transaction %d, the copy is at %d", dumped, here)
			d.deliver(t, target)
		})
	}
}

// debts is what a service owed when it was killed.
type debts struct {
	client
	app       string
	ids       []string    // each is owed to each of the receivers
	receivers []*receiver // the first one's are leased, the second one's in order, the third one's failed
	open      atomic.Bool // they answer with success
}

// newDebts makes deliveries in all states and kills the processes.
func newDebts(t *testing.T, database string) *debts {
	t.Helper()
	d := &debts{}
	hang := func(_ http.ResponseWriter, r *http.Request, _ arrival) {
		if !d.open.Load() {
			<-r.Context().Done() // it is under way when the worker is killed
		}
	}
	fail := func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		if !d.open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	d.receivers = []*receiver{newReceiver(t, hang), newReceiver(t, hang), newReceiver(t, fail)}
	api := start(t, settings(database), "api")
	d.client = api.service(t).tenant(t)
	d.app = d.application(t)
	d.receivers[0].endpoint(t, d.client, d.app)
	d.receivers[1].fifo(t, d.client, d.app)
	d.receivers[2].endpoint(t, d.client, d.app)

	worker := start(t, settings(database, longAttempts...), "worker")
	d.ids = d.messages(t, d.app, 40)
	d.receivers[0].awaitArrivals(t, 8)
	d.receivers[1].awaitArrivals(t, 1)
	awaitRows(t, database, "SELECT count(*) FROM delivery WHERE attempts > 0", 10)
	worker.kill()
	d.ids = append(d.ids, d.messages(t, d.app, 40)...) // these are fresh
	api.kill()
	for _, kind := range []string{"attempts > 0", "lease > 0 AND queue = 0", "lease = 0 AND queue = 0", "queue = 2"} {
		awaitRows(t, database, "SELECT count(*) FROM delivery WHERE "+kind, 1)
	}
	awaitRows(t, database, "SELECT count(*) FROM delivery", len(d.receivers)*len(d.ids))
	d.open.Store(true)
	return d
}

// deliver starts a process on a copy of the database, and wants all that was owed to arrive, in order
// where that was asked for, and what comes afterwards too.
func (d *debts) deliver(t *testing.T, database string) {
	t.Helper()
	var marks []int
	for _, r := range d.receivers {
		marks = append(marks, len(r.all()))
	}
	p := start(t, settings(database, longAttempts...), "serve")
	c := newClient(t, p.service(t).url, d.token)
	for i, r := range d.receivers {
		r.awaitSince(t, marks[i], d.ids)
	}
	awaitRows(t, database, "SELECT (count(*) = 0)::int FROM delivery", 1)
	fresh := c.message(t, d.app)
	for _, r := range d.receivers {
		r.await(t, fresh)
	}
	p.stop(t)
	since := &receiver{arrivals: d.receivers[1].all()[marks[1]:]}
	since.inOrder(t, append(slices.Clip(d.ids), fresh))
}

// longAttempts are not over when a process is killed, while its leases are over soon after.
var longAttempts = []string{
	"POSTRIDER_REQUEST_TIMEOUT=5s", "POSTRIDER_LEASE=8s", "POSTRIDER_CONCURRENCY=32", "POSTRIDER_ENDPOINT_CONCURRENCY=8",
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
