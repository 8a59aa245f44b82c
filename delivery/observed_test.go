package delivery

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/postrider/postrider/core"
)

// observed is a worker that does not run; its spans and metrics are kept.
type observed struct {
	*Worker
	queue  *fakeQueue
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func observe(t *testing.T, config Config) *observed {
	t.Helper()
	o := &observed{queue: newQueue(), spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	config.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans)).Tracer("")
	config.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.reader)).Meter("")
	o.Worker = New(config, o.queue, time.Now, slog.New(slog.DiscardHandler))
	t.Cleanup(o.sender.pool.closeKept)
	return o
}

// send makes one attempt.
func (o *observed) send(ctx context.Context, d core.Delivery) {
	d.LeasedUntil = time.Now().Add(time.Hour)
	o.attempt(ctx, &queued{Delivery: d}, func() {})
}

// span returns the only span.
func (o *observed) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := o.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans, want one for the attempt", len(ended))
	}
	return ended[0]
}

// points returns the attribute sets of a metric, and the value or count of each.
func (o *observed) points(t *testing.T, name string) map[attribute.Distinct]point {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	found := map[attribute.Distinct]point{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					found[p.Attributes.Equivalent()] = point{p.Attributes, p.Value}
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					found[p.Attributes.Equivalent()] = point{p.Attributes, p.Value}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					found[p.Attributes.Equivalent()] = point{p.Attributes, int64(p.Count)}
				}
			}
		}
	}
	return found
}

// labels returns the attributes of the only point of a metric.
func (o *observed) labels(t *testing.T, name string) map[string]string {
	t.Helper()
	points := o.points(t, name)
	for _, p := range points {
		if len(points) == 1 && p.value == 1 {
			return texts(p.attributes.ToSlice())
		}
	}
	t.Fatalf("%s has %v, want one value", name, points)
	return nil
}

type point struct {
	attributes attribute.Set
	value      int64
}

func texts(attributes []attribute.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}
