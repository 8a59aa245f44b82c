package store

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
)

// listEventTypes reads a table that storing and sending messages does not read.
func listEventTypes(ctx context.Context, s core.Store) error {
	_, _, err := s.EventTypeList(ctx, testOrg, core.EventTypeFilter{}, core.Page{Limit: 10})
	return err
}

// lockTable prevents all reads of a table until unlock.
func (w *world) lockTable(table string) (unlock func()) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.pool.Config().ConnString())
	if err != nil {
		w.t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) })
	w.t.Cleanup(unlock)
	if _, err := conn.Exec(w.t.Context(), "BEGIN; LOCK TABLE "+table); err != nil {
		w.t.Fatal(err)
	}
	return unlock
}

// blocked returns how many statements wait for a lock.
func (w *world) blocked() int {
	return value[int](w, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
}

// flood starts 100 callers and waits until the given number of statements, including those of others, wait for a
// lock.
func (w *world) flood(statements int, call func(context.Context) error) (results <-chan error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	all := make(chan error, 100)
	var callers sync.WaitGroup
	for range cap(all) {
		callers.Go(func() { all <- call(ctx) })
	}
	w.t.Cleanup(func() { cancel(); callers.Wait() })
	w.await("all connections they may have are used", func() bool { return w.blocked() == statements })
	return all
}

// wantHotPath stores, claims and records, and makes the checks that every request makes.
func (w *world) wantHotPath() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			if _, err := NewMessageInserter(w.Store, nil).MessageInsert(ctx, w.event(nil)); err != nil {
				w.t.Errorf("store: %v", err)
			}
		})
		work.Go(func() {
			if _, err := w.TokenRevocationExists(ctx, w.token("hash", "", now()), now()); err != nil {
				w.t.Errorf("verify a token: %v", err)
			}
		})
	}
	work.Wait()
	deliveries := w.claim(core.Room{Total: 100, PerEndpoint: 100, LeasedUntil: now().Add(time.Minute)})
	if len(deliveries) == 0 {
		w.t.Error("nothing was claimed")
	}
	for _, d := range deliveries {
		if !w.record(result(d, time.Time{})) {
			w.t.Error("a result was not recorded")
		}
	}
	if err := w.Ping(ctx); err != nil {
		w.t.Errorf("health: %v", err)
	}
}

func TestShareOfListsLeavesTheRestToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	unlock := w.lockTable("event_type")
	var callers atomic.Int32
	results := w.flood(connectionsDefault/6, func(ctx context.Context) error {
		app := core.AppID(strconv.Itoa(int(callers.Add(1)) % 2)) // one application alone would not get all connections
		return listEventTypes(core.WithCustomer(ctx, core.Customer{AppID: app}), w.Store)
	})
	w.wantHotPath()
	w.addApplication(testOrg, "meanwhile") // a request that writes
	if err := listEventTypes(t.Context(), w.Store); !core.IsKind(err, core.KindUnavailable) {
		t.Errorf("one list too many: %v, want it to be unavailable", err)
	}
	unlock()
	for range cap(results) {
		if err := <-results; err != nil && !errors.Is(err, errShareFull) {
			t.Errorf("list: %v", err)
		}
	}
	if err := listEventTypes(t.Context(), w.Store); err != nil {
		t.Errorf("a list afterwards: %v", err)
	}
}

func TestSharesOfRequestsAndJobsLeaveTheRestToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.lockTable("event_type")
	write := func(s core.Store) func(context.Context) error {
		return func(ctx context.Context) error {
			return s.InTx(ctx, func(ctx context.Context, tx core.Tx) error {
				_, err := tx.EventTypeLock(ctx, testOrg, "none")
				return err
			})
		}
	}
	w.flood(connectionsDefault/4, write(w.Store))
	w.flood(connectionsDefault/4+connectionsDefault/6, write(w.ForJobs()))
	w.wantHotPath()
	if _, _, err := w.EndpointList(t.Context(), w.app.ID, core.Page{Limit: 10}); err != nil {
		t.Errorf("list: %v", err)
	}
}

// TestShareOfListsEndsTheirStatements: a statement whose caller has gone holds a place and its locks in Postgres.
func TestShareOfListsEndsTheirStatements(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lockTable("event_type")
	ctx, hangUp := context.WithCancel(t.Context())
	var caller sync.WaitGroup
	caller.Go(func() {
		if err := listEventTypes(ctx, w.Store); !errors.Is(err, context.Canceled) {
			t.Errorf("the list ended with %v", err)
		}
	})
	w.await("a list waits for the lock", func() bool { return w.blocked() == 1 })
	hangUp()
	caller.Wait()
	w.await("no list is left in Postgres", func() bool { return w.blocked() == 0 })

	var timeout string
	if err := w.pools.lists.QueryRow(t.Context(), "SHOW statement_timeout").Scan(&timeout); err != nil || timeout != "10s" {
		t.Errorf("Postgres ends lists after %q, want 10s; %v", timeout, err)
	}
	if err := w.pool.QueryRow(t.Context(), "SHOW statement_timeout").Scan(&timeout); err != nil || timeout != "0" {
		t.Errorf("Postgres ends other statements after %q, want never; %v", timeout, err)
	}
}

func TestSharesAddUpToThePoolSize(t *testing.T) {
	t.Parallel()
	database := newWorld(t).pool.Config().ConnString()
	for size := 1; size <= 13; size++ {
		u, err := url.Parse(database)
		if err != nil {
			t.Fatal(err)
		}
		values := u.Query()
		values.Set("pool_max_conns", strconv.Itoa(size))
		values.Set("pool_min_conns", strconv.Itoa(size))
		u.RawQuery = values.Encode()
		s := openStore(t, u.String(), nil)
		if got := s.Connections(); got != size+1 {
			t.Errorf("pool_max_conns=%d: %d connections in all, want %d", size, got, size+1)
		}
		main, p := int(s.pool.Config().MaxConns), s.pools
		if left := main - p.requests.places.most - p.jobs.places.most - p.payloads.places.most; size >= sharedLeast && left < size/3 {
			t.Errorf("pool_max_conns=%d: %d are left to messages, want a third", size, left)
		}
		for what, call := range map[string]func() error{
			"list": func() error { return listEventTypes(t.Context(), s) }, "job": func() error { return listEventTypes(t.Context(), s.ForJobs()) },
			"write": func() error { return s.InTx(t.Context(), func(context.Context, core.Tx) error { return nil }) },
		} {
			if err := call(); err != nil {
				t.Errorf("pool_max_conns=%d: %s: %v", size, what, err)
			}
		}
		s.Close()
	}
}
