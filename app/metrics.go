package app

import (
	"context"
	"fmt"
	"iter"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/store"
)

// watchPools exports the state of the connection pools whenever metrics are collected.
func watchPools(m metric.Meter, s *store.Store) error {
	used, err := m.Int64ObservableGauge("postrider.pool.connections", metric.WithUnit("{connection}"),
		metric.WithDescription("Connections of a pool to the database, by state."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	most, err := m.Int64ObservableGauge("postrider.pool.connections_max", metric.WithUnit("{connection}"),
		metric.WithDescription("The most connections that a pool may have."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	waited, err := m.Float64ObservableCounter("postrider.pool.wait", metric.WithUnit("s"),
		metric.WithDescription("Total time that callers waited for a connection of a pool."))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, p := range s.PoolStats() {
			pool := attribute.String("pool", p.Name)
			o.ObserveInt64(used, int64(p.Idle), metric.WithAttributes(pool, attribute.String("state", "idle")))
			o.ObserveInt64(used, int64(p.Used), metric.WithAttributes(pool, attribute.String("state", "used")))
			o.ObserveInt64(most, int64(p.Max), metric.WithAttributes(pool))
			o.ObserveFloat64(waited, p.Waited.Seconds(), metric.WithAttributes(pool))
		}
		return nil
	}, used, most, waited)
	return err
}

// watchClock exports how far the host's clock is ahead of the database server's.
func watchClock(m metric.Meter, s *store.Store) error {
	_, err := m.Float64ObservableGauge("postrider.clock_skew", metric.WithUnit("s"),
		metric.WithDescription("How far this host's clock is ahead of Postgres's; negative if it is behind."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(s.ClockSkew().Seconds())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// accepted returns a counter of accepted messages of one source: "api" or the type of a configured source.
func (i *Instance) accepted(source string) *acceptedCounter {
	// A meter returns an error only for an invalid name or option, and a counter that works all the same.
	counter, _ := i.metrics.Meter().Int64Counter("postrider.messages.accepted", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that were accepted and committed, by source."))
	label := attribute.String("source", source)
	return &acceptedCounter{counter, label, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(label))}, i.config.MetricsApp}
}

// acceptedCounter counts accepted messages.
type acceptedCounter struct {
	counter       metric.Int64Counter
	source        attribute.KeyValue
	ofSource      []metric.AddOption
	byApplication bool
}

// add counts messages of one application.
func (c *acceptedCounter) add(ctx context.Context, app core.AppID, n int64) {
	options := c.ofSource
	if c.byApplication {
		options = []metric.AddOption{metric.WithAttributes(c.source, attribute.String("application", string(app)))}
	}
	c.counter.Add(ctx, n, options...)
}

// addMany counts one message for each application that all yields.
func (c *acceptedCounter) addMany(ctx context.Context, all iter.Seq[core.AppID]) {
	n := int64(0)
	for app := range all {
		if n++; c.byApplication {
			c.add(ctx, app, 1)
		}
	}
	if !c.byApplication {
		c.add(ctx, "", n)
	}
}

// countingInserter counts the messages of the API. A message that is sent again with its key counts again.
type countingInserter struct {
	core.MessageInserter
	accepted *acceptedCounter
}

// MessageInsert implements [core.MessageInserter].
func (c countingInserter) MessageInsert(ctx context.Context, m core.NewMessage) (core.Message, error) {
	stored, err := c.MessageInserter.MessageInsert(ctx, m)
	if err == nil {
		c.accepted.add(ctx, stored.AppID, 1)
	}
	return stored, err
}

// MessageInsertMany implements [core.MessageInserter].
func (c countingInserter) MessageInsertMany(ctx context.Context, messages []core.NewMessage) []core.Stored {
	stored := c.MessageInserter.MessageInsertMany(ctx, messages)
	c.accepted.addMany(ctx, func(yield func(core.AppID) bool) {
		for _, s := range stored {
			if s.Err == nil && !yield(s.Message.AppID) {
				return
			}
		}
	})
	return stored
}

// countingSink counts the messages of a source. One that is read again does not count again.
type countingSink struct {
	ingest.Sink
	accepted *acceptedCounter
}

// MessageIngestMany implements [ingest.Sink].
func (c countingSink) MessageIngestMany(ctx context.Context, ins []core.IngestIn) []core.Ingested {
	ingested := c.Sink.MessageIngestMany(ctx, ins)
	c.accepted.addMany(ctx, func(yield func(core.AppID) bool) {
		for _, m := range ingested {
			if m.Err == nil && !m.Known && !yield(m.Message.AppID) {
				return
			}
		}
	})
	return ingested
}
