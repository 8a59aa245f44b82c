package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// TestQueueRestoredIsDelivered kills the service with deliveries in all states, and starts it on a copy of the
// database in another cluster, whose transaction ids are unrelated to those in the dump.
func TestQueueRestoredIsDelivered(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	database := rig.NewDatabase(t)
	rig.PGTool(t, database, "pg_dump") // or skip the test
	// Make all transaction ids in the dump higher than those of a new cluster.
	rig.Execute(t, database, "DO 'BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'")
	d := newDebts(t, database)
	other := rig.NewBreakable(t)
	for name, target := range map[string]string{ //nolint:paralleltest // They share the receivers, which are to see all of it again.
		"another cluster":  rig.Must(other.URL(t.Context()))(t),
		"the same cluster": rig.NewEmptyDatabase(t),
	} {
		t.Run(name, func(t *testing.T) {
			copyDatabase(t, database, target)
			var dumped, here int64
			rig.Query(t, database, "SELECT pg_current_xact_id()::text::bigint", &dumped)
			rig.Query(t, target, "SELECT pg_current_xact_id()::text::bigint", &here)
			t.Logf("the dump was made at transaction %d, the copy is at %d", dumped, here)
			d.deliver(t, target)
		})
	}
}

// debts is everything a service owed when it was killed.
type debts struct {
	rig.Client
	app       string
	ids       []string        // each is owed to each of the receivers
	receivers []*rig.Receiver // deliveries to the first are leased, to the second FIFO, to the third failed
	open      atomic.Bool     // whether the receivers answer with success
}

// newDebts creates deliveries in all states and kills the processes.
func newDebts(t *testing.T, database string) *debts {
	t.Helper()
	d := &debts{}
	hang := func(_ http.ResponseWriter, r *http.Request, _ rig.Arrival) {
		if !d.open.Load() {
			<-r.Context().Done() // the attempt is in progress when the worker is killed
		}
	}
	fail := func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		if !d.open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	d.receivers = []*rig.Receiver{rig.NewReceiver(t, hang), rig.NewReceiver(t, hang), rig.NewReceiver(t, fail)}
	api := rig.Start(t, rig.Settings(database), "api")
	d.Client = api.Service(t).NewTenant(t)
	d.app = d.NewApplication(t)
	d.receivers[0].NewEndpoint(t, d.Client, d.app)
	d.receivers[1].NewFIFOEndpoint(t, d.Client, d.app)
	d.receivers[2].NewEndpoint(t, d.Client, d.app)

	worker := rig.Start(t, rig.Settings(database, longAttempts...), "worker")
	d.ids = d.SendMessages(t, d.app, 40)
	d.receivers[0].AwaitArrivals(t, 8)
	d.receivers[1].AwaitArrivals(t, 1)
	awaitRows(t, database, "SELECT count(*) FROM delivery WHERE attempts > 0", 10)
	worker.Kill()
	d.ids = append(d.ids, d.SendMessages(t, d.app, 40)...) // these have not been attempted
	api.Kill()
	for _, kind := range []string{"attempts > 0", "lease > 0 AND queue = 0", "lease = 0 AND queue = 0", "queue = 2"} {
		awaitRows(t, database, "SELECT count(*) FROM delivery WHERE "+kind, 1)
	}
	awaitRows(t, database, "SELECT count(*) FROM delivery", len(d.receivers)*len(d.ids))
	d.open.Store(true)
	return d
}

// deliver starts a process on a copy of the database. It fails unless everything owed arrives, FIFO deliveries in
// order, and a new message too, which it returns.
func (d *debts) deliver(t *testing.T, database string) (fresh string) {
	t.Helper()
	var marks []int
	for _, r := range d.receivers {
		marks = append(marks, len(r.All()))
	}
	p := rig.Start(t, rig.Settings(database, longAttempts...), "serve")
	c := rig.NewClient(t, p.Service(t).URL, d.Token)
	for i, r := range d.receivers {
		r.AwaitSince(t, marks[i], d.ids)
	}
	awaitRows(t, database, "SELECT (count(*) = 0)::int FROM delivery", 1)
	fresh = c.SendMessage(t, d.app)
	for _, r := range d.receivers {
		r.Await(t, fresh)
	}
	p.Stop(t)
	since := &rig.Receiver{Arrivals: d.receivers[1].All()[marks[1]:]}
	since.WantInOrder(t, append(slices.Clip(d.ids), fresh))
	return fresh
}

// longAttempts makes attempts outlast the moment when the process is killed, while its leases expire soon after.
var longAttempts = []string{
	"POSTRIDER_REQUEST_TIMEOUT=5s", "POSTRIDER_LEASE=8s", "POSTRIDER_CONCURRENCY=32", "POSTRIDER_ENDPOINT_CONCURRENCY=8",
	"POSTRIDER_CIRCUIT_FAILURES=0", "POSTRIDER_RETRY_SCHEDULE=1s,2s" + strings.Repeat(",5s", 40),
}

// awaitRows waits until a counting statement returns at least the given number.
func awaitRows(t testing.TB, database, statement string, least int) {
	t.Helper()
	rig.Await(t, func() string {
		var n int
		if rig.Query(t, database, statement, &n); n < least {
			return fmt.Sprintf("%d, want at least %d: %s", n, least, statement)
		}
		return ""
	})
}

// copyDatabase dumps a database and restores it into an empty one.
func copyDatabase(t testing.TB, from, to string) {
	t.Helper()
	restoreDump(t, dump(t, from), to)
}

// dump returns pg_dump's output.
func dump(t testing.TB, database string, options ...string) []byte {
	t.Helper()
	dumping := exec.CommandContext(t.Context(), rig.PGTool(t, database, "pg_dump"), append(options, "--no-owner", "--dbname="+database)...)
	return pipe(t, dumping, nil)
}

// restoreDump loads a dump into an empty database.
func restoreDump(t testing.TB, text []byte, database string) {
	t.Helper()
	pipe(t, exec.CommandContext(t.Context(), rig.PGTool(t, database, "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "--dbname="+database), text)
}

// pipe runs a program on an input and returns its output.
func pipe(t testing.TB, cmd *exec.Cmd, input []byte) []byte {
	t.Helper()
	var text, complaints bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = rig.CleanEnvironment(), bytes.NewReader(input), &text, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", cmd.Path, err, rig.Tail(complaints.String()))
	}
	return text.Bytes()
}
