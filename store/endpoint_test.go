package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// TestEndpointQuotaHoldsForConcurrentCreates creates endpoints on many connections at once. Each of them alone would
// find room.
func TestEndpointQuotaHoldsForConcurrentCreates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := core.NewService(w.Store, nil, nil, time.Now, core.EndpointRules{EndpointsMost: 5})
	scope, in := core.Scope{OrgID: testOrg}, core.EndpointIn{URL: "https://example.test/", Version: 1}
	var created atomic.Int32
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			_, err := service.EndpointCreate(t.Context(), scope, "acme", in)
			switch {
			case err == nil:
				created.Add(1)
			case !core.IsKind(err, core.KindConflict):
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if there := value[int](w, "SELECT count(*) FROM endpoint"); created.Load() != 5 || there != 5 {
		t.Errorf("%d created, %d are there, want 5", created.Load(), there)
	}
}

// TestEndpointQuotaLeavesWhatIsThere has an application with more endpoints than it is now allowed.
func TestEndpointQuotaLeavesWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := core.NewService(w.Store, nil, nil, time.Now, core.EndpointRules{EndpointsMost: 2})
	scope, in := core.Scope{OrgID: testOrg}, core.EndpointIn{URL: "https://example.test/", Version: 1}
	for _, uid := range []string{"one", "two", "three"} {
		w.addEndpoint(func(e *core.Endpoint) { e.UID = &uid })
	}
	update := func(ref string) error {
		_, _, err := service.EndpointUpdate(t.Context(), scope, "acme", ref, in)
		return err
	}
	if err := update("one"); err != nil { // it no longer has a uid
		t.Error(err)
	}
	if err := update("none"); !core.IsKind(err, core.KindConflict) {
		t.Errorf("an update that creates: %v", err)
	}
	for _, uid := range []string{"two", "three"} {
		if err := service.EndpointDelete(t.Context(), scope, "acme", uid); err != nil {
			t.Error(err)
		}
	}
	if err := update("none"); err != nil { // deleted endpoints do not count
		t.Error(err)
	}
	w.addApplication(testOrg, "other")
	for range 2 {
		if _, err := service.EndpointCreate(t.Context(), scope, "other", in); err != nil {
			t.Errorf("another application: %v", err)
		}
	}
}

// Of eight concurrent PUTs of something new, one creates it and the others update it. Most used to be answered with
// 409.
func TestUpdatesAtOnceCreateOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, ctx, scope := w.service(), t.Context(), core.Scope{OrgID: testOrg}
	endpoint := func(uid string) core.EndpointIn {
		return core.EndpointIn{UID: &uid, URL: "https://example.com/", Version: 1}
	}
	for kind, put := range map[string]func(uid string) (id string, created core.Created, err error){
		"application": func(uid string) (string, core.Created, error) {
			app, created, err := s.ApplicationUpdate(ctx, scope, uid, core.ApplicationIn{UID: &uid, Name: "A"})
			return string(app.ID), created, err
		},
		"application.unless-it-exists": func(uid string) (string, core.Created, error) {
			app, created, err := s.ApplicationCreate(ctx, scope, core.ApplicationIn{UID: &uid, Name: "A"}, true)
			return string(app.ID), created, err
		},
		"endpoint": func(uid string) (string, core.Created, error) {
			e, created, err := s.EndpointUpdate(ctx, scope, "acme", uid, endpoint(uid))
			return string(e.ID), created, err
		},
		"operational-webhook-endpoint": func(uid string) (string, core.Created, error) {
			e, created, err := s.OperationalWebhookEndpointUpdate(ctx, scope, uid, endpoint(uid))
			return string(e.ID), created, err
		},
		"event-type": func(uid string) (string, core.Created, error) {
			e, created, err := s.EventTypeUpdate(ctx, scope, core.EventTypeIn{Name: uid})
			return e.Name, created, err
		},
	} {
		for round := range 10 {
			wantOneCreated(t, fmt.Sprintf("%s-%d", kind, round), func() (string, core.Created, error) {
				return put(fmt.Sprintf("%s-%d", kind, round))
			})
		}
	}
}

// wantOneCreated runs put eight times concurrently. All must succeed for the same object, and exactly one must create
// it.
func wantOneCreated(t *testing.T, name string, put func() (id string, created core.Created, err error)) {
	t.Helper()
	var mu sync.Mutex
	var wait sync.WaitGroup
	ids, news := map[string]int{}, 0
	begin := make(chan struct{})
	for range 8 {
		wait.Go(func() {
			<-begin
			id, created, err := put()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			if created {
				news++
			}
			ids[id]++
		})
	}
	close(begin)
	wait.Wait()
	if news != 1 || len(ids) != 1 {
		t.Errorf("%s: created %d times, %d of them", name, news, len(ids))
	}
}

// A uid that belongs to another object is a conflict, however often it is retried.
func TestUpdateThatTakesAnothersUIDConflicts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, ctx, scope := w.service(), t.Context(), core.Scope{OrgID: testOrg}
	w.addApplication(testOrg, "second")
	w.addEndpoint(func(e *core.Endpoint) { e.UID = new("hook") })
	w.addEndpoint(func(e *core.Endpoint) { e.UID = new("other") })
	for _, ref := range []string{"second", "new"} {
		if _, _, err := s.ApplicationUpdate(ctx, scope, ref, core.ApplicationIn{UID: new("acme"), Name: "A"}); !core.IsKind(err, core.KindConflict) {
			t.Errorf("application %s: %v", ref, err)
		}
	}
	for _, ref := range []string{"other", "new"} {
		in := core.EndpointIn{UID: new("hook"), URL: "https://example.com/", Version: 1}
		if _, _, err := s.EndpointUpdate(ctx, scope, "acme", ref, in); !core.IsKind(err, core.KindConflict) {
			t.Errorf("endpoint %s: %v", ref, err)
		}
	}
}
