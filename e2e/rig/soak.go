package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// soakAtATime is the maximum number of concurrent attempts at one endpoint in a process.
const soakAtATime = 8

// soakSettings make deliveries resume soon after the fault that held them up.
var soakSettings = []string{
	"POSTRIDER_REQUEST_TIMEOUT=1s", "POSTRIDER_LEASE=3s", "POSTRIDER_STOP_TIMEOUT=3s",
	"POSTRIDER_CONCURRENCY=64", fmt.Sprintf("POSTRIDER_ENDPOINT_CONCURRENCY=%d", soakAtATime), "POSTRIDER_CIRCUIT_WAIT=2s",
	// These outlast the longest failure, deadFor, by at least half a minute: jitter shortens (4 * 0.5 + 4 * 1 + 4 * 2 +
	// 38 * 5) s by up to a fifth. The last waits are short enough for a test.
	"POSTRIDER_RETRY_SCHEDULE=500ms,500ms,500ms,500ms,1s,1s,1s,1s,2s,2s,2s,2s" + strings.Repeat(",5s", 38),
}

// deadFor is the maximum time for which an endpoint that is dead from the beginning stays so.
const deadFor = 2 * time.Minute

// Soak is a load that runs while faults occur.
type Soak struct {
	postgres  Breakable
	fleet     *fleet
	customers []*customer
	ledger    *Ledger
	Timeline  *timeline
	client    Client

	well []*destination // the endpoints that faults are drawn for
	dead []*destination // bad from the beginning, good in the end
	left *destination   // answers 410 once; is then owed nothing any more
}

// NewSoak starts the processes and creates the customers with their endpoints.
func NewSoak(t *testing.T) *Soak {
	t.Helper()
	s := &Soak{postgres: NewBreakable(t), ledger: NewLedger(), Timeline: &timeline{begin: time.Now()}}
	url := Must(s.postgres.URL(t.Context()))(t)
	s.fleet = newFleet(t, url, Bridge(t, s.postgres), soakSettings, "api", "worker", "serve", "worker", "api")
	Await(t, func() string {
		if s.fleet.api() == "" {
			return "no API is up"
		}
		return ""
	})
	s.client = Service{URL: "http://" + s.fleet.api(), Settings: []string{SecretSetting}}.NewTenant(t)
	for n := range 3 {
		s.addCustomer(t, n)
	}
	return s
}

// addCustomer adds a customer with three endpoints: two that are subject to faults, and one that is bad from the
// beginning.
func (s *Soak) addCustomer(t *testing.T, n int) {
	t.Helper()
	c := &customer{app: s.client.NewApplication(t)}
	for i := range 3 {
		d := newDestination(t, s.ledger, fmt.Sprintf("endpoint %d of customer %d", i, n), s.client, c.app)
		c.endpoints = append(c.endpoints, d)
		switch {
		case i < 2:
			s.well = append(s.well, d)
		case n == 0:
			d.behave(departed)
			s.left = d
		default:
			d.behave([]manners{hanging, failing}[n-1])
			s.dead = append(s.dead, d)
		}
	}
	s.customers = append(s.customers, c)
}

// Suffer runs the load and the faults for a while. It returns when all faults are healed and every request is
// answered.
func (s *Soak) Suffer(t *testing.T, seed uint64, lasting time.Duration) {
	t.Helper()
	running, stop := context.WithTimeout(t.Context(), lasting)
	defer stop()
	whole, heal := context.WithCancel(context.Background())
	load := &SoakLoad{
		API: s.fleet.api, Token: s.client.Token, Ledger: s.ledger, Healed: whole, Complain: t.Errorf,
	}
	for _, c := range s.customers {
		load.Apps = append(load.Apps, c.app)
	}
	var loaded, planned sync.WaitGroup
	loaded.Go(func() { load.Run(running, t) })
	for i, faults := range [][]fault{faultsOfMachines(), faultsOfReceivers()} {
		p := &plan{lot: rand.New(rand.NewPCG(seed, uint64(i))), soak: s, timeline: s.Timeline}
		planned.Go(func() { p.run(running, t, faults) })
	}
	_ = Pause(running, deadFor)
	s.revive()
	planned.Wait()
	heal()
	s.Timeline.note("all is well again")
	loaded.Wait()
}

func (s *Soak) revive() {
	for _, d := range s.dead {
		d.behave(good)
	}
}

// Settle waits until everything owed has arrived, logs the accounts and stops all processes.
func (s *Soak) Settle(t *testing.T) {
	t.Helper()
	s.client = NewClient(t, "http://"+s.fleet.api(), s.client.Token)
	duplicated, delivered := 0, 0
	for _, c := range s.customers {
		stored := s.stored(t, c.app)
		for _, d := range c.endpoints {
			if d == s.left {
				s.checkLeft(t, c.app, stored)
				continue
			}
			a := s.awaitAll(t, c.app, d, stored)
			t.Logf("%s: %d of %d messages delivered, %d of them more than once; %d times it took nothing",
				d.name, a.delivered, len(stored), a.duplicated, a.refused)
			duplicated += a.duplicated
			delivered += a.delivered
		}
	}
	t.Logf("%d requests were made again, and %d clients gave up; %d deliveries, %d of them more than once, none lost",
		s.ledger.Retries, s.ledger.unheard, delivered, duplicated)
	for _, m := range s.fleet.members {
		m.retire(t)
		for _, err := range m.faults {
			t.Error(err)
		}
	}
}

// checkLeft fails unless the endpoint that answered 410 is disabled and received nothing afterwards but the few
// deliveries that each process had already leased.
func (s *Soak) checkLeft(t *testing.T, app string, stored []string) {
	t.Helper()
	a := s.left.account(stored)
	t.Logf("%s: gone after %d arrivals; %d messages are owed no more", s.left.name, a.refused, len(a.missing))
	if !*Must(s.client.Endpoint.Get(t.Context(), app, s.left.id))(t).Disabled {
		t.Errorf("%s answered 410 and is not disabled", s.left.name)
	}
	if most := len(s.fleet.members) * 4 * soakAtATime; a.refused > most {
		t.Errorf("%s answered 410 and got %d webhooks all the same, more than the %d in hand", s.left.name, a.refused, most)
	}
}

// stored returns the ids of an application's messages. It fails if an accepted message is not among them.
func (s *Soak) stored(t *testing.T, app string) (ids []string) {
	t.Helper()
	options := svix.MessageListOptions{Limit: new(uint64(250)), WithContent: new(false)}
	for done := false; !done; {
		page := Must(s.client.Message.List(t.Context(), app, &options))(t)
		for _, m := range page.Data {
			ids = append(ids, m.Id)
		}
		options.Iterator, done = page.Iterator, page.Done
	}
	sorted, answered := slices.Sorted(slices.Values(ids)), 0
	for id, of := range s.ledger.answered {
		if of != app {
			continue
		}
		answered++
		if _, found := slices.BinarySearch(sorted, id); !found {
			t.Errorf("%s was accepted and is not there", id)
		}
	}
	t.Logf("%s: %d messages accepted, %d more stored and not answered", app, answered, len(ids)-answered)
	return ids
}

// awaitAll waits until the endpoint has accepted everything it is owed, and then until the database records this, so
// that no delivery is open.
func (s *Soak) awaitAll(t *testing.T, app string, d *destination, owed []string) account {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if poll(limit, func() bool { return len(d.account(owed).missing) == 0 }) != nil {
		missing := d.account(owed).missing
		t.Fatalf("%s: %d of %d messages are lost: %v", d.name, len(missing), len(owed), missing)
	}
	Await(t, func() string {
		stats := Must(s.client.Endpoint.GetStats(t.Context(), app, d.id, nil))(t)
		if open := stats.Pending + stats.Sending; open > 0 {
			return fmt.Sprintf("%s: all is delivered, and %d are still owed", d.name, open)
		}
		return ""
	})
	return d.account(owed)
}
