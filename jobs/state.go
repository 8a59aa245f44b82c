package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/postrider/postrider/core"
)

const (
	// stateInterval is the least time between two readings, and how often a process takes or extends the lease.
	stateInterval = 15 * time.Second

	// stateRest is how many times longer than a reading the rest after it is at least, so that readings take a tenth of a
	// connection's time at most.
	stateRest = 9

	// stateTimeout bounds a reading, including the time that it waits for a connection. Each of its statements has a
	// shorter limit of its own.
	stateTimeout = 30 * time.Second

	// stateLease outlasts a reading and the interval after it. A process that dies is missed for that long.
	stateLease = stateTimeout + 2*stateInterval
)

// State is what a process that reads the state has read. What is nil could not be read, or is not known.
type State struct {
	Until time.Time // when it is no longer valid: another process may be reading by then

	Owed      map[core.QueueKind]int64
	Endpoints *core.EndpointStates
	Outbox    *core.OutboxState

	OldestDue                    *time.Duration // for how long the oldest delivery has been due; 0: none is
	Held                         *time.Duration // for how long vacuum has been held back, as far as it is known; 0: it is not
	MessagesAhead, AttemptsAhead *time.Duration // for how long there are partitions
}

// stateReading reads the state in one process.
type stateReading struct {
	store   core.StateReader
	reader  string
	clock   func() time.Time
	publish func(*State)
	log     *slog.Logger

	leased    bool
	last      *State               // what was read last
	rests     int                  // intervals until the next reading
	hidden    bool                 // the database does not show since when vacuum is held back
	failing   bool                 // the last reading failed
	endpoints *core.EndpointStates // the last that were counted
	standby   string               // the last transaction whose rows a standby keeps
	since     time.Time            // when it was first seen
}

// ReadState reads the state of the database until ctx ends, and publishes it, if no other process does. It publishes nil
// when it no longer reads. reader names the process, and no other one.
func ReadState(ctx context.Context, store core.StateReader, reader string, clock func() time.Time, publish func(*State), log *slog.Logger) {
	r := &stateReading{store: store, reader: reader, clock: clock, publish: publish, log: log}
	defer r.stop(ctx)
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(stateInterval):
		}
	}
}

// round takes or extends the lease. If this process has it, it reads the state when it is time to, and publishes it.
func (r *stateReading) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	began := r.clock()
	until := began.Add(stateLease)
	leased, err := r.store.StateLease(ctx, r.reader, began, until)
	if err != nil || !leased {
		r.lost(err)
		return
	}
	r.leased = true
	if r.rests--; r.last == nil || r.rests < 0 {
		r.last, err = r.read(ctx)
		r.told(err)
		took := min(r.clock().Sub(began), stateTimeout) // the clock may be set forward meanwhile
		r.rests = int(stateRest * took / stateInterval)
	}
	state := *r.last
	state.Until = until
	r.publish(&state)
}

// lost forgets what was read.
func (r *stateReading) lost(err error) {
	if err != nil {
		r.told(fmt.Errorf("lease: %w", err))
	} else {
		r.leased = false
	}
	r.last, r.endpoints, r.standby = nil, nil, ""
	r.publish(nil)
}

// told logs when readings begin to fail.
func (r *stateReading) told(err error) {
	if err != nil && !r.failing {
		r.log.Warn("state not read; metrics missing", "error", err)
	}
	r.failing = err != nil
}

// stop lets another process take over at once.
func (r *stateReading) stop(ctx context.Context) {
	r.publish(nil)
	if !r.leased {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateStopTimeout)
	defer cancel()
	now := r.clock()
	_, _ = r.store.StateLease(ctx, r.reader, now, now) // or it does when the lease ends
}

const stateStopTimeout = 2 * time.Second

// read reads all that can be read. What cannot be read leaves out nothing else.
func (r *stateReading) read(ctx context.Context) (*State, error) {
	state := &State{}
	return state, errors.Join(r.readServer(ctx, state), r.readCounts(ctx, state), r.readDue(ctx, state))
}

func (r *stateReading) readServer(ctx context.Context, state *State) error {
	now := r.clock()
	server, err := r.store.StateServer(ctx, now)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	state.MessagesAhead, state.AttemptsAhead = new(left(now, server.MessagesUntil)), new(left(now, server.AttemptsUntil))
	if server.StandbyHolds != r.standby {
		r.standby, r.since = server.StandbyHolds, now
	}
	if r.hidden != !server.HeldKnown {
		r.hidden = !server.HeldKnown
		r.log.Info("visibility of other roles' transactions changed", "visible", server.HeldKnown, "privilege", "pg_read_all_stats")
	}
	if server.HeldKnown {
		held := elapsed(server.HeldSince, now)
		if r.standby != "" {
			held = max(held, elapsed(r.since, now))
		}
		state.Held = &held
	}
	return nil
}

// left returns the time from now until then, or 0 if then is zero.
func left(now, then time.Time) time.Duration {
	if then.IsZero() {
		return 0
	}
	return then.Sub(now)
}

// elapsed returns the time since then until now, or 0 if then is zero.
func elapsed(then, now time.Time) time.Duration {
	if then.IsZero() {
		return 0
	}
	return max(0, now.Sub(then))
}

func (r *stateReading) readCounts(ctx context.Context, state *State) error {
	var failed error
	if outbox, err := r.store.StateOutbox(ctx); err == nil {
		state.Outbox = &outbox
	} else {
		failed = fmt.Errorf("outbox: %w", err)
	}
	switch endpoints, all, err := r.store.StateEndpoints(ctx); {
	case err != nil:
		r.endpoints = nil
		failed = errors.Join(failed, fmt.Errorf("endpoints: %w", err))
	case all:
		r.endpoints = &endpoints
	}
	state.Endpoints = r.endpoints
	return failed
}

func (r *stateReading) readDue(ctx context.Context, state *State) error {
	owed, err := r.store.StateOwed(ctx, r.clock())
	if err != nil {
		err = fmt.Errorf("deliveries owed: %w", err)
	} else {
		state.Owed = owed
	}
	now := r.clock()
	due, dueErr := r.store.StateOldestDue(ctx, now)
	if dueErr != nil {
		return errors.Join(err, fmt.Errorf("oldest due delivery: %w", dueErr))
	}
	state.OldestDue = new(elapsed(due, now))
	return err
}
