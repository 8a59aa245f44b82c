package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/postrider/postrider/core"
)

var labelEncoder = attribute.DefaultEncoder()

// counted returns a meter, and a function that returns the value of each of its series. The value of a histogram is
// its number of values.
func counted(t *testing.T) (*sdkmetric.MeterProvider, func() map[string]int64) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	return provider, func() map[string]int64 {
		var all metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &all); err != nil {
			t.Error(err)
		}
		series := map[string]int64{}
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				switch data := m.Data.(type) {
				case metricdata.Sum[int64]:
					for _, p := range data.DataPoints {
						series[m.Name+" "+p.Attributes.Encoded(labelEncoder)] = p.Value
					}
				case metricdata.Gauge[int64]:
					for _, p := range data.DataPoints {
						series[m.Name+" "+p.Attributes.Encoded(labelEncoder)] = p.Value
					}
				case metricdata.Histogram[float64]:
					for _, p := range data.DataPoints {
						series[m.Name+" "+p.Attributes.Encoded(labelEncoder)] = int64(p.Count)
					}
				}
			}
		}
		return series
	}
}

func TestMessagesOfASourceAreCounted(t *testing.T) {
	t.Parallel()
	first := append(batchOf("1", "2"), Message{Topic: "refunds", Position: "3", Body: []byte("{")})
	source := &fakeSource{batches: [][]Message{first, batchOf("4")}, failing: 1}
	sink := &fakeSink{answers: func(_ int, in core.IngestIn) core.Ingested {
		if in.Position == "2" {
			return core.Ingested{Err: core.NotFound()}
		}
		return core.Ingested{}
	}}
	meter, collect := counted(t)
	stop := startWith(t, Config{
		Group: "readers", Source: source, Sink: sink, Tracer: untraced, Meter: meter.Meter(""), Log: slog.New(slog.DiscardHandler),
	})
	source.await(t, 4)
	stop()
	common := "messaging.consumer.group.name=readers,%smessaging.operation.name=%s,messaging.system=fake_mq"
	of := func(topic, operation string) string {
		return fmt.Sprintf(common, "messaging.destination.name="+topic+",", operation)
	}
	want := map[string]int64{
		"messaging.client.consumed.messages " + of("orders", "receive"):                              3,
		"messaging.client.consumed.messages " + of("refunds", "receive"):                             1,
		"messaging.process.duration " + of("orders", "process"):                                      2,
		"messaging.process.duration error.type=not_found," + of("orders", "process"):                 1,
		"messaging.process.duration error.type=unreadable," + of("refunds", "process"):               1,
		"messaging.client.operation.duration " + fmt.Sprintf(common, "", "receive"):                  2,
		"messaging.client.operation.duration " + fmt.Sprintf(common, "", "settle"):                   2,
		"messaging.client.operation.duration error.type=_OTHER," + fmt.Sprintf(common, "", "settle"): 1,
		"postrider.messages.refused source=fake,source_name=test":                                    2,
	}
	if got := collect(); !maps.Equal(got, want) {
		t.Errorf("counted\n%s\nwant\n%s", lines(got), lines(want))
	}
}

func lines(series map[string]int64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(series)) {
		all = append(all, fmt.Sprint(name, ": ", series[name]))
	}
	return strings.Join(all, "\n")
}

// Whatever messages say about where they come from, the labels are of the configuration.
func TestDestinationOfMetricsIsTheConfiguredOne(t *testing.T) {
	t.Parallel()
	source := &fakeSource{batches: [][]Message{{{Topic: "key.1", Position: "bad1"}, {Topic: "key.2", Position: "bad2"}}}}
	meter, collect := counted(t)
	stop := startWith(t, Config{
		Destination: "queue", Source: source, Sink: &fakeSink{}, Tracer: untraced, Meter: meter.Meter(""), Log: slog.New(slog.DiscardHandler),
	})
	source.await(t, 2)
	stop()
	got := collect()
	if n := got["messaging.client.consumed.messages messaging.destination.name=queue,messaging.operation.name=receive,messaging.system=fake_mq"]; n != 2 {
		t.Errorf("counted %d messages of the queue in\n%s", n, lines(got))
	}
	for name := range got {
		if strings.Contains(name, "key.") {
			t.Errorf("a message made the series %s", name)
		}
	}
}

func TestErrorTypesAreBounded(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		nil:     "",
		errAway: "unavailable",
		errOurs: "_OTHER",
		fmt.Errorf("receive: %w", context.DeadlineExceeded):               "timeout",
		&net.OpError{Op: "dial", Err: context.DeadlineExceeded}:           "timeout",
		fmt.Errorf("receive from 10.0.0.1:9092: %w", net.ErrClosed):       "_OTHER",
		fmt.Errorf("store: %w", core.Invalid("is bad", "body", "secret")): "validation_error",
	} {
		if got := failureOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
