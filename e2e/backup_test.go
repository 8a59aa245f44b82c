package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// backupRate is the number of messages a second that are sent while a backup is made.
const backupRate = 100

// awaitAccepted waits until a load has n accepted messages.
func awaitAccepted(t testing.TB, l *rig.Load, n int) {
	t.Helper()
	rig.Await(t, func() string {
		if got := len(l.IDs()); got < n {
			return fmt.Sprintf("%d of %d messages are accepted: %v", got, n, l.Failure)
		}
		return ""
	})
}

// TestDumpTakenUnderLoadIsDelivered dumps only the schema of the service while messages are stored and delivered. One
// endpoint fails until the dump is restored, so that everything is owed to it.
func TestDumpTakenUnderLoadIsDelivered(t *testing.T) {
	t.Parallel()
	server := rig.NewLocalPostgres(t)
	database, target := server.Address, server.NewEmptyDatabase(t)
	p := rig.Start(t, rig.Settings(database, rig.ShortLeases...), "serve")
	c := p.Service(t).NewTenant(t)
	app := c.NewApplication(t)
	var open atomic.Bool
	well, failing := rig.NewReceiver(t, nil), rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		if !open.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	receivers := map[string]*rig.Receiver{well.NewEndpoint(t, c, app): well, failing.NewEndpoint(t, c, app): failing}
	l := rig.LoadAt(t, backupRate, c, app, 1<<20, rig.NewLead(well, 20*backupRate))
	l.Background(t)
	awaitAccepted(t, l, 2*backupRate)
	before := l.IDs()
	text := dump(t, database, "--schema=postrider")
	during := len(l.IDs()) - len(before)
	all := l.Halt(t)
	p.Kill()
	open.Store(true)

	restoreDump(t, text, target)
	owed, marks := map[string][]string{}, map[string]int{}
	for id, r := range receivers {
		var ids []string
		rig.Query(t, target, "SELECT coalesce(array_agg(message_id), '{}') FROM delivery WHERE endpoint_id = '"+id+"'", &ids)
		owed[id], marks[id] = ids, len(r.All())
		if r == failing && !containsAll(ids, before) {
			t.Errorf("%d are owed to the failing endpoint, and not all of the %d that were accepted before the dump", len(ids), len(before))
		}
	}
	again := rig.Start(t, rig.Settings(target, rig.ShortLeases...), "serve")
	c = rig.NewClient(t, again.Service(t).URL, c.Token)
	for id, r := range receivers {
		r.AwaitSince(t, marks[id], owed[id])
		r.Await(t, before...)
		duplicated, _ := r.Counts(owed[id])
		t.Logf("%d deliveries were owed in the dump, all arrived, %d of them more than once; %d messages were accepted before the dump, %d during it, and %d in all",
			len(owed[id]), duplicated, len(before), during, len(all))
	}
	awaitRows(t, target, "SELECT (count(*) = 0)::int FROM delivery", 1)
	fresh := c.SendMessage(t, app)
	well.Await(t, fresh)
	failing.Await(t, fresh)
}

// TestQueueRestoredToPointInTimeIsDelivered restores a base backup, which was made under load, and its archive to a
// restore point. What was owed then is delivered again, although it was delivered after the point. What had been
// delivered before is not, and what was sent afterwards is lost.
func TestQueueRestoredToPointInTimeIsDelivered(t *testing.T) {
	t.Parallel()
	rig.SkipIfShort(t)
	server := rig.NewLocalPostgres(t)
	archive := server.Archive(t)
	p := rig.Start(t, rig.Settings(server.Address), "serve")
	s := p.Service(t)
	c, r := rig.NewClient(t, s.URL, s.NewToken(t)), rig.NewReceiver(t, nil) // of the outbox's default organisation
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	l := rig.LoadAt(t, backupRate, c, app, 1<<20, rig.NewLead(r, 20*backupRate))
	l.Background(t)
	awaitAccepted(t, l, backupRate)
	copied := server.BaseBackup(t)
	ids := l.Halt(t)
	r.Await(t, ids...)
	p.Stop(t) // every result is recorded

	d := newDebts(t, server.Address)
	rig.Execute(t, server.Address, "SELECT message_send('"+app+"', 'of.the.outbox', '{\"outbox\":true}')",
		"SELECT pg_create_restore_point('owed')")
	later := d.deliver(t, server.Address)
	awaitOutbox(t, r, 1)
	server.AwaitArchived(t)
	rig.NoError(t, server.Stop(t.Context(), rig.Fast))

	copied.RestoreTo(t, archive, "owed")
	d.deliver(t, copied.Address)
	awaitOutbox(t, r, 2)
	again := rig.Start(t, rig.Settings(copied.Address), "api")
	d.Client = rig.NewClient(t, again.Service(t).URL, d.Token)
	d.Call(t, http.StatusNotFound, "GET", "/api/v1/app/"+d.app+"/msg/"+later, "")
	if duplicated, strange := r.Counts(ids); duplicated > 0 || strange != 2 {
		t.Errorf("%d of %d messages delivered before the restore point arrived again; "+
			"%d other ids came, want one for each time that the outbox was read", duplicated, len(ids), strange)
	}
}

// awaitOutbox waits until n webhooks came from the outbox.
func awaitOutbox(t testing.TB, r *rig.Receiver, n int) {
	t.Helper()
	rig.Await(t, func() string {
		if got := r.OfOutbox(); got != n {
			return fmt.Sprintf("%d webhooks came from the outbox, want %d", got, n)
		}
		return ""
	})
}
