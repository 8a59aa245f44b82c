package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric"
)

// TestDurationsHaveBucketsThatTellThemApart: most statements take less than the first bucket of other durations.
func TestDurationsHaveBucketsThatTellThemApart(t *testing.T) {
	t.Parallel()
	m, err := StartMetrics(t.Context(), aboutTest, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{statementDuration, "postrider.delivery.duration"} {
		h, err := m.Provider().Meter("a library").Float64Histogram(name, metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(7))
		if err != nil {
			t.Fatal(err)
		}
		h.Record(t.Context(), 0.0007)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`db_client_operation_duration_seconds_bucket{le="0.0005"} 0`, `db_client_operation_duration_seconds_bucket{le="0.001"} 1`,
		`db_client_operation_duration_seconds_bucket{le="30"} 1`, `postrider_delivery_duration_seconds_bucket{le="0.005"} 1`,
		`postrider_delivery_duration_seconds_bucket{le="86400"} 1`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("%s is missing from\n%s", want, w.Body)
		}
	}
}
