package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// snapshotName measures the cost of a session that holds a snapshot for long, as a dump or a report does: Postgres
// can then remove no rows that were delivered since. Messages are sent at a steady rate before, during and after; the
// figures are ratios to before.
const snapshotName = "snapshot"

const (
	// deliveredLeast is the lowest acceptable ratio of delivered messages while the snapshot is held and after.
	deliveredLeast = 0.9
	// latencyMost is the highest acceptable ratio of the 99th percentile then.
	latencyMost = 3
	// recoverSpan is how soon after the release everything must be as before, and recoveredSpan is how long that is
	// measured.
	recoverSpan   = time.Minute
	recoveredSpan = 15 * time.Second
	// snapshotSlices is the number of slices in which the hold is reported.
	snapshotSlices = 10
	// arrivePatience is how long all messages sent may take to arrive in the end.
	arrivePatience = 5 * time.Minute
)

// sentLeast is the lowest acceptable fraction of the rate sent before. Below it, the machine is too busy for a
// result.
const sentLeast = 0.95

var errBusy = errors.New("the machine cannot send at this rate: the verdict is worth nothing")

var errSnapshot = errors.New("a snapshot held elsewhere costs deliveries too much")

// heldStatements are the choices of -held. Dumps lock the tables as the first of them does.
var heldStatements = map[string]string{
	"snapshot": "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM delivery LIMIT 1",
	"write":    "BEGIN; CREATE TABLE bench_stranger (n int); INSERT INTO bench_stranger VALUES (1)",
	"idle":     "BEGIN; SELECT FROM application LIMIT 1", // without a snapshot: it ended with the statement
	"none":     "SELECT",                                 // as a reference
}

// heldNames returns the choices in -held, or an error if one is unknown.
func (c config) heldNames() ([]string, error) {
	names := strings.Split(c.held, ",")
	for _, name := range names {
		if heldStatements[name] == "" {
			return nil, fmt.Errorf("-held: %q is none of snapshot, write, idle and none", name)
		}
	}
	return names, nil
}

// slice is a part of the run, with its measurements.
type slice struct {
	phase    string
	from, to time.Duration // since the load began
	stored   storedFigures
	flow
}

// The phases that are judged; the time between them is only reported.
const (
	beforePhase    = "before"
	heldPhase      = "held"
	releasedPhase  = "released"
	recoveredPhase = "recovered"
)

func (b *bench) snapshot(ctx context.Context) error {
	fmt.Fprintf(b.out, "%d messages a second for %s to %d endpoints through %s; held for seven eighths of it: %s\n",
		b.rate, b.span, healthyEndpoints, strings.Join(b.components(), " + "), b.held)
	return b.inTurn(ctx, func(name, binary string) error {
		slices, err := b.holdOnce(ctx, binary)
		if err != nil {
			return err
		}
		if err := b.judgeSlices(slices); name == oursName {
			return err
		}
		return nil // a reference, not judged
	})
}

// holdOnce measures on a new database.
func (b *bench) holdOnce(ctx context.Context, binary string) ([]slice, error) {
	c, err := b.newCell(ctx, binary)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	s, err := newSteady(ctx, b, c.api)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if _, err := s.run(ctx, max(b.span/20, 5*time.Second)); err != nil { // to warm up
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	plan := b.plan()
	loaded := make(chan error, 1)
	s.reset()
	go func() { loaded <- s.sendFor(ctx, plan[len(plan)-1].to) }()
	if err := b.follow(ctx, c, s, plan, loaded); err != nil {
		return nil, err
	}
	if err := <-loaded; err != nil {
		return nil, err
	}
	missing := s.awaitAll(ctx, arrivePatience)
	for i := range plan {
		plan[i].flow = s.flowOf(plan[i].from, plan[i].to)
	}
	fmt.Fprintf(b.out, "%d messages sent, %d have not arrived in %s, %d arrived more than once; %d webhooks are of no message\n",
		len(s.sentAt), missing, arrivePatience, s.again, s.strange)
	return plan, nil
}

// plan returns the schedule of the phases.
func (b *bench) plan() []slice {
	begin, end := b.span/8, b.span
	plan := []slice{{phase: beforePhase, to: begin}}
	for n := range snapshotSlices {
		part := (end - begin) / snapshotSlices
		plan = append(plan, slice{phase: heldPhase, from: begin + part*time.Duration(n), to: begin + part*time.Duration(n+1)})
	}
	return append(plan,
		slice{phase: releasedPhase, from: end, to: end + recoverSpan},
		slice{phase: recoveredPhase, from: end + recoverSpan, to: end + recoverSpan + recoveredSpan})
}

// follow carries out the plan while the load runs.
func (b *bench) follow(ctx context.Context, c *cell, s *steady, plan []slice, loaded chan error) (err error) {
	var releases []func()
	release := func() {
		for _, one := range releases {
			one()
		}
		releases = nil
	}
	defer release()
	names, err := b.heldNames()
	if err != nil {
		return err
	}
	last := storedFigures{}
	if err := last.read(ctx, c); err != nil {
		return err
	}
	for i := range plan {
		if plan[i].phase == releasedPhase {
			release()
		}
		if plan[i].phase == heldPhase && len(releases) == 0 {
			for _, name := range names {
				one, err := c.hold(ctx, heldStatements[name])
				if err != nil {
					return err
				}
				releases = append(releases, one)
			}
		}
		select {
		case <-time.After(time.Until(s.begin.Add(plan[i].to))):
		case err := <-loaded:
			if loaded <- err; err != nil || i < len(plan)-1 {
				return cmp.Or(err, ctx.Err(), errEarly)
			}
			// The load ends with the last part, possibly a moment earlier.
		}
		if err := plan[i].stored.read(ctx, c); err != nil {
			return err
		}
		last, plan[i].stored = plan[i].stored, plan[i].stored.since(last)
		fmt.Fprintf(b.out, "%s: %s\n", plan[i].to.Round(time.Second), plan[i].phase) // progress
	}
	return nil
}

var errEarly = errors.New("the load ended early")

// judgeSlices prints the measurements. It judges the whole hold, its end, and the time from a minute after.
func (b *bench) judgeSlices(parts []slice) error {
	before := parts[0]
	fmt.Fprintf(b.out, "%8s  %-10s %8s %12s %7s %11s %11s %7s %10s %10s %8s\n", "until", "phase", "sent/s", "delivered/s", "ratio",
		"p50", "p99", "ratio", "rows/deliv", "blk/deliv", "MB")
	for _, p := range parts {
		delivered := max(1, float64(p.arrived))
		fmt.Fprintf(b.out, "%8s  %-10s %8.0f %12.0f %7.3f %11s %11s %7.2f %10.1f %10.1f %8.1f\n", p.to.Round(time.Second), p.phase,
			p.sentPerSecond(), p.perSecond(), p.perSecond()/before.perSecond(), p.p50, p.p99, p.latencyRatio(before.flow),
			float64(p.stored.tuples)/delivered, float64(p.stored.blocks)/delivered, float64(p.stored.size)/1e6)
	}
	held := slices.DeleteFunc(slices.Clone(parts), func(p slice) bool { return p.phase != heldPhase })
	whole := flowsOf(held)
	var failure error
	if before.sentPerSecond() < sentLeast*float64(b.rate) {
		failure = errBusy
	}
	for _, j := range []struct {
		what string
		flow
	}{
		{"while it is held", whole},
		{"at the end of the hold", held[len(held)-1].flow},
		{fmt.Sprintf("%s after", recoverSpan), parts[len(parts)-1].flow},
	} {
		rate, p99, verdict := j.perSecond()/before.perSecond(), j.latencyRatio(before.flow), "PASS"
		if rate < deliveredLeast || p99 > latencyMost {
			verdict, failure = "FAIL", cmp.Or(failure, errSnapshot)
		}
		fmt.Fprintf(b.out, "%s: %s, delivered/s is %.3f of before (the least is %.1f), and p99 is %.2f times before (the most is %d)\n",
			verdict, j.what, rate, deliveredLeast, p99, latencyMost)
	}
	return failure
}

// storedFigures are Postgres's figures on the delivery tables.
type storedFigures struct {
	tuples int64 // index entries and rows read by scans
	blocks int64 // blocks of the tables and their indexes
	size   int64 // their size in bytes at the end
}

func (f *storedFigures) read(ctx context.Context, c *cell) error {
	return c.query(ctx, `
		SELECT
			(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE 'delivery%')
				+ (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%'),
			(SELECT sum(idx_blks_hit + idx_blks_read) FROM pg_statio_user_indexes WHERE relname LIKE 'delivery%')
				+ (SELECT sum(heap_blks_hit + heap_blks_read) FROM pg_statio_user_tables WHERE relname LIKE 'delivery%'),
			(SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables WHERE relname LIKE 'delivery%')`,
		nil, &f.tuples, &f.blocks, &f.size)
}

func (f storedFigures) since(earlier storedFigures) storedFigures {
	return storedFigures{tuples: f.tuples - earlier.tuples, blocks: f.blocks - earlier.blocks, size: f.size}
}
