package e2e

import (
	"context"
	"sync"
	"testing"

	"github.com/testcontainers/testcontainers-go"

	"github.com/postrider/postrider/e2e/rig"
)

// soakLead is ten seconds' worth of messages: more than wait while a lease expires, so that the load continues
// through every fault.
const soakLead = 400

// TestContainerFaultsLoseNothing subjects containers under load to the faults of a deployment, one after the other:
// they lose their network, are frozen for longer than a lease, and are killed. Postgres is killed too and restarted
// with its data.
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
