package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/postrider/postrider/e2e/rig"
)

// failover is a service under load on a primary and its standby.
type failover struct {
	*rig.Pair
	api, worker *rig.Process
	receiver    *rig.Receiver
	load        *rig.SoakLoad
	stop        func() // ends the load and waits until each message is answered or given up
}

// severalHosts names both servers, the standby first.
func severalHosts(t testing.TB, pair *rig.Pair) string {
	t.Helper()
	return hostsURL(pair.Primary.Address, rig.Bridge(t, pair.Standby), rig.Bridge(t, pair.Primary))
}

// oneAddress is that of a proxy that is switched to the standby after its promotion.
func oneAddress(t testing.TB, pair *rig.Pair) string {
	t.Helper()
	return rig.URLAt(pair.Primary.Address, rig.Bridge(t, pair))
}

// newFailover starts an API and a worker, and a load whose clients retry every request until it is answered.
func newFailover(t *testing.T, pair *rig.Pair, database string) *failover {
	t.Helper()
	f := &failover{Pair: pair, receiver: rig.NewReceiver(t, nil)}
	f.api = rig.Start(t, rig.Settings(database, rig.ShortLeases...), "api")
	api := f.api.Service(t)
	f.worker = rig.Start(t, rig.Settings(database, rig.ShortLeases...), "worker")
	f.worker.AwaitReady(t)
	c := api.NewTenant(t)
	app := c.NewApplication(t)
	f.receiver.NewEndpoint(t, c, app)
	healed, heal := context.WithCancel(t.Context())
	f.load = &rig.SoakLoad{
		API: func() string { return rig.MustParseURL(api.URL).Host }, Token: c.Token, Apps: []string{app},
		Ledger: rig.NewLedger(), Healed: healed, Complain: t.Errorf,
	}
	running, stop := context.WithCancel(t.Context())
	var loaded sync.WaitGroup
	loaded.Go(func() { f.load.Run(running, t) })
	f.stop = func() { heal(); stop(); loaded.Wait() }
	t.Cleanup(f.stop)
	return f
}

// awaitAccepted waits until n more messages are accepted.
func (f *failover) awaitAccepted(t testing.TB, n int) {
	t.Helper()
	begin := len(f.load.Ledger.IDs())
	rig.Await(t, func() string {
		if got := len(f.load.Ledger.IDs()) - begin; got < n {
			return fmt.Sprintf("%d of %d more messages are accepted; %d requests were made again", got, n, f.load.Ledger.Retried())
		}
		return ""
	})
}

// wantWorking fails unless the processes still run, nothing is owed any more on the new primary, and a fresh message
// is delivered.
func (f *failover) wantWorking(t testing.TB) {
	t.Helper()
	c := rig.NewClient(t, "http://"+f.load.API(), f.load.Token)
	f.receiver.Await(t, c.SendMessage(t, f.load.Apps[0]))
	c.Call(t, 200, "GET", "/api/v1/health", "")
	awaitRows(t, f.Standby.Address, "SELECT (count(*) = 0)::int FROM delivery", 1)
	for _, p := range []*rig.Process{f.api, f.worker} {
		if p.HasEnded() {
			t.Errorf("%v ended", p.Cmd.Args)
		}
	}
}

// lost returns those of the messages that the new primary does not have.
func (f *failover) lost(t testing.TB, ids []string) (lost []string) {
	t.Helper()
	var there []string
	rig.Query(t, f.Standby.Address, "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM message", &there)
	for _, id := range ids {
		if _, found := slices.BinarySearch(there, id); !found {
			lost = append(lost, id)
		}
	}
	return lost
}

// TestFailoverToSynchronousStandbyLosesNothing kills the primary under load and promotes its standby. The service is
// not restarted. If replication is cut, no message sent meanwhile may be accepted before the failover.
func TestFailoverToSynchronousStandbyLosesNothing(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct {
		database func(testing.TB, *rig.Pair) string
		commit   string
		cut      bool
	}{
		"several hosts, killed while it replicates":     {severalHosts, "on", false},
		"one address, killed after replication was cut": {oneAddress, "remote_write", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair := rig.NewPair(t)
			pair.Synchronous(t, way.commit)
			f := newFailover(t, pair, way.database(t, pair))
			f.awaitAccepted(t, rig.HostileSize(200, 1000))
			if way.cut {
				pair.Cut()
				pair.Primary.AwaitUncommitted(t)
			}
			pair.FailOver(t)
			f.awaitAccepted(t, rig.HostileSize(100, 500))
			f.stop()

			ids := f.load.Ledger.IDs()
			if lost := f.lost(t, ids); len(lost) > 0 {
				t.Errorf("%d of %d accepted messages are not on the new primary, %s among them", len(lost), len(ids), lost[0])
			}
			f.receiver.Await(t, ids...)
			duplicated, strange := f.receiver.Counts(ids)
			t.Logf("%d messages accepted and delivered, %d of them more than once; %d delivered that were stored, but not answered; "+
				"%d requests were made again", len(ids), duplicated, strange, f.load.Ledger.Retried())
			for _, a := range f.receiver.All() {
				if err := f.load.Ledger.Arrived(a.ID, a.Body); err != nil {
					t.Error(err)
				}
			}
			f.wantWorking(t)
		})
	}
}

// TestFailoverToAsynchronousStandbyRecovers kills a primary whose standby lacks the latest messages. Those are lost,
// although they were accepted; everything that had been replicated is delivered, and the service goes on.
func TestFailoverToAsynchronousStandbyRecovers(t *testing.T) {
	t.Parallel()
	pair := rig.NewPair(t)
	f := newFailover(t, pair, severalHosts(t, pair))
	f.awaitAccepted(t, 100)
	replicated := f.load.Ledger.IDs()
	pair.AwaitReplicated(t)
	pair.Cut()
	f.awaitAccepted(t, 50)
	pair.FailOver(t)
	f.awaitAccepted(t, 50)
	f.stop()

	ids := f.load.Ledger.IDs()
	lost := f.lost(t, ids)
	t.Logf("%d of %d accepted messages are not on the new primary; %d were replicated before", len(lost), len(ids), len(replicated))
	if len(lost) == 0 {
		t.Error("nothing is lost: this proves nothing")
	}
	if lost := f.lost(t, replicated); len(lost) > 0 {
		t.Errorf("%d of %d replicated messages are not on the new primary", len(lost), len(replicated))
	}
	f.receiver.Await(t, slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(lost, id) })...)
	f.wantWorking(t)
}
