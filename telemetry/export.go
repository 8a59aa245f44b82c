package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// spanExporter exports spans, and logs failures.
type spanExporter struct {
	sdktrace.SpanExporter
	log *exportLog
}

// newSpanExporter returns an exporter by OTLP. The library reads its settings from the environment and connects later.
func newSpanExporter(ctx context.Context, log *slog.Logger) (sdktrace.SpanExporter, error) {
	var exporter sdktrace.SpanExporter
	var err error
	if environment(os.Getenv).protocol(signalTraces) == protocolGRPC {
		exporter, err = otlptracegrpc.New(ctx)
	} else {
		exporter, err = otlptracehttp.New(ctx)
	}
	return spanExporter{exporter, newExportLog(log, signalTraces)}, err
}

// ExportSpans implements [sdktrace.SpanExporter].
func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e.log.exported(ctx, e.SpanExporter.ExportSpans(ctx, spans))
}

// metricExporter exports metrics, and logs failures.
type metricExporter struct {
	sdkmetric.Exporter
	log *exportLog
}

// newMetricExporter returns an exporter by OTLP, as newSpanExporter does.
func newMetricExporter(ctx context.Context, log *slog.Logger) (sdkmetric.Exporter, error) {
	var exporter sdkmetric.Exporter
	var err error
	if environment(os.Getenv).protocol(signalMetrics) == protocolGRPC {
		exporter, err = otlpmetricgrpc.New(ctx)
	} else {
		exporter, err = otlpmetrichttp.New(ctx)
	}
	return metricExporter{exporter, newExportLog(log, signalMetrics)}, err
}

// Export implements [sdkmetric.Exporter].
func (e metricExporter) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	return e.log.exported(ctx, e.Exporter.Export(ctx, m))
}

// exportReminder is how often a continuing failure is logged.
const exportReminder = time.Minute

// exportLog logs the failures of an exporter: the first one, and one each minute while they last. A collector that
// does not take a signal at all is logged once.
type exportLog struct {
	log    *slog.Logger
	signal signal
	hide   *strings.Replacer // credentials, which a collector may quote
	now    func() time.Time

	mu       sync.Mutex
	failures int // in a row
	told     bool
	toldAt   time.Time
	unwanted bool // whether the collector said that it does not take the signal
}

func newExportLog(log *slog.Logger, s signal) *exportLog {
	return &exportLog{log: log, signal: s, hide: environment(os.Getenv).credentials(s), now: time.Now}
}

// credentialBytesMin is the length from which on a header's value is taken for a credential. Replacing shorter ones, such
// as a tenant's number, would make errors unreadable.
const credentialBytesMin = 6

// credentials returns what replaces the values of a signal's headers.
func (e environment) credentials(s signal) *strings.Replacer {
	var pairs []string
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_" + string(s) + "_HEADERS"} {
		for header := range strings.SplitSeq(e.get(name), ",") {
			_, value, _ := strings.Cut(header, "=")
			decoded, err := url.PathUnescape(value)
			if err != nil {
				decoded = value
			}
			for _, text := range []string{strings.TrimSpace(decoded), strings.TrimSpace(value)} {
				if len(text) >= credentialBytesMin {
					pairs = append(pairs, text, "***")
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

// loggedError is a failed export that was logged, or left out on purpose.
type loggedError struct{ text string }

func (e loggedError) Error() string { return e.text }

// exported takes note of the result of an export, and returns an error that holds no credentials. An export that a stop
// broke off, which cancelled its ctx, is not a failure; the last one follows.
func (e *exportLog) exported(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return loggedError{context.Canceled.Error()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	name := strings.ToLower(string(e.signal))
	if err == nil {
		if e.told {
			e.log.Info("telemetry export recovered", "signal", name, "failures", e.failures)
		}
		e.failures, e.told, e.unwanted = 0, false, false
		return nil
	}
	text := e.hide.Replace(err.Error())
	text = strings.ToValidUTF8(text[:min(len(text), libraryTextBytesMax)], "\uFFFD")
	e.failures++
	unwanted := isUnwanted(err)
	switch now := e.now(); {
	case unwanted && !e.unwanted:
		e.log.Warn("collector does not take this signal; data dropped", "signal", name, "error", text,
			"to_turn_off", "OTEL_"+string(e.signal)+"_EXPORTER=none")
		e.told = true
	case !unwanted && (e.toldAt.IsZero() || now.Sub(e.toldAt) >= exportReminder):
		e.log.Warn("telemetry export failed; data dropped", "signal", name, "error", text, "failures", e.failures)
		e.told, e.toldAt = true, now
	}
	e.unwanted = e.unwanted || unwanted
	return loggedError{text}
}

// isUnwanted reports whether a collector said that it has no receiver for a signal. The library has no type for
// statuses of HTTP. If its text changes, a line each minute is all that follows.
func isUnwanted(err error) bool {
	return status.Code(err) == codes.Unimplemented || strings.Contains(err.Error(), ": 404 Not Found")
}

// libraryErrors limits what logLibraryErrors logs, however often the parts are started.
var libraryErrors = exportLog{now: time.Now}

// logLibraryErrors logs what the library cannot return to anybody, at most once a minute. Failed exports were logged
// before.
func logLibraryErrors(log *slog.Logger) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if _, ok := errors.AsType[loggedError](err); ok || errors.Is(err, context.Canceled) { // by a stop
			return
		}
		l := &libraryErrors
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failures++
		if now := l.now(); l.toldAt.IsZero() || now.Sub(l.toldAt) >= exportReminder {
			l.toldAt = now
			log.Warn("telemetry incomplete", "error", err, "failures", l.failures)
		}
	}))
}
