package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"

	"github.com/postrider/postrider/e2e/rig"
)

// twins makes the same request n times concurrently, using the clients in turn, and returns the answers.
func twins[T any](t testing.TB, n int, clients []rig.Client, request func(rig.Client) (T, error)) []T {
	t.Helper()
	answers, errs := make([]T, n), make([]error, n)
	var senders sync.WaitGroup
	for i := range n {
		senders.Go(func() { answers[i], errs[i] = request(clients[i%len(clients)]) })
	}
	senders.Wait()
	for _, err := range errs {
		rig.NoError(t, err)
	}
	return answers
}

func TestIdempotencyKeyMakesTwinsOneRequest(t *testing.T) {
	t.Parallel()
	database, ctx := rig.NewDatabase(t), t.Context()
	a := rig.Start(t, rig.Settings(database), "serve").Service(t).NewTenant(t)
	b := rig.NewClient(t, rig.Start(t, rig.Settings(database), "api").Service(t).URL, a.Token)
	both := []rig.Client{a, b}
	const rounds, n = 5, 20
	for range rounds {
		key := new("key-" + rig.Random())
		apps := twins(t, n, both, func(c rig.Client) (*svix.ApplicationOut, error) {
			return c.Application.Create(ctx, svix.ApplicationIn{Name: rig.Random()}, &svix.ApplicationCreateOptions{IdempotencyKey: key})
		})
		for _, app := range apps {
			if app.Id != apps[0].Id || app.Name != apps[0].Name || !app.CreatedAt.Equal(apps[0].CreatedAt) {
				t.Errorf("two answers to one key: %+v and %+v", app, apps[0])
			}
		}
		endpoints := twins(t, n, both, func(c rig.Client) (*svix.EndpointOut, error) {
			in := svix.EndpointIn{Url: "https://example.com/" + rig.Random()}
			return c.Endpoint.Create(ctx, apps[0].Id, in, &svix.EndpointCreateOptions{IdempotencyKey: key})
		})
		for _, endpoint := range endpoints {
			if endpoint.Id != endpoints[0].Id || endpoint.Url != endpoints[0].Url {
				t.Errorf("two answers to one key: %+v and %+v", endpoint, endpoints[0])
			}
		}
		if got := rig.Must(b.Endpoint.List(ctx, apps[0].Id, nil))(t).Data; len(got) != 1 {
			t.Errorf("%d endpoints were made", len(got))
		}
		// Without the key, all but one would be refused because the name is taken.
		name := "type." + rig.Random()
		twins(t, n, both, func(c rig.Client) (*svix.EventTypeOut, error) {
			return c.EventType.Create(ctx, models.EventTypeIn{Name: name, Description: "Ours"}, &svix.EventTypeCreateOptions{IdempotencyKey: key})
		})
		_, err := a.EventType.Create(ctx, models.EventTypeIn{Name: name, Description: "Ours"}, nil)
		rig.WantRefused(t, err, 409, "event_type_exists")
	}
	if got := rig.Must(a.Application.List(ctx, nil))(t).Data; len(got) != rounds {
		t.Errorf("%d applications were made, want %d", len(got), rounds)
	}
}

// creations creates applications, each with its name as the idempotency key, until a request fails.
type creations struct {
	mu         sync.Mutex
	answered   map[string]string // id by name
	unanswered []string          // each sender's last name, which may have been created
}

func create(ctx context.Context, c rig.Client, name string) (*svix.ApplicationOut, error) {
	return c.Application.Create(ctx, svix.ApplicationIn{Name: name}, &svix.ApplicationCreateOptions{IdempotencyKey: &name})
}

func (cs *creations) run(ctx context.Context, c rig.Client) {
	for {
		name := rig.Random()
		app, err := create(ctx, c, name)
		cs.mu.Lock()
		if err != nil {
			cs.unanswered = append(cs.unanswered, name)
			cs.mu.Unlock()
			return
		}
		cs.answered[name] = app.Id
		cs.mu.Unlock()
	}
}

func (cs *creations) await(t testing.TB, least int) {
	t.Helper()
	rig.Await(t, func() string {
		cs.mu.Lock()
		defer cs.mu.Unlock()
		if n := len(cs.answered); n < least {
			return fmt.Sprintf("%d requests are answered", n)
		}
		return ""
	})
}

// TestIdempotencyKeySurvivesKill repeats the requests that a killed process completed, and those it may have
// completed.
func TestIdempotencyKeySurvivesKill(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t)
	c := s.NewTenant(t)
	sent := creations{answered: map[string]string{}}
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() { sent.run(t.Context(), c) })
	}
	t.Cleanup(senders.Wait) // in case the test ends early
	sent.await(t, 100)
	p.Kill()
	senders.Wait()

	c = rig.NewClient(t, rig.Start(t, p.Settings(), "serve").Service(t).URL, c.Token)
	for name, id := range sent.answered {
		if app := rig.Must(create(t.Context(), c, name))(t); app.Id != id {
			t.Errorf("%s is %s, and was %s before the crash", name, app.Id, id)
		}
	}
	made := len(c.ApplicationNames(t))
	for _, name := range sent.unanswered {
		first := rig.Must(create(t.Context(), c, name))(t)
		if again := rig.Must(create(t.Context(), c, name))(t); again.Id != first.Id {
			t.Errorf("%s is %s and %s", name, first.Id, again.Id)
		}
	}
	names := c.ApplicationNames(t)
	for name, n := range names {
		if n != 1 {
			t.Errorf("%d applications are %s", n, name)
		}
	}
	t.Logf("%d of %d that were under way when the process was killed had been made",
		made-len(sent.answered), len(sent.unanswered))
	if want := len(sent.answered) + len(sent.unanswered); len(names) != want {
		t.Errorf("%d applications were made for %d keys", len(names), want)
	}
}
