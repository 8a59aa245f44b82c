package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fault is a temporary failure.
type fault struct {
	name   string
	inject func(ctx context.Context, p *plan) (heal func(context.Context) error, err error)
	// least is the minimum duration, for faults that prove nothing if they are brief.
	least time.Duration
}

// plan is the sequence of faults of one run, drawn from a seed: the same seed gives the same faults in the same
// order, at the same places, for the same durations. The work that a fault interrupts depends on the machine.
//
// Other tests wait for events and never for time. Here the passage of time itself is under test, and this is the only
// place that waits for it.
type plan struct {
	lot      *rand.Rand
	soak     *Soak
	timeline *timeline
}

const (
	faultLeast = 300 * time.Millisecond
	faultMost  = 2500 * time.Millisecond
	faultRest  = time.Second // maximum time between two faults
)

// run injects one fault after the other until ctx ends. Each fault occurs once before any recurs. The last one has
// been healed by the time run returns.
func (p *plan) run(ctx context.Context, t testing.TB, faults []fault) {
	t.Helper()
	for ctx.Err() == nil {
		deck := slices.Clone(faults)
		p.lot.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		for _, f := range deck {
			if Pause(ctx, p.upTo(faultRest)) != nil {
				return
			}
			p.suffer(ctx, t, f)
		}
	}
}

func (p *plan) suffer(ctx context.Context, t testing.TB, f fault) {
	t.Helper()
	lasting := max(f.least, faultLeast+p.upTo(faultMost-faultLeast))
	p.timeline.note("%s, for %s", f.name, lasting)
	heal, err := f.inject(t.Context(), p)
	if err != nil {
		t.Errorf("%s: %v", f.name, err)
		return
	}
	_ = Pause(ctx, lasting) // returns early at the end of the run
	if err := heal(t.Context()); err != nil {
		t.Errorf("end of: %s: %v", f.name, err)
	}
	p.timeline.note("  over: %s", f.name)
}

func (p *plan) upTo(d time.Duration) time.Duration {
	return time.Duration(p.lot.Int64N(int64(d))).Truncate(time.Millisecond)
}

func draw[T any](p *plan, from []T) T { return from[p.lot.IntN(len(from))] }

// at records where the fault is.
func (p *plan) at(format string, args ...any) { p.timeline.note("  at "+format, args...) }

func healed(context.Context) error { return nil }

// faultsOfMachines returns the faults of our own processes, of Postgres and of the network between them.
func faultsOfMachines() []fault {
	faults := []fault{
		signalled("kill -9 of an API", syscall.SIGKILL, "api"),
		signalled("kill -9 of a worker", syscall.SIGKILL, "worker"),
		signalled("kill -9 of a serve", syscall.SIGKILL, "serve"),
		signalled("stop of a process", syscall.SIGTERM, "api", "worker", "serve"),
		{"freeze of a worker, longer than its lease", freeze, 5 * time.Second},
		{"end of half of the database's sessions", endSessions, 0},
		shutDown(Fast), shutDown(Immediate),
	}
	for _, tr := range troubles {
		faults = append(faults, fault{"one process's way to Postgres: " + tr.Name,
			func(_ context.Context, p *plan) (func(context.Context) error, error) {
				m := draw(p, p.soak.fleet.members)
				p.at("%s", m.name)
				return m.database.Heal, m.database.Disturb(tr)
			}, 0})
	}
	return faults
}

// faultsOfReceivers returns the faults of receivers and of the network in front of them.
func faultsOfReceivers() (faults []fault) {
	for _, tr := range troubles {
		faults = append(faults, fault{"network of a receiver: " + tr.Name,
			func(_ context.Context, p *plan) (func(context.Context) error, error) {
				d := draw(p, p.soak.well)
				p.at("%s", d.name)
				return d.network.Heal, d.network.Disturb(tr)
			}, 0})
	}
	for _, m := range badManners {
		faults = append(faults, fault{"receiver " + m.name,
			func(_ context.Context, p *plan) (func(context.Context) error, error) {
				d := draw(p, p.soak.well)
				p.at("%s", d.name)
				d.behave(m)
				return func(context.Context) error { d.behave(good); return nil }, nil
			}, 0})
	}
	return faults
}

func signalled(name string, s syscall.Signal, components ...string) fault {
	return fault{name, func(_ context.Context, p *plan) (func(context.Context) error, error) {
		m := draw(p, p.soak.fleet.of(components...))
		p.at("%s", m.name)
		m.signal(s)
		return healed, nil // the fleet restarts it
	}, 0}
}

func freeze(_ context.Context, p *plan) (func(context.Context) error, error) {
	m := draw(p, p.soak.fleet.of("worker", "serve"))
	p.at("%s", m.name)
	m.signal(syscall.SIGSTOP)
	return func(context.Context) error { m.signal(syscall.SIGCONT); return nil }, nil
}

func endSessions(ctx context.Context, p *plan) (func(context.Context) error, error) {
	ended, err := terminateBackends(ctx, p.soak.postgres)
	p.at("%d of them", ended)
	return healed, err
}

func shutDown(how Shutdown) fault {
	return fault{fmt.Sprintf("%s shutdown of Postgres", how), func(ctx context.Context, p *plan) (func(context.Context) error, error) {
		return p.soak.postgres.Start, p.soak.postgres.Stop(ctx, how)
	}, 0}
}

// timeline records when each fault occurred.
type timeline struct {
	mu    sync.Mutex
	begin time.Time
	text  strings.Builder
}

func (l *timeline) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, "%8.3f  %s\n", time.Since(l.begin).Seconds(), fmt.Sprintf(format, args...))
}

func (l *timeline) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
