package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/jobs"
	"github.com/postrider/postrider/store"
)

// readState exports the state of the database while this process is the one that reads it.
func (i *Instance) readState() error {
	gauges := &stateGauges{clock: i.store.Now}
	if err := gauges.register(i.metrics.Meter()); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	reader := store.NewStateReader(i.store)
	i.part(func(ctx context.Context) {
		jobs.ReadState(ctx, reader, stateReaderName(), i.store.Now, gauges.state.Store, i.log)
	})
	return nil
}

// stateReaderName returns a name for this process that no other process has, and that tells an operator which it is.
func stateReaderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%.255s %d %s", host, os.Getpid(), rand.Text())
}

// stateGauges show what was read last. They show nothing once that is no longer valid, so that an alert for missing
// data fires rather than one for what was true once.
type stateGauges struct {
	state atomic.Pointer[jobs.State]
	clock func() time.Time

	owed, endpoints, outbox, deadLetters metric.Int64ObservableGauge
	oldestDue, xminAge, partitions       metric.Float64ObservableGauge
}

var (
	queueLabels    = labelsOf("queue", core.QueueFirst.String(), core.QueueRetry.String(), core.QueueOrdered.String(), core.QueueBehind.String())
	endpointLabels = labelsOf("state", "enabled", "failing", "paused", "disabled")
	tableLabels    = labelsOf("table", "message", "attempt")
	outboxLabel    = labelsOf("source", "outbox")
)

// labelsOf returns the sets that have one label with each of the values.
func labelsOf(name string, values ...string) []metric.MeasurementOption {
	list := make([]metric.MeasurementOption, len(values))
	for i, value := range values {
		list[i] = metric.WithAttributeSet(attribute.NewSet(attribute.String(name, value)))
	}
	return list
}

func (g *stateGauges) register(m metric.Meter) error {
	counted := fmt.Sprintf(" Counted up to %d.", core.StateCountMost)
	// A meter returns an error only for an invalid name or option, and a gauge that works all the same.
	integer := func(name, unit, description string) metric.Int64ObservableGauge {
		gauge, _ := m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		return gauge
	}
	seconds := func(name, description string) metric.Float64ObservableGauge {
		gauge, _ := m.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description))
		return gauge
	}
	g.owed = integer("postrider.deliveries.owed", "{delivery}", "Deliveries that are owed, by queue."+counted)
	g.endpoints = integer("postrider.endpoints", "{endpoint}", "Endpoints by state.")
	g.outbox = integer("postrider.outbox.rows", "{message}", "Messages that wait in the outbox."+counted)
	g.deadLetters = integer("postrider.dead_letters", "{message}", "Dead letters that are still where they were put, by source.")
	g.oldestDue = seconds("postrider.oldest_due_age", "For how long the oldest delivery has been due that a worker could make now; 0 if none is.")
	g.xminAge = seconds("postrider.xmin_age", "For how long a transaction has kept Postgres from removing dead rows; 0 if none does.")
	g.partitions = seconds("postrider.partitions_ahead", "For how long there are partitions for new rows, by table.")
	_, err := m.RegisterCallback(g.observe, g.owed, g.endpoints, g.outbox, g.deadLetters, g.oldestDue, g.xminAge, g.partitions)
	return err
}

func (g *stateGauges) observe(_ context.Context, o metric.Observer) error {
	state := g.state.Load()
	if state == nil || g.clock().After(state.Until) {
		return nil
	}
	if state.Owed != nil {
		for queue, label := range queueLabels {
			o.ObserveInt64(g.owed, state.Owed[core.QueueKind(queue)], label)
		}
	}
	if e := state.Endpoints; e != nil {
		for i, n := range []int64{e.Enabled, e.Failing, e.Paused, e.Disabled} {
			o.ObserveInt64(g.endpoints, n, endpointLabels[i])
		}
	}
	if state.Outbox != nil {
		o.ObserveInt64(g.outbox, state.Outbox.Rows)
		o.ObserveInt64(g.deadLetters, state.Outbox.DeadLetters, outboxLabel[0])
	}
	for i, ahead := range []*time.Duration{state.MessagesAhead, state.AttemptsAhead} {
		observeSeconds(o, g.partitions, ahead, tableLabels[i])
	}
	observeSeconds(o, g.oldestDue, state.OldestDue)
	observeSeconds(o, g.xminAge, state.Held)
	return nil
}

func observeSeconds(o metric.Observer, gauge metric.Float64ObservableGauge, d *time.Duration, labels ...metric.ObserveOption) {
	if d != nil {
		o.ObserveFloat64(gauge, d.Seconds(), labels...)
	}
}
