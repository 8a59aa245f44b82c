package store

import (
	"context"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestWorkersHearOfDueDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	ctx, stop := context.WithCancel(t.Context())
	heard, done := make(chan struct{}, 100), make(chan struct{})
	go func() { defer close(done); w.Listen(ctx, listener{wake: func() { heard <- struct{}{} }}) }()
	<-heard // connected
	w.send(1)
	<-heard
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%DeliveryListenAnyTenant%' AND pid <> pg_backend_pid()")
	<-heard // connected again
	stop()
	<-done
}

func TestWorkersHearOfWhatHasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	id := w.send(1)[0]
	ctx, stop := context.WithCancel(t.Context())
	recalled, done := make(chan core.AppID, 100), make(chan struct{})
	go func() {
		defer close(done)
		w.Listen(ctx, listener{recall: func(app core.AppID) { recalled <- app }})
	}()
	if app := <-recalled; app != "" {
		t.Errorf("at first %q is recalled, want all", app)
	}
	// Another test terminates all such connections of the server; then everything is recalled once more.
	heard := func() core.AppID {
		for app := range recalled {
			if app != "" {
				return app
			}
		}
		return ""
	}
	for name, change := range map[string]func(context.Context, core.Tx) error{
		"endpoint updated":    func(ctx context.Context, tx core.Tx) error { return tx.EndpointUpdate(ctx, e) },
		"secret updated":      func(ctx context.Context, tx core.Tx) error { return tx.EndpointUpdateSecret(ctx, e) },
		"headers updated":     func(ctx context.Context, tx core.Tx) error { return tx.EndpointHeadersUpdate(ctx, e) },
		"application updated": func(ctx context.Context, tx core.Tx) error { return tx.ApplicationUpdate(ctx, w.app) },
		"payload expunged": func(ctx context.Context, tx core.Tx) error {
			_, err := tx.MessageExpungeMany(ctx, w.app.ID, []string{string(id)})
			return err
		},
		"payloads purged": func(ctx context.Context, tx core.Tx) error {
			_, err := tx.MessagePurgeMany(ctx, w.app.ID, core.MessageRange{Before: "~", Limit: 1})
			return err
		},
	} {
		w.in(change)
		if app := heard(); app != w.app.ID {
			t.Errorf("%s: %q is recalled", name, app)
		}
	}
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointDelete(ctx, w.app.ID, e.ID, now()) })
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, testOrg, w.app.ID, now())
	})
	for range 2 {
		if app := heard(); app != w.app.ID {
			t.Errorf("deleted: %q is recalled", app)
		}
	}
	stop()
	<-done
}
