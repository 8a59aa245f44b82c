package store

import (
	"fmt"
	"sync"
	"testing"

	"github.com/postrider/postrider/core"
)

// Eight PUTs of something new at once: one creates it, and the others change it. Most were answered 409.
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

// wantOneCreated runs put eight times at once: all succeed, at the same thing, and one created it.
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

// A uid that something else has is a conflict, however often it is tried.
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
