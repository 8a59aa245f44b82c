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
	// countEach is the number of attempts between two stored counts, so fewer than that are counted again at each end
	// of a period. A row of 200 bytes per thousand attempts is negligible.
	countEach = 1000

	// countStep is how many attempts one statement counts: 1 us each, twice as many rows where half of them
	// failed. It is a multiple of countEach.
	countStep = 5000

	// countLate is how long after its start an attempt is normally recorded. An attempt that is recorded later deletes
	// the stored counts that lack it. It is longer than the default lease.
	countLate = 5 * time.Minute

	// countSettled is how old attempts must be to be part of a stored count. It leaves ten minutes for the statement
	// that records an attempt, and for clocks that differ or are set.
	countSettled = countLate + 10*time.Minute
)

// counter counts the attempts at an endpoint. It stores counts of settled attempts, day by day, and continues from
// them.
type counter struct {
	conn     db.DBTX
	app      core.AppID
	endpoint core.EndpointID
	settled  core.AttemptID // all attempts before it have been recorded
}

// count is the number of a day's attempts up to an id.
type count struct {
	until core.AttemptID
	core.EndpointAttemptStats
}

// edge is a point in a day where a period begins or ends.
type edge struct {
	partition    string
	first, until core.AttemptID // the day's first id, and the first that is not counted
	wholeDay     bool           // until is the first id of the next day
	begin        bool           // the period begins here: attempts before it do not count

	partitionOID int64 // 0 if counts cannot be stored
	kept         count // the last stored count before until
}

// count counts the attempts of a period.
func (c counter) count(ctx context.Context, since, until time.Time) (sum core.EndpointAttemptStats, err error) {
	edges := countEdges(since, until)
	known, err := c.lookUp(ctx, edges)
	if err != nil || len(edges) == 0 {
		return sum, err
	}
	if !known { // few attempts need no stored counts
		all := edge{until: core.AttemptIDAt(until)}
		total, more, err := c.step(ctx, all, count{until: core.AttemptIDAt(since)})
		if err != nil || !more {
			return total.EndpointAttemptStats, err
		}
	}
	var last count
	for i, e := range edges {
		from := e.kept
		if i > 0 && edges[i-1].begin { // it is in the same day
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

// countEdges returns the ends of a period's days, preceded by the period's beginning unless a day begins there.
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

// lookUp finds the last stored count of each edge, and reports whether there is any.
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
	if isMissing(err) { // the schema is the previous release's, which stores no counts
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

// countTo continues the count up to an edge, step by step. Each step stores its counts, so that a request that was
// cut off has less to do when it is repeated.
func (c counter) countTo(ctx context.Context, e edge, from count) (_ count, err error) {
	for more := true; more && from.until < e.until; {
		if from, more, err = c.step(ctx, e, from); err != nil {
			return from, err
		}
	}
	from.until = e.until
	return from, nil
}

// step continues the count toward an edge by one statement, and reports whether there may be more to count. It
// returns the counts even if they cannot be stored.
func (c counter) step(ctx context.Context, e edge, from count) (to count, more bool, err error) {
	in, is := c.conn.(beginner)
	if !is || e.partitionOID == 0 || from.until >= c.settled {
		counts, more, err := c.read(ctx, c.conn, e, from)
		return lastCount(counts, from), more, err
	}
	var counts []count
	read := false
	err = transact(ctx, in, func(t pgx.Tx) error {
		// The lock comes first: a late attempt is either recorded before this count or finds the counts stored here.
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

// read continues from a count. It returns a count for every countEach attempts, and one at the last attempt.
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

// settledOf returns the counts that can no longer change, without one that is not worth a row, and the count of the
// whole day once the day is over.
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

// forgetCounts deletes the stored counts that lack the given late attempts, in the transaction that records those
// attempts. Nobody else can store counts of the same endpoints until that transaction has committed.
func forgetCounts(ctx context.Context, t pgx.Tx, late []core.Attempt) error {
	var last db.AttemptCountDeleteParams
	for _, a := range late {
		p, ok := countDelete(a)
		if !ok || p.EndpointID == last.EndpointID && p.UntilID == last.UntilID {
			continue // the previous one deletes more
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

// countDelete returns the parameters for deleting the counts that an attempt changes. It returns false if the
// attempt's id has no time: such an attempt is in no count.
func countDelete(a core.Attempt) (db.AttemptCountDeleteParams, bool) {
	at, err := a.ID.Time()
	day := at.Truncate(24 * time.Hour)
	return db.AttemptCountDeleteParams{
		AppID: a.AppID, EndpointID: a.EndpointID, Partition: partitionName(core.AttemptPartition(day)),
		FromID: string(a.ID), UntilID: string(core.AttemptIDAt(day.Add(24 * time.Hour))),
	}, err == nil
}

// lateAttempts returns the attempts that are recorded late enough that stored counts may lack them. They are sorted,
// so that every transaction locks their endpoints in the same order.
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

// AttemptCountPrune deletes counts of attempts that began before the given time.
func (s *Store) AttemptCountPrune(ctx context.Context, before time.Time) (int64, error) {
	return s.prune(ctx, "attempt_count", func(from, to int64) (int64, error) {
		return queries.AttemptCountDeleteManyAnyTenant(ctx, s.pools.jobs, db.AttemptCountDeleteManyAnyTenantParams{
			FromPage: from, ToPage: to, BeforeID: string(core.AttemptIDAt(before)),
		})
	})
}

// isMissing reports whether the table does not exist.
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
