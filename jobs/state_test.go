package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

// fakeState is a database that several processes read.
type fakeState struct {
	mu      sync.Mutex // held by each lease, so that changes come before it: fake timers order nothing
	owner   string
	until   time.Time
	away    bool          // nothing answers
	dead    bool          // deliveries cannot be read
	hidden  bool          // transactions of others cannot be seen
	takes   time.Duration // a reading
	reads   int
	pages   int // of endpoints that are left
	standby string
	held    time.Time
	due     time.Time
}

var errAway = errors.New("away")

func (f *fakeState) StateLease(_ context.Context, reader string, now, until time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.away:
		return false, errAway
	case f.owner != reader && f.until.After(now):
		return false, nil
	}
	f.owner, f.until = reader, until
	return true, nil
}

// set changes what the next readings find.
func (f *fakeState) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeState) StateServer(_ context.Context, now time.Time) (core.ServerState, error) {
	f.reads++
	<-time.After(f.takes)
	return core.ServerState{HeldKnown: !f.hidden, HeldSince: f.held, StandbyHolds: f.standby, MessagesUntil: now.Add(time.Hour)}, nil
}

func (f *fakeState) StateOutbox(context.Context) (core.OutboxState, error) {
	return core.OutboxState{Rows: 1}, nil
}

func (f *fakeState) StateEndpoints(context.Context) (core.EndpointStates, bool, error) {
	f.pages--
	return core.EndpointStates{Enabled: 3}, f.pages < 0, nil
}

func (f *fakeState) StateOwed(context.Context, time.Time) (map[core.QueueKind]int64, error) {
	if f.dead {
		return nil, errors.New("timeout")
	}
	return map[core.QueueKind]int64{core.QueueFirst: 7}, nil
}

func (f *fakeState) StateOldestDue(context.Context, time.Time) (time.Time, error) { return f.due, nil }

// stateProcess is a process that reads the state.
type stateProcess struct {
	shown atomic.Pointer[State]
	log   strings.Builder
	stop  context.CancelFunc
	done  chan struct{}
}

func readFake(t *testing.T, f *fakeState, name string) *stateProcess {
	t.Helper()
	p := &stateProcess{done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	p.stop = func() { cancel(); <-p.done }
	go func() {
		defer close(p.done)
		ReadState(ctx, f, name, time.Now, p.shown.Store, slog.New(slog.NewTextHandler(&p.log, nil)))
	}()
	synctest.Wait()
	return p
}

// pass lets time pass; it is the bubble's time, so this takes none.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestStateIsReadByOneProcessAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeState{}
		a := readFake(t, f, "a")
		b := readFake(t, f, "b")
		for range 100 {
			pass(stateInterval)
			if a.shown.Load() == nil || b.shown.Load() != nil {
				t.Fatal("the first process does not read on, alone")
			}
		}
		if f.reads != 101 {
			t.Errorf("%d readings in a hundred intervals", f.reads)
		}
		a.stop()
		if a.shown.Load() != nil {
			t.Error("a process that stopped still shows something")
		}
		pass(stateInterval)
		if b.shown.Load() == nil {
			t.Error("the other process did not take over within an interval")
		}
		b.stop()
	})
}

func TestStateIsReadByAnotherProcessAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeState{}
		if leased, err := f.StateLease(t.Context(), "crashed", time.Now(), time.Now().Add(stateLease)); !leased || err != nil {
			t.Fatal(leased, err)
		}
		b := readFake(t, f, "b")
		if b.shown.Load() != nil {
			t.Error("two processes read")
		}
		pass(stateLease)
		if b.shown.Load() == nil {
			t.Error("no process reads after the lease")
		}
		b.stop()
	})
}

func TestStateIsNotShownWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeState{}
		a := readFake(t, f, "a")
		f.set(func() { f.away = true })
		pass(stateInterval)
		if a.shown.Load() != nil {
			t.Error("what was read before is still shown")
		}
		pass(10 * stateInterval)
		f.set(func() { f.away = false })
		pass(stateInterval)
		if a.shown.Load() == nil {
			t.Error("nothing is shown after the outage")
		}
		a.stop()
		if n := strings.Count(a.log.String(), "state not read"); n != 1 {
			t.Errorf("an outage is logged %d times", n)
		}
	})
}

func TestStateThatCannotBeReadLeavesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeState{dead: true, hidden: true, pages: 2, held: time.Now().Add(-time.Hour)}
		a := readFake(t, f, "a")
		s := a.shown.Load()
		if s == nil || s.Owed != nil || s.Held != nil || s.Endpoints != nil || s.Outbox == nil || s.OldestDue == nil || *s.MessagesAhead != time.Hour || *s.AttemptsAhead != 0 {
			t.Errorf("shown: %+v", s)
		}
		f.set(func() { f.dead, f.hidden = false, false })
		pass(2 * stateInterval)
		s = a.shown.Load()
		if s.Owed[core.QueueFirst] != 7 || s.Held == nil || *s.Held < time.Hour || s.Endpoints == nil || s.Endpoints.Enabled != 3 {
			t.Errorf("shown: %+v", s)
		}
		a.stop()
	})
}

// A reading of 5 s is followed by a rest of at least 45 s: three intervals during which the lease is extended.
func TestStateIsReadATenthOfTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeState{takes: 5 * time.Second}
		a := readFake(t, f, "a")
		b := readFake(t, f, "b")
		pass(f.takes)
		for range 40 {
			if s := a.shown.Load(); s == nil || !s.Until.After(time.Now()) || b.shown.Load() != nil {
				t.Fatalf("the process that reads shows %+v, and the other one %+v", s, b.shown.Load())
			}
			pass(stateInterval)
		}
		if f.reads < 9 || f.reads > 11 {
			t.Errorf("%d readings of 5 s in 600 s", f.reads)
		}
		a.stop()
		b.stop()
	})
}

// A standby has no time at which it began to hold rows back.
func TestStateMeasuresHowLongAStandbyHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeState{}
		a := readFake(t, f, "a")
		for _, step := range []struct {
			standby string
			want    time.Duration
		}{{"", 0}, {"7", 0}, {"7", stateInterval}, {"7", 2 * stateInterval}, {"9", 0}, {"9", stateInterval}, {"", 0}} {
			f.set(func() { f.standby = step.standby })
			pass(stateInterval)
			if got := *a.shown.Load().Held; got != step.want {
				t.Errorf("%+v: held for %s", step, got)
			}
		}
		f.set(func() { f.due = time.Now().Add(-time.Minute) })
		pass(stateInterval)
		if got := *a.shown.Load().OldestDue; got != time.Minute+stateInterval {
			t.Errorf("due for %s", got)
		}
		a.stop()
	})
}
