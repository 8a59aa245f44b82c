package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	idleQueues = 4500
	idleSettle = 12 * time.Second // a session with little work reports its statistics after ten seconds
	idleSpan   = 20 * time.Second
)

// idleFigures is what a worker has used so far.
type idleFigures struct {
	at           time.Time
	commits      int64
	worker, base time.Duration // processor time: of the worker, and of its sessions in Postgres
	statements   int64         // if the database has pg_stat_statements
}

// idle measures the cost of a worker while nothing is due, without and with many queues.
func (b *bench) idle(ctx context.Context, c *cell) error {
	if c.processes[apiName] != nil {
		c.stopProcess(apiName)
	}
	for _, queues := range []int{0, min(idleQueues, b.endpoints)} {
		if _, err := c.execute(ctx, waitInsert, queues); err != nil {
			return err
		}
		if err := pause(ctx, idleSettle); err != nil {
			return err
		}
		begin, err := c.idleFigures(ctx)
		if err != nil {
			return err
		}
		if err := pause(ctx, idleSpan); err != nil {
			return err
		}
		end, err := c.idleFigures(ctx)
		if err != nil {
			return err
		}
		seconds := end.at.Sub(begin.at).Seconds()
		fmt.Fprintf(b.out, "idle with %d queues that wait: %.1f transactions/s, %s; processor time, of a second: worker %.1f ms, Postgres %.1f ms\n",
			queues, float64(end.commits-begin.commits)/seconds, statementsText(begin, end, seconds),
			(end.worker-begin.worker).Seconds()*1000/seconds, (end.base-begin.base).Seconds()*1000/seconds)
	}
	_, err := c.execute(ctx, "DELETE FROM delivery")
	return err
}

func statementsText(begin, end idleFigures, seconds float64) string {
	if end.statements == 0 {
		return "statements unknown without pg_stat_statements"
	}
	return fmt.Sprintf("%.1f statements/s", float64(end.statements-begin.statements)/seconds)
}

func (c *cell) idleFigures(ctx context.Context) (f idleFigures, err error) {
	err = c.connected(ctx, func(conn *pgx.Conn) error {
		var known bool
		if err := conn.QueryRow(ctx, `
			SELECT now(), xact_commit, to_regclass('pg_stat_statements') IS NOT NULL
			FROM pg_stat_database
			WHERE datname = current_database()`).Scan(&f.at, &f.commits, &known); err != nil {
			return err
		}
		if known {
			if err := conn.QueryRow(ctx, `
				SELECT coalesce(sum(calls), 0)
				FROM pg_stat_statements
				WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&f.statements); err != nil {
				return err
			}
		}
		rows, err := conn.Query(ctx, `
			SELECT pid
			FROM pg_stat_activity
			WHERE datname = current_database()
				AND backend_type = 'client backend'
				AND pid <> pg_backend_pid()`)
		if err != nil {
			return err
		}
		sessions, err := pgx.CollectRows(rows, pgx.RowTo[int])
		for _, pid := range sessions {
			f.base += processorTime(pid)
		}
		return err
	})
	f.worker = processorTime(c.processes[c.deliverer()].pid)
	return f, err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
