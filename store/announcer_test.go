package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

func TestAnnouncerCoalesces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Duration
		began := time.Now()
		a := newAnnouncer(func(context.Context, news) error {
			sent = append(sent, time.Since(began))
			return errors.New("lost") // the next one is still sent
		}, 5*time.Millisecond)
		defer a.close()

		for range 100 { // 100 ms
			a.announce(newsFresh)
			<-time.After(time.Millisecond)
		}
		synctest.Wait()
		if n := len(sent); n < 18 || n > 21 {
			t.Errorf("100 announcements within 100 ms: sent %d, want one per 5 ms", n)
		}
		if sent[0] != 0 {
			t.Errorf("the first was sent after %s, want at once", sent[0])
		}

		<-time.After(time.Second)
		quiet := time.Since(began)
		a.announce(newsFresh)
		synctest.Wait()
		if last := sent[len(sent)-1]; last != quiet {
			t.Errorf("after a quiet second it was sent at %s, want %s", last, quiet)
		}
	})
}

func TestAnnouncerSendsWhatIsPendingWhenItCloses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		a := newAnnouncer(func(context.Context, news) error { sent++; return nil }, time.Hour)
		a.announce(newsFresh)
		synctest.Wait()
		a.announce(newsFresh)
		synctest.Wait()
		if sent != 1 {
			t.Errorf("sent %d before it closes, want 1", sent)
		}
		began := time.Now()
		a.close()
		a.close()
		a.announce(newsFresh)
		if waited := time.Since(began); sent != 2 || waited > 0 {
			t.Errorf("sent %d, closed after %s; want 2 at once", sent, waited)
		}
	})
}

func TestAnnouncerBlocksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(*testing.T) {
		proceed := make(chan struct{})
		a := newAnnouncer(func(context.Context, news) error { <-proceed; return nil }, time.Millisecond)
		a.announce(newsFresh)
		synctest.Wait() // it is sending
		a.announce(newsFresh)
		close(proceed)
		a.close()
	})
}

// notifications counts the notifications that a listener hears until the last one.
func (w *world) notifications(store func()) int {
	w.t.Helper()
	conn, err := w.pool.Acquire(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Hijack().Close(context.WithoutCancel(w.t.Context())) }()
	if _, err := conn.Exec(w.t.Context(), "LISTEN postrider_delivery; LISTEN the_end"); err != nil {
		w.t.Fatal(err)
	}
	store()
	w.announcer.close()
	w.exec("SELECT pg_notify('the_end', '')")
	for heard := 0; ; heard++ {
		n, err := conn.Conn().WaitForNotification(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n.Channel == "the_end" {
			return heard
		}
	}
}

func TestMessagesAreAnnouncedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.announcer.rest = time.Hour // until it closes
	inserter := NewMessageInserter(w.Store, nil)
	const statements = 50
	heard := w.notifications(func() {
		for range statements {
			if _, err := inserter.MessageInsert(w.t.Context(), w.event(nil)); err != nil {
				t.Fatal(err)
			}
		}
	})
	if heard < 1 || heard > 2 { // one immediately and one at the end
		t.Errorf("%d statements sent %d notifications, want 2", statements, heard)
	}
}

func TestMessagesOfAUnitOfWorkAreAnnouncedAfterItsCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	heard := w.notifications(func() {
		w.in(func(ctx context.Context, tx core.Tx) error {
			_, err := tx.MessageInsertMany(ctx, []core.NewMessage{w.event(nil)}, now())
			w.announcer.mu.Lock()
			defer w.announcer.mu.Unlock()
			if w.announcer.pending != 0 || w.announcer.running {
				t.Error("announced before the commit")
			}
			return err
		})
	})
	if heard != 1 {
		t.Errorf("heard %d notifications, want 1", heard)
	}
}

func TestMessagesThatNobodyWaitsForAreNotAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	inserter := NewMessageInserter(w.Store, &takes{room: room()})
	heard := w.notifications(func() {
		for _, change := range []func(*core.NewMessage){
			nil, // leased
			func(m *core.NewMessage) { m.DeliverAt = new(now().Add(time.Hour)) },
		} {
			if _, err := inserter.MessageInsert(w.t.Context(), w.event(change)); err != nil {
				t.Fatal(err)
			}
		}
		w.exec("UPDATE endpoint SET paused_at = now(), paused_until = now() + interval '1 hour' WHERE id = $1", e.ID)
		if _, err := inserter.MessageInsert(w.t.Context(), w.event(nil)); err != nil {
			t.Fatal(err)
		}
	})
	if heard != 0 {
		t.Errorf("heard %d notifications, want none", heard)
	}
}
