package store

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// TestEndpointQuotaHoldsForConcurrentCreates has many connections create at once; each of them would find room.
func TestEndpointQuotaHoldsForConcurrentCreates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := &core.Service{Store: w.Store, Clock: time.Now, EndpointsMost: 5}
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

// TestEndpointQuotaLeavesWhatIsThere has an application with more endpoints than it may have by now.
func TestEndpointQuotaLeavesWhatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	service := &core.Service{Store: w.Store, Clock: time.Now, EndpointsMost: 2}
	scope, in := core.Scope{OrgID: testOrg}, core.EndpointIn{URL: "https://example.test/", Version: 1}
	for _, uid := range []string{"one", "two", "three"} {
		w.addEndpoint(func(e *core.Endpoint) { e.UID = &uid })
	}
	update := func(ref string) error {
		_, _, err := service.EndpointUpdate(t.Context(), scope, "acme", ref, in)
		return err
	}
	if err := update("one"); err != nil { // which has no uid any more
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
	if err := update("none"); err != nil { // the deleted ones do not count
		t.Error(err)
	}
	w.addApplication(testOrg, "other")
	for range 2 {
		if _, err := service.EndpointCreate(t.Context(), scope, "other", in); err != nil {
			t.Errorf("another application: %v", err)
		}
	}
}
