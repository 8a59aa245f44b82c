package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/metric"
)

// TestScrapesInProgressAreLimited holds scrapes up in a callback until one more than the limit was asked for. In a
// bubble, no timeout of theirs passes meanwhile.
func TestScrapesInProgressAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := StartMetrics(t.Context(), aboutTest, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Stop(context.Background()) }()
		release := make(chan struct{})
		_, err = m.Meter().Int64ObservableGauge("test.slow", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			<-release
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan int, scrapesAtOnce+1)
		scrape := func() {
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			answers <- w.Code
		}
		for range scrapesAtOnce + 1 {
			go scrape()
		}
		if got := <-answers; got != http.StatusServiceUnavailable {
			t.Errorf("one of %d scrapes is answered %d", scrapesAtOnce+1, got)
		}
		close(release)
		for range scrapesAtOnce {
			if got := <-answers; got != http.StatusOK {
				t.Errorf("a scrape in progress is answered %d", got)
			}
		}
		go scrape()
		if got := <-answers; got != http.StatusOK {
			t.Errorf("the next scrape is answered %d", got)
		}
	})
}
