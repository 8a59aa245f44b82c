package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

func TestPlacesAreTakenInTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		var mu sync.Mutex
		served := []core.AppID{}
		var running sync.WaitGroup
		ask := func(app core.AppID) {
			customer := core.Customer{OrgID: testOrg, AppID: app}
			running.Go(func() {
				if err := p.enter(core.WithCustomer(t.Context(), customer)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				served = append(served, app)
				mu.Unlock()
				<-time.After(time.Second)
				p.leave(customer)
			})
			synctest.Wait()
		}
		for range 50 {
			ask("greedy")
		}
		ask("modest")
		ask("other")
		running.Wait()
		for n, app := range served {
			if (app == "modest" || app == "other") && n > 6 {
				t.Errorf("%s was served %dth", app, n+1)
			}
		}
		if len(served) != 52 || p.taken != 0 || len(p.lines) != 0 {
			t.Errorf("%d were served; %d places are taken, %d customers wait", len(served), p.taken, len(p.lines))
		}
	})
}

func TestPlacesAreNotLostToRequestsThatGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, customer := newPlaces(1), core.Customer{OrgID: testOrg}
		gaveUp := errors.New("gave up")
		var running sync.WaitGroup
		for n := range 200 {
			running.Go(func() {
				ctx, cancel := context.WithTimeoutCause(core.WithCustomer(t.Context(), customer), time.Duration(1+n%7)*time.Second, gaveUp)
				defer cancel()
				if err := p.enter(ctx); errors.Is(err, gaveUp) {
					return
				} else if err != nil {
					t.Error(err)
				}
				<-time.After(time.Second) // others give up at the moment it leaves
				p.leave(customer)
			})
		}
		running.Wait()
		if p.taken != 0 || len(p.lines) != 0 {
			t.Errorf("%d places are taken, %d customers wait", p.taken, len(p.lines))
		}
		if err := p.enter(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestPlacesAreNotAllOneCustomers(t *testing.T) {
	t.Parallel()
	p := newPlaces(4)
	p.each = 2
	greedy, other := core.Customer{AppID: "greedy"}, core.Customer{AppID: "other"}
	var waits []chan struct{}
	for range 5 {
		waits = append(waits, p.join(greedy))
	}
	if p.join(other) != nil {
		t.Error("a customer takes more than its part")
	}
	p.leave(other) // for another request of greedy's, which still has to wait
	if p.taken != 2 || waits[1] != nil || waits[2] == nil {
		t.Errorf("%d places are taken", p.taken)
	}
	p.leave(greedy)
	<-waits[2]
	if p.taken != 2 || p.by[greedy] != 2 {
		t.Errorf("%d places are taken, %v", p.taken, p.by)
	}
}
