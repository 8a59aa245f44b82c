package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Metrics counts and measures what the process does. It is scraped at Handler, and pushed by OTLP if that is
// configured.
type Metrics struct {
	provider *sdkmetric.MeterProvider
	handler  http.Handler
}

// StartMetrics starts counting. If the OTEL_ variables say so, which [CheckVariables] has checked, metrics are also
// exported by OTLP, once a minute or every OTEL_METRIC_EXPORT_INTERVAL.
func StartMetrics(ctx context.Context, process Process, log *slog.Logger) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	scraped, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	about, err := process.resource(ctx)
	if err != nil {
		return nil, err
	}
	options := []sdkmetric.Option{sdkmetric.WithReader(scraped), sdkmetric.WithResource(about), sdkmetric.WithView(durations)}
	if environment(os.Getenv).exports(signalMetrics) {
		pushed, err := newMetricExporter(ctx, log)
		if err != nil {
			return nil, fmt.Errorf("export metrics: %w", err)
		}
		logLibraryErrors(log)
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(pushed)))
	}
	m := &Metrics{
		provider: sdkmetric.NewMeterProvider(options...),
		handler:  promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: scrapeTimeout, MaxRequestsInFlight: scrapesAtOnce}),
	}
	info, err := m.Meter().Int64Gauge("postrider.build_info", metric.WithDescription("1, labelled with the version."))
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	info.Record(ctx, 1, metric.WithAttributes(attribute.String("version", process.Version)))
	return m, nil
}

// durations gives all histograms of seconds the buckets that the semantic conventions recommend for HTTP, and some
// more: an attempt takes up to five minutes, and a message may arrive after hours. Statements have buckets of their own.
func durations(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if i.Kind != sdkmetric.InstrumentKindHistogram || i.Unit != "s" {
		return sdkmetric.Stream{}, false
	}
	boundaries := []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 18_000, 86_400}
	if i.Name == statementDuration {
		boundaries = statementBoundaries
	}
	return sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit, Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
		Boundaries: boundaries,
	}}, true
}

// statementDuration is the duration of statements, by the semantic conventions for databases.
const statementDuration = "db.client.operation.duration"

// statementBoundaries are those of the conventions, with two more for statements of about a millisecond, which most
// are, and the timeout of nearly all. There are some hundred queries, each with a series per bucket.
var statementBoundaries = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30}

// Meter returns the meter for all metrics of this module.
func (m *Metrics) Meter() metric.Meter { return m.provider.Meter(scopeName) }

// Provider returns the provider of meters for libraries, which have scopes of their own.
func (m *Metrics) Provider() metric.MeterProvider { return m.provider }

const (
	scrapeTimeout = 5 * time.Second
	scrapesAtOnce = 2 // others get 503
)

// Handler serves the metrics in Prometheus's formats. It is the same for all calls, because it counts the scrapes in
// progress.
func (m *Metrics) Handler() http.Handler { return m.handler }

// Stop exports what was counted since the last export, until ctx ends.
func (m *Metrics) Stop(ctx context.Context) error { return m.provider.Shutdown(ctx) }
