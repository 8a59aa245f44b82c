package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// TestMetricsWithManyLabelsAreBounded counts for as many applications as a large installation has. docs/operations.md tells
// operators the limit and where the rest is counted.
func TestMetricsWithManyLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m, err := StartMetrics(t.Context(), aboutTest, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Stop(t.Context()) })
	counter, err := m.Meter().Int64Counter("many")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20_000 {
		counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("application", fmt.Sprint("app_", n))))
	}
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	const most = 2000
	text := answer.Body.String()
	if n := strings.Count(text, "\nmany_total{"); n != most {
		t.Errorf("%d series, want %d", n, most)
	}
	if rest := fmt.Sprintf("many_total{otel_metric_overflow=\"true\"} %d\n", 20_000-most+1); !strings.Contains(text, rest) {
		t.Errorf("the rest is not counted as %s", rest)
	}
}
