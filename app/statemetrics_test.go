package app

import (
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/jobs"
)

// TestStateGaugesShowNothingThatIsNoLongerValid collects what was read, what is partly unknown, and what is too old.
func TestStateGaugesShowNothingThatIsNoLongerValid(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC)
	g := &stateGauges{clock: func() time.Time { return at }}
	reader := sdkmetric.NewManualReader()
	if err := g.register(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")); err != nil {
		t.Fatal(err)
	}
	second := new(time.Second)
	whole := &jobs.State{
		Until: at.Add(time.Minute), Owed: map[core.QueueKind]int64{core.QueueRetry: 7}, Endpoints: &core.EndpointStates{}, Outbox: &core.OutboxState{},
		OldestDue: second, Held: second, MessagesAhead: second, AttemptsAhead: second,
	}
	for _, step := range []struct {
		name          string
		state         *jobs.State
		after         time.Duration
		names, points int
	}{
		{"nothing was read", nil, 0, 0, 0},
		{"all", whole, 0, 7, 4 + 4 + 1 + 1 + 1 + 1 + 2},
		{"a part", &jobs.State{Until: at.Add(time.Minute), OldestDue: second}, 0, 1, 1},
		{"all again", whole, time.Minute, 7, 14},
		{"too old", whole, time.Minute + time.Nanosecond, 0, 0},
		{"another process reads", nil, 0, 0, 0},
	} {
		g.clock = func() time.Time { return at.Add(step.after) }
		g.state.Store(step.state)
		var collected metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &collected); err != nil {
			t.Fatal(err)
		}
		names, points := 0, 0
		for _, scope := range collected.ScopeMetrics {
			for _, m := range scope.Metrics {
				n := 0
				switch data := m.Data.(type) {
				case metricdata.Gauge[int64]:
					n = len(data.DataPoints)
				case metricdata.Gauge[float64]:
					n = len(data.DataPoints)
				}
				if points += n; n > 0 {
					names++
				}
			}
		}
		if names != step.names || points != step.points {
			t.Errorf("%s: %d metrics with %d values, want %d with %d", step.name, names, points, step.names, step.points)
		}
	}
}
