package e2e

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	docker "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// pastLease is longer than the lease of shortLeases.
const pastLease = 4500 * time.Millisecond

// soakLead is ten seconds' worth of messages: more than waits for a lease to run out, so that the load
// goes on through every fault.
const soakLead = 400

// TestContainersSufferAndLoseNothing does to containers what happens to them where they are deployed,
// one after the other under a load: their network goes away, they are frozen longer than a lease, they
// are killed, and so is Postgres, which starts again with its data.
func TestContainersSufferAndLoseNothing(t *testing.T) {
	t.Parallel()
	ownProcesses(t)
	if !demandsDocker() {
		t.Skip("building the images takes minutes on a machine that never did: set E2E_BACKEND=docker")
	}
	s := newStack(t, "api", "worker")
	api := s.api(t)
	c := api.tenant(t)
	app := c.application(t)
	receiver := newReceiverAt(t, "0.0.0.0:0", receiversHost, nil)
	receiver.endpoint(t, c, app)
	workers := []testcontainers.Container{s.worker(t), s.worker(t), s.worker(t)}

	running, stop := context.WithCancel(t.Context())
	whole, heal := context.WithCancel(t.Context())
	load := &soakLoad{
		api: func() string { return mustParse(api.url).Host }, token: c.token, apps: []string{app},
		ledger: newLedger(), lead: newLead(receiver, soakLead), healed: whole, complain: t.Errorf,
	}
	var loaded sync.WaitGroup
	loaded.Go(func() { load.run(running, t) })
	defer loaded.Wait()
	defer stop()
	for _, suffer := range []func(*testing.T, testcontainers.Container){s.disconnect, s.freeze, s.kill, s.crashPostgres} {
		suffer(t, workers[0])
		workers = append(workers[1:], workers[0])
	}
	heal()
	stop()
	loaded.Wait()

	ids := load.ledger.ids()
	receiver.await(t, ids...)
	duplicated, strange := receiver.counts(ids)
	t.Logf("%d messages accepted and delivered, %d of them more than once; %d delivered that were stored, but not answered; "+
		"%d requests were made again", len(ids), duplicated, strange, load.ledger.retries)
	for _, a := range receiver.all() {
		if err := load.ledger.arrived(a.id, a.body); err != nil {
			t.Error(err)
		}
	}
}

func (s *stack) disconnect(t *testing.T, c testcontainers.Container) {
	t.Helper()
	engine, ctx := s.engine.Client(), t.Context()
	must(engine.NetworkDisconnect(ctx, s.network.ID, docker.NetworkDisconnectOptions{Container: c.GetContainerID()}))(t)
	done(t, pause(ctx, pastLease))
	must(engine.NetworkConnect(ctx, s.network.ID, docker.NetworkConnectOptions{Container: c.GetContainerID()}))(t)
}

func (s *stack) freeze(t *testing.T, c testcontainers.Container) {
	t.Helper()
	s.pause(t, c)
	done(t, pause(t.Context(), pastLease))
	s.unpause(t, c)
}

func (s *stack) pause(t *testing.T, c testcontainers.Container) {
	t.Helper()
	must(s.engine.Client().ContainerPause(t.Context(), c.GetContainerID(), docker.ContainerPauseOptions{}))(t)
}

func (s *stack) unpause(t *testing.T, c testcontainers.Container) {
	t.Helper()
	must(s.engine.Client().ContainerUnpause(t.Context(), c.GetContainerID(), docker.ContainerUnpauseOptions{}))(t)
}

func (s *stack) kill(t *testing.T, c testcontainers.Container) {
	t.Helper()
	must(s.engine.Client().ContainerKill(t.Context(), c.GetContainerID(), docker.ContainerKillOptions{}))(t)
}

func (s *stack) crashPostgres(t *testing.T, _ testcontainers.Container) {
	t.Helper()
	done(t, s.server.stop(t.Context(), immediate))
	done(t, pause(t.Context(), time.Second))
	done(t, s.server.start(t.Context()))
}

// ids are those of the messages that were accepted.
func (l *ledger) ids() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.answered {
		ids = append(ids, id)
	}
	return slices.Sorted(slices.Values(ids))
}
