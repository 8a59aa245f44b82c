package core

import (
	"context"
	"time"
)

// StateCountMost is the largest number that is counted of anything whose number has no bound. It stands for itself and
// for every larger one.
const StateCountMost = 100_000

// ServerState is what the database server keeps.
type ServerState struct {
	// HeldKnown reports whether the role may see the transactions of others, without which HeldSince says little.
	HeldKnown bool
	// HeldSince is when the oldest transaction began that keeps dead rows from being removed. Zero: there is none.
	HeldSince time.Time
	// StandbyHolds is the oldest transaction whose rows a standby or a replication slot keeps, without a time; empty:
	// there is none.
	StandbyHolds string

	// Until when there are partitions for new rows, without a gap from now on. Zero: new rows land in the default ones.
	MessagesUntil, AttemptsUntil time.Time
}

// OutboxState says how many messages are in the outbox and how many were refused there, each up to StateCountMost.
type OutboxState struct{ Rows, DeadLetters int64 }

// EndpointStates says how many endpoints there are in each state. An endpoint is in one of them.
type EndpointStates struct {
	Enabled  int64 // and the last attempt succeeded, or there was none
	Failing  int64 // the last attempt failed
	Paused   int64 // nothing is sent but probes
	Disabled int64
}

// StateReader reads the state of the database for metrics. Every method is bounded in what it reads and in time,
// however much the tables hold, and fails if that is not enough.
type StateReader interface {
	// StateLease makes a process the only one that reads the state until a time, or keeps it that. It returns false if
	// another process is.
	StateLease(ctx context.Context, reader string, now, until time.Time) (bool, error)
	StateServer(ctx context.Context, now time.Time) (ServerState, error)
	StateOutbox(ctx context.Context) (OutboxState, error)
	// StateEndpoints returns false while it has not counted all endpoints since the last time that it returned true,
	// because there are more than one call counts.
	StateEndpoints(ctx context.Context) (EndpointStates, bool, error)
	// StateOwed returns how many deliveries are owed in each queue, up to StateCountMost.
	StateOwed(ctx context.Context, now time.Time) (map[QueueKind]int64, error)
	// StateOldestDue returns since when the oldest delivery is due that a worker could make now, or zero.
	StateOldestDue(ctx context.Context, now time.Time) (time.Time, error)
}
