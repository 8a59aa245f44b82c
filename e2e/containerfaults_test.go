package e2e

import (
	"context"
	"sync"
	"testing"

	"github.com/testcontainers/testcontainers-go"

	"github.com/postrider/postrider/e2e/rig"
)

// soakLead is ten seconds' worth of messages: more than waits for a lease to run out, so that the load
// goes on through every fault.
const soakLead = 400

// TestContainerFaultsLoseNothing does to containers what happens to them where they are deployed,
// one after the other under a load: their network goes away, they are frozen longer than a lease, they
// are killed, and so is Postgres, which starts again with its data.
func TestContainerFaultsLoseNothing(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	if !rig.DemandsDocker() {
		t.Skip("building the images takes minutes on a machine that never did: set E2E_BACKEND=docker")
	}
	s := rig.NewStack(t, "api", "worker")
	api := s.API(t)
	c := api.NewTenant(t)
	app := c.NewApplication(t)
	receiver := rig.NewReceiverAt(t, "0.0.0.0:0", rig.ReceiversHost, nil)
	receiver.NewEndpoint(t, c, app)
	workers := []testcontainers.Container{s.Worker(t), s.Worker(t), s.Worker(t)}

	running, stop := context.WithCancel(t.Context())
	whole, heal := context.WithCancel(t.Context())
	load := &rig.SoakLoad{
		API: func() string { return rig.MustParseURL(api.URL).Host }, Token: c.Token, Apps: []string{app},
		Ledger: rig.NewLedger(), Lead: rig.NewLead(receiver, soakLead), Healed: whole, Complain: t.Errorf,
	}
	var loaded sync.WaitGroup
	loaded.Go(func() { load.Run(running, t) })
	defer loaded.Wait()
	defer stop()
	for _, suffer := range []func(*testing.T, testcontainers.Container){s.Disconnect, s.Freeze, s.Kill, s.CrashPostgres} {
		suffer(t, workers[0])
		workers = append(workers[1:], workers[0])
	}
	heal()
	stop()
	loaded.Wait()

	ids := load.Ledger.IDs()
	receiver.Await(t, ids...)
	duplicated, strange := receiver.Counts(ids)
	t.Logf("%d messages accepted and delivered, %d of them more than once; %d delivered that were stored, but not answered; "+
		"%d requests were made again", len(ids), duplicated, strange, load.Ledger.Retries)
	for _, a := range receiver.All() {
		if err := load.Ledger.Arrived(a.ID, a.Body); err != nil {
			t.Error(err)
		}
	}
}
