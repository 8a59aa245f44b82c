package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
)

// work does what a request does: it creates an application with the given name, and answers with the number of the
// request that created it.
func work(name string, request int) func(context.Context, core.Store) (core.StoredAnswer, error) {
	return func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
		app := core.Application{
			OrgID: testOrg, ID: core.NewAppID(now()), Name: name, Metadata: core.Metadata{}, CreatedAt: now(), UpdatedAt: now(),
		}
		err := s.InTx(ctx, func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, app) })
		return core.StoredAnswer{Status: 201, Body: fmt.Append(nil, request)}, err
	}
}

// held is work that begins and then waits until it is released.
func held(work func(context.Context, core.Store) (core.StoredAnswer, error)) (
	slow func(context.Context, core.Store) (core.StoredAnswer, error), begun, proceed chan struct{},
) {
	begun, proceed = make(chan struct{}), make(chan struct{})
	return func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
		answer, err := work(ctx, s)
		close(begun)
		<-proceed
		return answer, err
	}, begun, proceed
}

func keyOf(text string) core.IdempotencyKey {
	return core.NewIdempotencyKey(core.Scope{OrgID: testOrg}, "POST", "/app", "", text)
}

// made returns the number of applications with that name.
func (w *world) made(name string) int {
	w.t.Helper()
	return value[int](w, "SELECT count(*) FROM application WHERE name = $1", name)
}

// other is another process on the same database.
func (w *world) other(clock func() time.Time) *Store {
	w.t.Helper()
	s, err := Open(w.t.Context(), Config{Database: Database{URL: w.pool.Config().ConnString()}, Clock: clock})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

// await polls until the condition holds.
func (w *world) await(what string, so func() bool) {
	w.t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(time.Minute); !so(); {
		select {
		case <-deadline:
			w.t.Fatalf("after a minute it is not so: %s", what)
		case <-poll.C:
		}
	}
}

// awaitLock waits until a session in Postgres waits for a lock.
func (w *world) awaitLock() {
	w.t.Helper()
	w.await("a connection waits for a lock", func() bool {
		return value[bool](w, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')")
	})
}

// waiting returns how many callers in this process wait for their turn with a key.
func (s *Store) waiting(key core.IdempotencyKey) int {
	s.twins.mu.Lock()
	defer s.twins.mu.Unlock()
	if t := s.twins.keys[key]; t != nil {
		return t.callers - 1
	}
	return 0
}

func wantAnswer(t *testing.T, a core.StoredAnswer, err error, body string) {
	t.Helper()
	if err != nil || a.Status != 201 || string(a.Body) != body {
		t.Errorf("answer %d %q, %v; want 201 %q", a.Status, a.Body, err, body)
	}
}

func TestOnceWorksOnceForAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := now()
	once := func(key core.IdempotencyKey, at time.Time, request int) (core.StoredAnswer, error) {
		return w.Once(t.Context(), key, at, work("n", request))
	}
	a, err := once(keyOf("a"), at, 1)
	wantAnswer(t, a, err, "1")
	a, err = once(keyOf("a"), at.Add(core.IdempotencyLifetime-time.Microsecond), 2)
	wantAnswer(t, a, err, "1")
	a, err = once(keyOf("b"), at, 3)
	wantAnswer(t, a, err, "3")
	theirs := keyOf("a")
	theirs.OrgID = "org_other"
	a, err = once(theirs, at, 4)
	wantAnswer(t, a, err, "4")
	a, err = once(keyOf("a"), at.Add(core.IdempotencyLifetime), 5)
	wantAnswer(t, a, err, "5")
	a, err = once(keyOf("a"), at.Add(2*core.IdempotencyLifetime-time.Microsecond), 6)
	wantAnswer(t, a, err, "5")
	if n := w.made("n"); n != 4 {
		t.Errorf("%d were made, want 4", n)
	}
}

func TestOnceKeepsAnAnswerWithoutABody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		a, err := w.Once(t.Context(), keyOf("a"), now(), func(context.Context, core.Store) (core.StoredAnswer, error) {
			return core.StoredAnswer{Status: 204}, nil
		})
		if err != nil || a.Status != 204 || len(a.Body) != 0 {
			t.Errorf("%d %q, %v", a.Status, a.Body, err)
		}
	}
}

func TestOnceKeepsNothingOfAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refused := core.StoredAnswer{Status: 400, Body: []byte("no")}
	for name, end := range map[string]func() (core.StoredAnswer, error){
		"error":      func() (core.StoredAnswer, error) { return core.StoredAnswer{Status: 201}, core.NotFound() },
		"no success": func() (core.StoredAnswer, error) { return refused, nil },
		"panic":      func() (core.StoredAnswer, error) { panic("a defect") },
	} {
		func() {
			defer func() { _ = recover() }()
			a, err := w.Once(t.Context(), keyOf(name), now(), func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
				if _, err := work(name, 1)(ctx, s); err != nil {
					return core.StoredAnswer{}, err
				}
				return end()
			})
			switch {
			case name == "error" && (!core.IsKind(err, core.KindNotFound) || a.Status != 0):
				t.Errorf("%s: %v, %v", name, a, err)
			case name == "no success" && (err != nil || a.Status != 400 || string(a.Body) != "no"):
				t.Errorf("%s: %v, %v", name, a, err)
			}
		}()
		if n := w.made(name); n != 0 {
			t.Errorf("%s: its work was kept", name)
		}
		a, err := w.Once(t.Context(), keyOf(name), now(), work(name, 2))
		wantAnswer(t, a, err, "2")
	}
}

func TestOnceWorksAgainAfterADeadlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runs := 0
	a, err := w.Once(t.Context(), keyOf("a"), now(), func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
		runs++
		answer, err := work("n", runs)(ctx, s)
		if err == nil && runs == 1 {
			err = fmt.Errorf("the use case: %w", &pgconn.PgError{Code: codeDeadlock})
		}
		return answer, err
	})
	wantAnswer(t, a, err, "2")
	if n := w.made("n"); n != 1 {
		t.Errorf("%d were made", n)
	}
}

// TestTwinsInTwoProcesses makes a request wait for one with the same key in another process.
func TestTwinsInTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail error
		want string
	}{
		"the first succeeds": {nil, "1"},
		"the first fails":    {core.NotFound(), "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			slow, begun, proceed := held(work("n", 1))
			var twins sync.WaitGroup
			twins.Go(func() {
				_, err := w.Once(t.Context(), keyOf("a"), now(), func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
					answer, err := slow(ctx, s)
					return answer, errors.Join(err, c.fail)
				})
				if !errors.Is(err, c.fail) {
					t.Error(err)
				}
			})
			<-begun
			other := w.other(time.Now)
			twins.Go(func() {
				a, err := other.Once(t.Context(), keyOf("a"), now(), work("n", 2))
				wantAnswer(t, a, err, c.want)
			})
			w.awaitLock()
			close(proceed)
			twins.Wait()
			if n := w.made("n"); n != 1 {
				t.Errorf("%d were made", n)
			}
		})
	}
}

func TestATwinWaitsNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, begun, proceed := held(work("n", 1))
	var first sync.WaitGroup
	first.Go(func() {
		a, err := w.Once(t.Context(), keyOf("a"), now(), slow)
		wantAnswer(t, a, err, "1")
	})
	<-begun
	for name, s := range map[string]*Store{"this process": w.Store, "another": w.other(time.Now)} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := s.Once(ctx, keyOf("a"), now(), work("n", 2))
		if cancel(); !core.IsKind(err, core.KindUnavailable) {
			t.Errorf("in %s: %v", name, err)
		}
	}
	close(proceed)
	first.Wait()
	a, err := w.other(time.Now).Once(t.Context(), keyOf("a"), now(), work("n", 3))
	wantAnswer(t, a, err, "1")
}

func TestACrowdOfTwinsLeavesConnectionsToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, begun, proceed := held(work("n", 0))
	var crowd sync.WaitGroup
	crowd.Go(func() {
		a, err := w.Once(t.Context(), keyOf("a"), now(), slow)
		wantAnswer(t, a, err, "0")
	})
	<-begun
	size := 10 * int(w.pool.Config().MaxConns)
	for n := range size {
		crowd.Go(func() {
			a, err := w.Once(t.Context(), keyOf("a"), now(), work("n", n+1))
			wantAnswer(t, a, err, "0")
		})
	}
	w.await("all wait", func() bool { return w.waiting(keyOf("a")) == size })
	if n := w.pool.Stat().AcquiredConns(); n != 1 {
		t.Errorf("%d connections are in use, want the one that works", n)
	}
	if _, err := w.ApplicationGet(t.Context(), testOrg, "acme"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	close(proceed)
	crowd.Wait()
	if len(w.twins.keys) != 0 {
		t.Errorf("%d keys are remembered", len(w.twins.keys))
	}
}

func TestWhoHangsUpLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, hangUp := context.WithCancel(t.Context())
	_, err := w.Once(ctx, keyOf("a"), now(), func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
		answer, err := work("n", 1)(ctx, s)
		hangUp()
		return answer, err
	})
	if err == nil || w.made("n") != 0 {
		t.Errorf("error %v, %d were made", err, w.made("n"))
	}
	a, err := w.Once(t.Context(), keyOf("a"), now(), work("n", 2))
	wantAnswer(t, a, err, "2")
}

// racing is a store with a faster competitor, which acts before the nth unit of work begins.
type racing struct {
	core.Store
	n       int
	quicker func()
}

func (r *racing) InTx(ctx context.Context, work func(context.Context, core.Tx) error) error {
	if r.n--; r.n == 0 {
		r.quicker()
	}
	return r.Store.InTx(ctx, work)
}

// TestUseCasesGoOnAfterAConflict runs the use cases that look again after a name is taken, in one transaction that
// the conflict must not end.
func TestUseCasesGoOnAfterAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uid := "n"
	scope := core.Scope{OrgID: testOrg}
	in := core.ApplicationIn{UID: &uid, Name: "n"}
	kind := core.EventTypeIn{Name: "n", Description: "Ours"}
	theirs := core.NewService(w.Store, nil, nil, time.Now, core.EndpointRules{})

	_, err := w.Once(t.Context(), keyOf("application"), now(), func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
		var quicker core.Application
		ours := core.NewService(&racing{Store: s, n: 1, quicker: func() {
			var err error
			if quicker, _, err = theirs.ApplicationCreate(ctx, scope, in, false); err != nil {
				t.Error(err)
			}
		}}, nil, nil, time.Now, core.EndpointRules{})
		app, created, err := ours.ApplicationCreate(ctx, scope, in, true)
		if err == nil && (bool(created) || app.ID != quicker.ID) {
			t.Errorf("created %v %s, want to get %s", created, app.ID, quicker.ID)
		}
		return core.StoredAnswer{Status: 200}, err
	})
	if err != nil {
		t.Error(err)
	}
	_, err = w.Once(t.Context(), keyOf("event type"), now(), func(ctx context.Context, s core.Store) (core.StoredAnswer, error) {
		ours := core.NewService(&racing{Store: s, n: 2, quicker: func() {
			if _, err := theirs.EventTypeCreate(ctx, scope, core.EventTypeIn{Name: "n", Description: "Theirs"}); err != nil {
				t.Error(err)
			}
		}}, nil, nil, time.Now, core.EndpointRules{})
		_, created, err := ours.EventTypeUpdate(ctx, scope, kind)
		if created {
			t.Error("an event type that was there has been made")
		}
		return core.StoredAnswer{Status: 200}, err
	})
	if got, _ := w.EventTypeGet(t.Context(), testOrg, "n"); err != nil || got.Description != "Ours" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOnceStoresNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := keyOf("secret")
	secret := func(context.Context, core.Store) (core.StoredAnswer, error) {
		return core.StoredAnswer{Status: 204, Secret: []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}, nil
	}
	if first, err := w.Once(t.Context(), key, now(), secret); err != nil || len(first.Secret) == 0 {
		t.Errorf("first = %+v, %v, want the secret", first, err)
	}
	if again, err := w.Once(t.Context(), key, now(), secret); err != nil || again.Status != 204 || len(again.Secret) > 0 {
		t.Errorf("again = %+v, %v, want 204 without a secret", again, err)
	}
	row := value[string](w, "SELECT idempotency_key::text FROM idempotency_key WHERE key_hash = $1", key.Hash[:])
	if strings.Contains(row, "whsec") || strings.Contains(row, fmt.Sprintf("%x", "whsec")) {
		t.Errorf("the row holds the secret: %s", row)
	}
}
