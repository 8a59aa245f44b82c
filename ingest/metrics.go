package ingest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postrider/postrider/core"
)

// The steps of a message, which are both the names and the types of operations in OpenTelemetry's conventions for
// messaging: https://opentelemetry.io/docs/specs/semconv/messaging/
const (
	stepReceive = "receive"
	stepProcess = "process"
	stepSettle  = "settle"
)

// counts counts the messages of one source, by OpenTelemetry's conventions and our own. Like the loop, it belongs to
// one goroutine. All sets of labels are made once: what they say comes from the configuration and from our own list
// of errors, whatever is in a message.
type counts struct {
	meter metric.Meter

	consumed  metric.Int64Counter     // messages received
	processed metric.Float64Histogram // seconds from the receipt of a message until it is stored or refused
	operated  metric.Float64Histogram // seconds of a receive, with its wait for messages, or of settling a batch
	refused   metric.Int64Counter
	lag       metric.Int64ObservableGauge
	// deadLetters is also observed by the jobs, for the outbox.
	deadLetters metric.Int64ObservableGauge

	source     metric.MeasurementOption       // labels of our own metrics
	common     []attribute.KeyValue           // labels of the conventional ones
	origins    map[string]*origin             // by destination
	operations map[string]metric.RecordOption // by step and error
}

// origin is a destination that messages come from, and what is said about each of its messages.
type origin struct {
	span       string               // the name of a message's span
	attributes []attribute.KeyValue // of that span
	labels     []attribute.KeyValue
	consumed   []metric.AddOption
	outcomes   map[string][]metric.RecordOption // by error
}

func newCounts(c Config) *counts {
	// A meter returns an error only for an invalid name or option, and an instrument that works all the same.
	n := &counts{meter: c.Meter, origins: map[string]*origin{}, operations: map[string]metric.RecordOption{}}
	n.consumed, _ = c.Meter.Int64Counter("messaging.client.consumed.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Number of messages that were delivered to the application."))
	n.processed, _ = c.Meter.Float64Histogram("messaging.process.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of processing operation."))
	n.operated, _ = c.Meter.Float64Histogram("messaging.client.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of messaging operation initiated by a producer or consumer client."))
	n.refused, _ = c.Meter.Int64Counter("postrider.messages.refused", metric.WithUnit("{message}"),
		metric.WithDescription("Messages that can never be stored and were moved to the dead letters, by source."))
	n.lag, _ = c.Meter.Int64ObservableGauge("postrider.consumer.lag", metric.WithUnit("{message}"),
		metric.WithDescription("Messages of a source that are not settled yet."))
	n.deadLetters, _ = c.Meter.Int64ObservableGauge("postrider.dead_letters", metric.WithUnit("{message}"),
		metric.WithDescription("Dead letters that are still where they were put, by source."))

	n.source = metric.WithAttributeSet(attribute.NewSet(attribute.String("source", c.Type), attribute.String("source_name", c.Name)))
	n.common = []attribute.KeyValue{attribute.String("messaging.system", c.System)}
	if c.Group != "" {
		n.common = append(n.common, attribute.String("messaging.consumer.group.name", c.Group))
	}
	n.refused.Add(context.Background(), 0, n.source) // an increase from nothing would not be seen
	return n
}

// with returns the common labels and some more.
func (c *counts) with(more ...attribute.KeyValue) []attribute.KeyValue {
	return append(slices.Clip(c.common), more...)
}

func operation(step string) attribute.KeyValue {
	return attribute.String("messaging.operation.name", step)
}

func operationType(step string) attribute.KeyValue {
	return attribute.String("messaging.operation.type", step)
}

func destination(name string) attribute.KeyValue {
	return attribute.String("messaging.destination.name", name)
}

// origin returns what is said about the messages of a destination.
func (c *counts) origin(name string) *origin {
	if o := c.origins[name]; o != nil {
		return o
	}
	// A span with text that is not valid UTF-8 cannot be exported, nor can other spans of the same export.
	text := strings.ToValidUTF8(name, "\uFFFD")
	o := &origin{
		span: stepProcess + " " + text, labels: c.with(operation(stepProcess), destination(text)),
		outcomes: map[string][]metric.RecordOption{},
	}
	o.attributes = c.with(operation(stepProcess), operationType(stepProcess), destination(text))
	received := attribute.NewSet(c.with(operation(stepReceive), destination(text))...)
	o.consumed = []metric.AddOption{metric.WithAttributeSet(received)}
	c.origins[name] = o
	return o
}

// outcome returns the labels of a message that ended with an error of a type; "": none.
func (o *origin) outcome(failure string) []metric.RecordOption {
	if options, known := o.outcomes[failure]; known {
		return options
	}
	options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(failed(o.labels, failure)...))}
	o.outcomes[failure] = options
	return options
}

func failed(labels []attribute.KeyValue, failure string) []attribute.KeyValue {
	if failure == "" {
		return labels
	}
	return append(slices.Clip(labels), attribute.String("error.type", failure))
}

// destinationOf returns where a message came from, as one of a bounded number of names.
func (l *loop) destinationOf(m Message) string {
	if l.Destination != "" {
		return l.Destination
	}
	return m.Topic
}

// countReceived counts a batch. Messages of one destination often follow each other.
func (l *loop) countReceived(ctx context.Context, batch []Message) {
	n, name := int64(0), ""
	for i, m := range batch {
		if d := l.destinationOf(m); d != name || i == 0 {
			if n > 0 {
				l.counts.consumed.Add(ctx, n, l.counts.origin(name).consumed...)
			}
			n, name = 0, d
		}
		n++
	}
	if n > 0 {
		l.counts.consumed.Add(ctx, n, l.counts.origin(name).consumed...)
	}
}

// countProcessed records how long each message of a batch took, and how it ended. Messages of a batch are stored
// together and take equally long.
func (l *loop) countProcessed(ctx context.Context, b *batch, took time.Duration) {
	for i, m := range b.messages {
		options := l.counts.origin(l.destinationOf(m)).outcome(failureOf(b.outcomes[i].Err))
		l.counts.processed.Record(ctx, took.Seconds(), options...)
	}
}

// timed makes a call of the source and records how long it took. A call that a stop ended is left out.
func (l *loop) timed(ctx context.Context, step string, call func() error) error {
	began := l.Clock()
	err := call()
	if err != nil && ctx.Err() != nil {
		return err
	}
	failure := failureOf(err)
	option, known := l.counts.operations[step+failure]
	if !known {
		labels := l.counts.with(operation(step))
		if l.Destination != "" {
			labels = append(labels, destination(l.Destination))
		}
		option = metric.WithAttributeSet(attribute.NewSet(failed(labels, failure)...))
		l.counts.operations[step+failure] = option
	}
	l.counts.operated.Record(ctx, l.Clock().Sub(began).Seconds(), option)
	return err
}

// failureOf returns the type of an error, one of a bounded number: the code of ours, or what is known of others.
func failureOf(err error) string {
	network, isNetwork := errors.AsType[net.Error](err)
	ours, isOurs := errors.AsType[*core.Error](err)
	switch {
	case err == nil:
		return ""
	case isOurs:
		return ours.Code
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return "timeout"
	}
	return "_OTHER"
}
