package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// countEach is how many attempts are between two counts that are kept: what is counted anew at each end of
	// a period is less than that. A row of 200 bytes for a thousand attempts is nothing beside them.
	countEach = 1000

	// countStep is how many attempts one statement counts: 1 us each, twice as many rows where half of them
	// failed. A multiple of countEach.
	countStep = 5000

	// countLate is how long after its beginning an attempt is recorded as usual; one that is recorded later deletes
	// the counts that are kept without it. Longer than the default lease.
	countLate = 5 * time.Minute

	// countSettled is how old attempts must be to be in a count that is kept. It leaves ten minutes for the statement
	// that records an attempt, and for clocks that differ or are set.
	countSettled = countLate + 10*time.Minute
)

// counter counts the attempts at an endpoint. It keeps counts of what is settled, day by day, and counts on from them.
type counter struct {
	conn     db.DBTX
	app      core.AppID
	endpoint core.EndpointID
	settled  core.AttemptID // attempts before it are recorded
}

// count is how many attempts of a day there are up to an id.
type count struct {
	until core.AttemptID
	core.EndpointAttemptStats
}

// edge is where the attempts of a day stop to count, or begin to.
type edge struct {
	partition    string
	first, until core.AttemptID // the day's first, and the first that is not counted
	wholeDay     bool           // until is the first of the next day
	begin        bool           // what is before it does not count

	partitionOID int64 // 0: counts cannot be kept
	kept         count // the last before until
}

// count counts the attempts of a period.
func (c counter) count(ctx context.Context, since, until time.Time) (sum core.EndpointAttemptStats, err error) {
	edges := countEdges(since, until)
	known, err := c.lookUp(ctx, edges)
	if err != nil || len(edges) == 0 {
		return sum, err
	}
	if !known { // of few attempts nothing need be kept
		all := edge{until: core.AttemptIDAt(until)}
		total, more, err := c.step(ctx, all, count{until: core.AttemptIDAt(since)})
		if err != nil || !more {
			return total.EndpointAttemptStats, err
		}
	}
	var last count
	for i, e := range edges {
		from := e.kept
		if i > 0 && edges[i-1].begin { // it is of the same day
			from = later(from, last)
		}
		if last, err = c.countTo(ctx, e, from); err != nil {
			return sum, err
		}
		if e.begin {
			sum.Succeeded, sum.Failed = sum.Succeeded-last.Succeeded, sum.Failed-last.Failed
		} else {
			sum.Succeeded, sum.Failed = sum.Succeeded+last.Succeeded, sum.Failed+last.Failed
		}
	}
	return sum, nil
}

func later(a, b count) count {
	if a.until < b.until {
		return b
	}
	return a
}

// countEdges are the ends of the days of a period, and before them its beginning, if that is no beginning of a day.
func countEdges(since, until time.Time) []edge {
	const day = 24 * time.Hour
	var edges []edge
	for first := since.UTC().Truncate(day); first.Before(until); first = first.Add(day) {
		e := edge{
			partition: partitionName(core.AttemptPartition(first)),
			first:     core.AttemptIDAt(first),
			until:     core.AttemptIDAt(until),
		}
		e.kept.until = e.first
		if since.After(first) {
			begin := e
			begin.until, begin.begin = core.AttemptIDAt(since), true
			edges = append(edges, begin)
		}
		if next := first.Add(day); !next.After(until) {
			e.until, e.wholeDay = core.AttemptIDAt(next), true
		}
		edges = append(edges, e)
	}
	return edges
}

func partitionName(p core.Partition) string { return p.Table + "_" + p.Suffix }

// lookUp finds the last count of each edge that is kept, and reports whether there is any.
func (c counter) lookUp(ctx context.Context, edges []edge) (known bool, err error) {
	ns := make([]int32, len(edges))
	for i := range edges {
		ns[i] = int32(i)
	}
	rows, err := queries.AttemptCountKeptMany(ctx, c.conn, db.AttemptCountKeptManyParams{
		AppID: c.app, EndpointID: c.endpoint, Ns: ns,
		Partitions: column(edges, func(e *edge) string { return e.partition }),
		AfterIDs:   column(edges, func(e *edge) string { return string(e.first) }),
		UntilIDs:   column(edges, func(e *edge) string { return string(e.until) }),
	})
	if isMissing(err) { // the schema is of the release before: nothing is kept
		return false, nil
	}
	for _, row := range rows {
		e := &edges[row.N]
		e.partitionOID = row.PartitionOID
		if row.UntilID != "" {
			known = true
			e.kept.until = core.AttemptID(row.UntilID)
			e.kept.Succeeded, e.kept.Failed = row.Succeeded, row.Failed
		}
	}
	return known, err
}

// countTo counts on to an edge, step by step. Each keeps what it counted, so that a request that is cut off is shorter
// when it is made again.
func (c counter) countTo(ctx context.Context, e edge, from count) (_ count, err error) {
	for more := true; more && from.until < e.until; {
		if from, more, err = c.step(ctx, e, from); err != nil {
			return from, err
		}
	}
	from.until = e.until
	return from, nil
}

// step counts on to an edge by one statement, and reports whether there may be more than that. That its counts cannot be
// kept is no reason not to answer.
func (c counter) step(ctx context.Context, e edge, from count) (to count, more bool, err error) {
	in, is := c.conn.(beginner)
	if !is || e.partitionOID == 0 || from.until >= c.settled {
		counts, more, err := c.read(ctx, c.conn, e, from)
		return lastCount(counts, from), more, err
	}
	var counts []count
	read := false
	err = transact(ctx, in, func(t pgx.Tx) error {
		// First the lock: an attempt that is recorded late is recorded before, or finds these counts.
		locked, err := queries.AttemptCountTryLock(ctx, t, db.AttemptCountTryLockParams{AppID: string(c.app), EndpointID: string(c.endpoint)})
		if err != nil {
			return err
		}
		if counts, more, err = c.read(ctx, t, e, from); err != nil {
			return err
		}
		if read = true; !locked {
			return nil
		}
		return c.keep(ctx, t, e, c.settledOf(e, counts, lastCount(counts, from), more))
	})
	if read {
		err = nil
	}
	return lastCount(counts, from), more, err
}

// read counts on from a count: every countEach attempts, and at the last.
func (c counter) read(ctx context.Context, conn db.DBTX, e edge, from count) (counts []count, more bool, err error) {
	rows, err := queries.AttemptCountMany(ctx, conn, db.AttemptCountManyParams{
		AppID: c.app, EndpointID: c.endpoint, After: string(from.until), Before: string(e.until),
		MaxRows: countStep, Each: countEach,
	})
	for _, row := range rows {
		counts = append(counts, count{until: row.ID, EndpointAttemptStats: core.EndpointAttemptStats{
			Succeeded: from.Succeeded + row.Succeeded, Failed: from.Failed + row.N - row.Succeeded,
		}})
		more = row.N == countStep
	}
	return counts, more, err
}

func lastCount(counts []count, otherwise count) count {
	if len(counts) == 0 {
		return otherwise
	}
	return counts[len(counts)-1]
}

// settledOf are those of the counts that nothing changes any more, without one that is not worth a row, and the one of the
// whole day once that is over.
func (c counter) settledOf(e edge, counts []count, last count, more bool) []count {
	var settled []count
	for i, one := range counts {
		if one.until < c.settled && (more || i < len(counts)-1) {
			settled = append(settled, one)
		}
	}
	if !more && e.wholeDay && e.until <= c.settled {
		last.until = e.until
		settled = append(settled, last)
	}
	return settled
}

func (c counter) keep(ctx context.Context, conn db.DBTX, e edge, counts []count) error {
	if len(counts) == 0 {
		return nil
	}
	_, err := queries.AttemptCountInsertMany(ctx, conn, db.AttemptCountInsertManyParams{
		AppID: c.app, EndpointID: c.endpoint, PartitionOID: e.partitionOID,
		UntilIDs:  column(counts, func(one *count) string { return string(one.until) }),
		Succeeded: column(counts, func(one *count) int64 { return one.Succeeded }),
		Failed:    column(counts, func(one *count) int64 { return one.Failed }),
	})
	return err
}

// forgetCounts deletes the counts that are kept without attempts that are recorded late, in the transaction that
// records them, and keeps others from counting until that is committed.
func forgetCounts(ctx context.Context, t pgx.Tx, late []core.Attempt) error {
	var last db.AttemptCountDeleteParams
	for _, a := range late {
		p, ok := countDelete(a)
		if !ok || p.EndpointID == last.EndpointID && p.UntilID == last.UntilID {
			continue // the one before deletes more
		}
		last = p
		err := transact(ctx, t, func(t pgx.Tx) error {
			lock := db.AttemptCountLockParams{AppID: string(a.AppID), EndpointID: string(a.EndpointID)}
			if _, err := queries.AttemptCountLock(ctx, t, lock); err != nil {
				return err
			}
			_, err := queries.AttemptCountDelete(ctx, t, p) // however many there are
			return err
		})
		if err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

// countDelete names the counts that an attempt changes; false: its id has no time, and is in none.
func countDelete(a core.Attempt) (db.AttemptCountDeleteParams, bool) {
	at, err := a.ID.Time()
	day := at.Truncate(24 * time.Hour)
	return db.AttemptCountDeleteParams{
		AppID: a.AppID, EndpointID: a.EndpointID, Partition: partitionName(core.AttemptPartition(day)),
		FromID: string(a.ID), UntilID: string(core.AttemptIDAt(day.Add(24 * time.Hour))),
	}, err == nil
}

// lateAttempts are those of the results that come so late that counts may be kept without them. All who lock their
// endpoints do so in the same order.
func lateAttempts(results []core.Result, now time.Time) []core.Attempt {
	before := core.AttemptIDAt(now.Add(-countLate))
	var late []core.Attempt
	for _, r := range results {
		if r.Attempt.ID < before {
			late = append(late, r.Attempt)
		}
	}
	slices.SortFunc(late, func(a, b core.Attempt) int {
		return cmp.Or(cmp.Compare(a.EndpointID, b.EndpointID), cmp.Compare(a.ID, b.ID))
	})
	return late
}

var _ core.AttemptCountPruner = (*Store)(nil)

// AttemptCountPrune deletes counts of attempts that began before a time.
func (s *Store) AttemptCountPrune(ctx context.Context, before time.Time) (int64, error) {
	return s.prune(ctx, "attempt_count", func(from, to int64) (int64, error) {
		return queries.AttemptCountDeleteManyAnyTenant(ctx, s.pools.jobs, db.AttemptCountDeleteManyAnyTenantParams{
			FromPage: from, ToPage: to, BeforeID: string(core.AttemptIDAt(before)),
		})
	})
}

// isMissing reports whether Postgres knows no such table.
func isMissing(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == codeUndefinedTable
}

func (r reader) EndpointStatsGet(ctx context.Context, app core.AppID, id core.EndpointID, p core.StatsPeriod) (core.EndpointStats, error) {
	attempts, err := r.EndpointAttemptStatsGet(ctx, app, id, p)
	if err != nil {
		return core.EndpointStats{}, err
	}
	owed, err := queries.DeliveryCount(ctx, r.listing(), db.DeliveryCountParams{
		AppID: app, EndpointID: id, After: string(core.MessageIDAt(p.Since)), Before: string(core.MessageIDAt(p.Until)),
	})
	return core.EndpointStats{
		Succeeded: attempts.Succeeded, Failed: attempts.Failed, Pending: owed.Pending, Sending: owed.Sending,
	}, mapError(err)
}

func (r reader) EndpointAttemptStatsGet(ctx context.Context, app core.AppID, id core.EndpointID, p core.StatsPeriod) (core.EndpointAttemptStats, error) {
	c := counter{conn: r.listing(), app: app, endpoint: id, settled: core.AttemptIDAt(p.Now.Add(-countSettled))}
	stats, err := c.count(ctx, p.Since, p.Until)
	return stats, mapError(err)
}
