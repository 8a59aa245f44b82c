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
			running.Go(func() {
				if err := p.enter(core.WithCustomer(t.Context(), core.Customer{OrgID: testOrg, AppID: app})); err != nil {
					t.Error(err)
				}
				mu.Lock()
				served = append(served, app)
				mu.Unlock()
				<-time.After(time.Second)
				p.leave()
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
		p := newPlaces(1)
		gaveUp := errors.New("gave up")
		var running sync.WaitGroup
		for n := range 200 {
			running.Go(func() {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(1+n%7)*time.Second, gaveUp)
				defer cancel()
				if err := p.enter(ctx); errors.Is(err, gaveUp) {
					return
				} else if err != nil {
					t.Error(err)
				}
				<-time.After(time.Second) // others give up at the moment that it leaves
				p.leave()
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
