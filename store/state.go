package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// stateLimit is how long a statement that reads the state may take. It reads some 100,000 index entries at most, which
	// takes a tenth of a second, but passes all dead ones while somebody holds a snapshot: a million in a second.
	stateLimit = 3 * time.Second

	// stateLeaseMost is longer than any lease.
	stateLeaseMost = time.Hour

	// stateQueuesMost is how many queues of endpoints are searched for the oldest delivery.
	stateQueuesMost = 20_000

	// statePaced is how long after its last attempt an endpoint with a rate is known to be served: the lowest rate is
	// one attempt per second.
	statePaced = time.Minute

	// stateLeaseMargin is for clocks that differ, and transactions that are slow to commit.
	stateLeaseMargin = 5 * time.Minute

	// statePartitionsMost is how many partitions of both tables are looked at: weeks from now on.
	statePartitionsMost = 1000

	// One call counts up to stateEndpointPages times stateEndpointRows endpoints.
	stateEndpointRows  = 20_000
	stateEndpointPages = 5
)

// StateReader reads the state of one database. It remembers where it is among many endpoints, so it must not be called
// concurrently.
type StateReader struct {
	conns *share
	limit time.Duration // of a statement

	leasedSince time.Time // no live lease ends earlier
	outboxSince uint64    // no earlier transaction has a row in the outbox

	after   db.StateEndpointsAnyTenantParams
	counted core.EndpointStates // up to after
}

var _ core.StateReader = (*StateReader)(nil)

// NewStateReader returns a reader that begins with the first endpoint.
func NewStateReader(s *Store) *StateReader {
	// Postgres cancels a statement earlier, which keeps the connection.
	return &StateReader{limit: stateLimit, conns: s.pools.jobs.limited(stateLimit + time.Second)}
}

// StateLease implements [core.StateReader].
func (r *StateReader) StateLease(ctx context.Context, reader string, now, until time.Time) (bool, error) {
	n, err := queries.StateLeaseAnyTenant(ctx, r.conns, db.StateLeaseAnyTenantParams{
		Reader: reader, Now: now, Until: until, Longest: now.Add(stateLeaseMost),
	})
	return n == 1, mapError(err)
}

// limited runs a statement with a timeout in Postgres.
func (r *StateReader) limited(ctx context.Context, run func(pgx.Tx) error) error {
	return mapError(transact(ctx, r.conns, func(t pgx.Tx) error {
		if _, err := queries.StateLimitAnyTenant(ctx, t, fmt.Sprintf("%dms", r.limit.Milliseconds())); err != nil {
			return err
		}
		return run(t)
	}))
}

// StateServer implements [core.StateReader].
func (r *StateReader) StateServer(ctx context.Context, now time.Time) (state core.ServerState, err error) {
	err = r.limited(ctx, func(t pgx.Tx) error {
		held, err := queries.StateServerAnyTenant(ctx, t)
		if err != nil {
			return err
		}
		state = core.ServerState{HeldKnown: held.HeldKnown, HeldSince: held.HeldSince, StandbyHolds: held.StandbyXmin}
		message, attempt := core.MessageIDAt(now), core.AttemptIDAt(now)
		parts, err := queries.StatePartitionsAnyTenant(ctx, t, db.StatePartitionsAnyTenantParams{
			MessageID: string(message), AttemptID: string(attempt), MaxRows: statePartitionsMost,
		})
		if until, err := core.MessageID(covered(parts, "message", string(message))).Time(); err == nil && until.After(now) {
			state.MessagesUntil = until
		}
		if until, err := core.AttemptID(covered(parts, "attempt", string(attempt))).Time(); err == nil && until.After(now) {
			state.AttemptsUntil = until
		}
		return err
	})
	return state, err
}

// covered returns the id up to which the partitions of a table hold all ids from the given one on. A partition may be
// years ahead of the others: one was made for each row whose id came from a wrong clock.
func covered(parts []db.StatePartitionsAnyTenantRow, table, id string) string {
	for _, p := range parts {
		if p.Parent == table && p.FromID <= id && id < p.ToID {
			id = p.ToID
		}
	}
	return id
}

// StateOutbox implements [core.StateReader]. Rows that were taken out stay in the indexes for as long as somebody holds a
// snapshot, so each call begins at the first transaction that had a row in the outbox, or was in progress, at the last.
func (r *StateReader) StateOutbox(ctx context.Context) (state core.OutboxState, err error) {
	err = r.limited(ctx, func(t pgx.Tx) error {
		row, err := queries.StateOutboxAnyTenant(ctx, t, db.StateOutboxAnyTenantParams{Most: core.StateCountMost, SinceTxID: r.outboxSince})
		if err != nil {
			return err
		}
		state = core.OutboxState{Rows: row.OutboxRows, DeadLetters: row.DeadLetters}
		r.outboxSince = row.OutboxTxID
		return nil
	})
	return state, err
}

// StateOwed implements [core.StateReader]. Each delivery leaves a dead entry among the leased ones, for as long as
// somebody holds a snapshot. A lease ends after the moment at which it was given, so none can appear before the first one
// that was there at the last reading. If even the first reading takes too long, it does without old leases: the
// workers' sweeps end those.
func (r *StateReader) StateOwed(ctx context.Context, now time.Time) (map[core.QueueKind]int64, error) {
	owed, since := map[core.QueueKind]int64{}, now
	err := r.limited(ctx, func(t pgx.Tx) error {
		rows, err := queries.StateOwedAnyTenant(ctx, t, db.StateOwedAnyTenantParams{
			Most: core.StateCountMost, LeasedSince: r.leasedSince, Now: now,
		})
		for _, row := range rows {
			owed[core.QueueKind(row.Queue)] = row.Owed
			if row.LeasedAt.Before(since) {
				since = row.LeasedAt
			}
		}
		return err
	})
	r.leasedSince = since.Add(-stateLeaseMargin)
	return owed, err
}

// StateOldestDue implements [core.StateReader].
func (r *StateReader) StateOldestDue(ctx context.Context, now time.Time) (due time.Time, err error) {
	err = r.limited(ctx, func(t pgx.Tx) error {
		due, err = queries.StateOldestDueAnyTenant(ctx, t, db.StateOldestDueAnyTenantParams{
			MaxQueues: stateQueuesMost, Now: now, PacedSince: now.Add(-statePaced), LeasedSince: r.leasedSince,
		})
		return err
	})
	return due, err
}

// StateEndpoints implements [core.StateReader].
func (r *StateReader) StateEndpoints(ctx context.Context) (core.EndpointStates, bool, error) {
	for range stateEndpointPages {
		ended, err := r.countEndpoints(ctx, stateEndpointRows)
		if err != nil {
			return core.EndpointStates{}, false, err
		}
		if ended {
			counted := r.counted
			r.counted, r.after = core.EndpointStates{}, db.StateEndpointsAnyTenantParams{}
			return counted, true, nil
		}
	}
	return core.EndpointStates{}, false, nil
}

// countEndpoints counts the endpoints of one page, and reports whether it is the last.
func (r *StateReader) countEndpoints(ctx context.Context, most int32) (ended bool, err error) {
	r.after.Most = most
	err = r.limited(ctx, func(t pgx.Tx) error {
		row, err := queries.StateEndpointsAnyTenant(ctx, t, r.after)
		if err != nil {
			return err
		}
		r.counted.Enabled += row.Enabled
		r.counted.Failing += row.Failing
		r.counted.Paused += row.Paused
		r.counted.Disabled += row.Disabled
		r.after.AfterAppID, r.after.AfterEndpointID = row.LastAppID, row.LastID
		ended = row.Looked < most
		return nil
	})
	return ended, err
}
