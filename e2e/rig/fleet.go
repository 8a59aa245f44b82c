package rig

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fleet is a set of processes on one database. Like a service manager, it restarts each process that exits.
type fleet struct {
	members []*member
	stopped context.CancelFunc
	running sync.WaitGroup
}

// member is one place in the fleet. Each has its own connection path to the database.
type member struct {
	name      string
	component string
	settings  []string
	database  Proxy

	mu      sync.Mutex
	process *Process
	address string // of its API; "" unless ready
	told    bool   // told to exit, so its exit is no fault
	retired bool   // not to be restarted
	starts  int
	faults  []error // unexpected exits
}

// restartAfter is long enough to avoid a busy loop while the database is down.
const restartAfter = 200 * time.Millisecond

func newFleet(t testing.TB, database, upstream string, more []string, components ...string) *fleet {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &fleet{stopped: cancel}
	t.Cleanup(f.end)
	for i, component := range components {
		way := NewProxy(t, upstream)
		m := &member{
			name: fmt.Sprintf("process %d (%s)", i, component), component: component,
			database: way, settings: Settings(URLAt(database, way.Listen), more...),
		}
		f.members = append(f.members, m)
		f.running.Go(func() { m.run(ctx) })
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, m := range f.members {
				t.Logf("%s, started %d times: %s", m.name, m.starts, Tail(m.process.Stdout.String()+m.process.Stderr.String()))
			}
		}
	})
	return f
}

// run keeps a process running until ctx ends.
func (m *member) run(ctx context.Context) {
	for ctx.Err() == nil && !m.isRetired() {
		p, err := launch(m.settings, m.component)
		if err != nil {
			m.found(err)
			return
		}
		m.begin(p)
		ready := poll(ctx, func() bool { return m.isReady(p) || p.HasEnded() }) == nil && m.isReady(p)
		select {
		case <-ctx.Done():
			p.Kill()
		case <-p.done:
			m.ended(p, ready)
			_ = Pause(ctx, restartAfter)
		}
	}
}

func (m *member) begin(p *Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process, m.address, m.told = p, "", false
	m.starts++
}

func (m *member) isReady(p *Process) bool {
	line, ok := readyLine(p.Stdout.String())
	if ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.address = line.Address
	}
	return ok
}

// ended records an exit. A process that was not ready yet may exit: it may refuse to start while the database is
// down.
func (m *member) ended(p *Process, ready bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.address = ""
	if ready && !m.told {
		m.faults = append(m.faults, fmt.Errorf("%s ended by itself: %s", m.name, Tail(p.Stderr.String())))
	}
}

func (m *member) isRetired() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.retired
}

// retire stops the process for good. The process must exit with 0.
func (m *member) retire(t testing.TB) {
	t.Helper()
	m.mu.Lock()
	m.retired, m.told = true, true
	p := m.process
	m.mu.Unlock()
	p.Stop(t)
}

func (m *member) found(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, err)
}

// signal sends a signal to the process if one is running.
func (m *member) signal(s os.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process == nil {
		return
	}
	m.told = m.told || s != syscall.SIGSTOP && s != syscall.SIGCONT
	_ = m.process.Cmd.Process.Signal(s) // it may have just exited
}

// api returns the address of a ready API chosen at random, or "" if there is none.
func (f *fleet) api() string {
	var ready []string
	for _, m := range f.members {
		m.mu.Lock()
		if m.address != "" {
			ready = append(ready, m.address)
		}
		m.mu.Unlock()
	}
	if len(ready) == 0 {
		return ""
	}
	return ready[rand.IntN(len(ready))]
}

// of returns the members that run one of these components.
func (f *fleet) of(components ...string) (found []*member) {
	for _, m := range f.members {
		if slices.Contains(components, m.component) {
			found = append(found, m)
		}
	}
	return found
}

// end kills the remaining processes and prevents further restarts.
func (f *fleet) end() {
	f.stopped()
	f.running.Wait()
}
