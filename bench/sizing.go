package main

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

// sizingName measures what a message costs: processor time of each process and of Postgres, memory, WAL and disk. It
// prints rows of the table in docs/scale.md, and judges nothing.
const sizingName = "sizing"

// sizingFigure is one column of the table.
type sizingFigure struct {
	name  string
	value float64 // not a number: this machine does not report it
}

// used is what the processes of a cell and its database have used so far.
type used struct {
	process  map[string]time.Duration // by component
	postgres time.Duration
	wal      int64 // bytes
	stored   int64 // bytes of messages, attempts and their keys, with indexes
}

// sizingLoad is a way to send messages.
type sizingLoad struct {
	name    string
	measure func(context.Context, *cell) ([]sizingFigure, error)
}

func (b *bench) sizing(ctx context.Context) error {
	fmt.Fprintf(b.out, "Payloads of %d bytes with idempotency keys, through %s: %d a second to %d endpoints for %s, and %d by %d clients to one endpoint\n",
		b.payload, strings.Join(b.components(), " + "), b.rate, healthyEndpoints, b.span, b.messages, b.clients)
	loads := []sizingLoad{{fmt.Sprintf("%d/s", b.rate), b.sizeSteady}, {fmt.Sprintf("%d clients", b.clients), b.sizeAtOnce}}
	rows := map[string][][]sizingFigure{}
	err := b.inTurn(ctx, func(name, binary string) error {
		for _, load := range loads {
			row, err := b.sizeOnce(ctx, binary, load.measure)
			if err != nil {
				return fmt.Errorf("%s: %w", load.name, err)
			}
			fmt.Fprint(b.out, sizingRow(load.name, row)) // progress
			rows[name+", "+load.name] = append(rows[name+", "+load.name], row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nmedians of %d rounds\n\n%s", b.rounds, sizingHead(rows[oursName+", "+loads[0].name][0]))
	for _, name := range []string{oursName, againstName} {
		for _, load := range loads {
			if all := rows[name+", "+load.name]; len(all) > 0 {
				fmt.Fprint(b.out, sizingRow(name+", "+load.name, mediansOf(all)))
			}
		}
	}
	return nil
}

// sizingLimit bounds the measurement of one load.
func (c config) sizingLimit() time.Duration { return roundTimeout + 2*c.span }

// sizeOnce measures on a new database.
func (b *bench) sizeOnce(ctx context.Context, binary string, measure func(context.Context, *cell) ([]sizingFigure, error)) ([]sizingFigure, error) {
	ctx, cancel := context.WithTimeout(ctx, b.sizingLimit())
	defer cancel()
	c, err := b.newCell(ctx, binary)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	return measure(ctx, c)
}

// sizeSteady measures messages at a fixed rate, which leaves processors idle.
func (b *bench) sizeSteady(ctx context.Context, c *cell) ([]sizingFigure, error) {
	s, err := newSteady(ctx, b, c.api)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if _, err := s.run(ctx, b.span/4); err != nil { // to warm up
		return nil, err
	}
	return b.costs(ctx, c, func() (int, float64, error) {
		_, err := s.run(ctx, b.span)
		return len(s.sentAt), float64(len(s.sentAt)) / b.span.Seconds(), err
	})
}

// sizeAtOnce measures messages that are sent as fast as they are accepted.
func (b *bench) sizeAtOnce(ctx context.Context, c *cell) ([]sizingFigure, error) {
	receiver, address, err := startListener(ctx, "receive", nil, "-secret", b.secret, "-verify-every", "0")
	if err != nil {
		return nil, err
	}
	defer receiver.stop()
	app, err := c.api.newEndpoint(ctx, "http://"+address+hookPath, b.secret)
	if err != nil {
		return nil, err
	}
	control := apiClient{base: "http://" + address}
	if _, err := b.fresh(ctx, c, control, app, b.warmup); err != nil {
		return nil, fmt.Errorf("warm-up: %w", err)
	}
	return b.costs(ctx, c, func() (int, float64, error) {
		perSecond, err := b.fresh(ctx, c, control, app, b.messages)
		return b.messages, perSecond, err
	})
}

// recordedSpan is how long the results of the last attempts may take to be recorded.
const recordedSpan = time.Second

// costs returns what messages cost that send sends, and that have arrived when it returns.
func (b *bench) costs(ctx context.Context, c *cell, send func() (messages int, perSecond float64, err error)) ([]sizingFigure, error) {
	c.forgetPeaks()
	before, err := c.used(ctx)
	if err != nil {
		return nil, err
	}
	messages, perSecond, err := send()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, recordedSpan); err != nil {
		return nil, err
	}
	after, err := c.used(ctx)
	if err != nil {
		return nil, err
	}
	n := float64(messages)
	row := []sizingFigure{{"messages/s", perSecond}}
	for _, component := range b.components() {
		row = append(row, sizingFigure{component + ", ms per 1,000", perThousand(after.process[component]-before.process[component], n)})
	}
	row = append(row, sizingFigure{"Postgres, ms per 1,000", perThousand(after.postgres-before.postgres, n)})
	for _, component := range b.components() {
		row = append(row, sizingFigure{component + ", MiB", known(float64(peakOfProcess(c.processes[component].pid)) / (1 << 20))})
	}
	return append(row,
		sizingFigure{"WAL bytes a message", float64(after.wal-before.wal) / n},
		sizingFigure{"stored bytes a message", float64(after.stored-before.stored) / n}), nil
}

// perThousand returns milliseconds of processor time per 1,000 messages.
func perThousand(took time.Duration, messages float64) float64 {
	return known(took.Seconds() * 1e6 / messages)
}

// known returns a figure that cannot be 0, or not a number if the machine did not report it.
func known(figure float64) float64 {
	if figure <= 0 {
		return math.NaN()
	}
	return figure
}

func (c *cell) used(ctx context.Context) (u used, err error) {
	u = used{process: map[string]time.Duration{}}
	for component, p := range c.processes {
		u.process[component] = processorTime(p.pid)
	}
	if u.postgres, err = c.postgresTime(ctx); err != nil {
		return u, err
	}
	return u, c.query(ctx, `
		SELECT
			pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
			(SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent IN ('message'::regclass, 'attempt'::regclass))::bigint
				+ pg_total_relation_size('message_key')`,
		nil, &u.wal, &u.stored)
}

func sizingHead(row []sizingFigure) string {
	names := make([]string, len(row))
	for i, f := range row {
		names[i] = f.name
	}
	return tableRow("load", names) + "|" + strings.Repeat("---|", len(row)+1) + "\n"
}

func sizingRow(load string, row []sizingFigure) string {
	texts := make([]string, len(row))
	for i, f := range row {
		if texts[i] = "n/a"; !math.IsNaN(f.value) {
			texts[i] = fmt.Sprintf("%.0f", f.value)
		}
	}
	return tableRow(load, texts)
}

// tableRow returns a row of a table in Markdown.
func tableRow(first string, others []string) string {
	return "| " + first + " | " + strings.Join(others, " | ") + " |\n"
}

// mediansOf returns the median of each column.
func mediansOf(rows [][]sizingFigure) []sizingFigure {
	medians := make([]sizingFigure, len(rows[0]))
	for i := range medians {
		column := make([]float64, len(rows))
		for n, row := range rows {
			column[n] = row[i].value
		}
		medians[i] = sizingFigure{rows[0][i].name, spreadOf(column).median}
	}
	return medians
}
