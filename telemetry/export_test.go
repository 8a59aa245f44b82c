package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var aboutTest = Process{Version: "1.2.3", Component: "worker"}

// setAll sets variables of the process, and clears what the test may have inherited.
func setAll(t *testing.T, variables ...string) {
	t.Helper()
	for _, v := range append([]string{"OTEL_EXPORTER_OTLP_TIMEOUT=500", "OTEL_TRACES_EXPORTER=", "OTEL_METRICS_EXPORTER="}, variables...) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// startBoth starts both signals.
func startBoth(t *testing.T, log *slog.Logger) (*Traces, *Metrics) {
	t.Helper()
	traces, err := StartTraces(t.Context(), aboutTest, log)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := StartMetrics(t.Context(), aboutTest, log)
	if err != nil {
		t.Fatal(err)
	}
	return traces, metrics
}

// Not parallel: the library reads the environment of the process. The same holds for the other tests of exports.
//
//nolint:paralleltest // see above
func TestExportArrivesByEachProtocol(t *testing.T) {
	for _, protocol := range []string{"", protocolHTTP, protocolGRPC} {
		t.Run(protocol, func(t *testing.T) {
			c := newCollector(t)
			endpoint := c.http
			if protocol == protocolGRPC {
				endpoint = c.grpc
			}
			setAll(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
				"OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20key", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.instance.id=mine")
			var log syncBuffer
			traces, metrics := startBoth(t, NewLogger(&log, slog.LevelWarn, "json"))
			_, span := traces.Tracer().Start(t.Context(), "something")
			span.End()
			if err := errors.Join(traces.Stop(t.Context()), metrics.Stop(t.Context())); err != nil || log.String() != "" {
				t.Fatal(err, log.String())
			}
			for _, got := range []string{c.traces(), c.metrics()} {
				for _, want := range []string{
					"service.name=postrider", "service.version=1.2.3", "service.instance.id=mine", "postrider.component=worker", "host.name=",
					"deployment.environment.name=test", "api-key=a key",
				} {
					if !strings.Contains(got, want) {
						t.Errorf("no %s in %s", want, got)
					}
				}
			}
			if !strings.Contains(c.traces(), "span something") || !strings.Contains(c.metrics(), "metric postrider.build_info") {
				t.Errorf("got %s and %s", c.traces(), c.metrics())
			}
		})
	}
}

//nolint:paralleltest // as above
func TestExportSamplesAsConfigured(t *testing.T) {
	c := newCollector(t)
	setAll(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.http, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0")
	traces, metrics := startBoth(t, slog.New(slog.DiscardHandler))
	defer func() { _ = metrics.Stop(t.Context()) }()
	_, span := traces.Tracer().Start(t.Context(), "something")
	span.End()
	if err := traces.Stop(t.Context()); err != nil || span.IsRecording() || c.traces() != "" {
		t.Errorf("%v; recording %v; got %s", err, span.IsRecording(), c.traces())
	}
}

// badCollectors are endpoints that take nothing, and end with the test.
func badCollectors(t *testing.T, protocol string) map[string]string {
	t.Helper()
	listen := func() net.Listener {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		return listener
	}
	closed := listen()
	_ = closed.Close()
	// The backlog of the second one accepts connections, and nobody answers.
	all := map[string]string{"down": "http://" + closed.Addr().String(), "hangs": "http://" + listen().Addr().String()}
	for name, answer := range map[string]struct {
		status int
		code   codes.Code
	}{
		"refuses": {http.StatusForbidden, codes.PermissionDenied}, "fails": {http.StatusInternalServerError, codes.Internal},
		"throttles": {http.StatusTooManyRequests, codes.ResourceExhausted}, "has no such path": {http.StatusNotFound, codes.Unimplemented},
	} {
		listener := listen()
		all[name] = "http://" + listener.Addr().String()
		if protocol == protocolGRPC {
			server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
				return status.Error(answer.code, "you sent "+keyOf(stream.Context()))
			}))
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(server.Stop)
			continue
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(answer.status)
			fmt.Fprintf(w, "you sent %s", r.Header.Get("Api-Key"))
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
	}
	return all
}

// TestExportFailuresAreLoggedOnce also makes more spans than fit into the queue, which must not wait for the collector.
//
//nolint:paralleltest // as above
func TestExportFailuresAreLoggedOnce(t *testing.T) {
	for _, protocol := range []string{protocolHTTP, protocolGRPC} {
		for name, endpoint := range badCollectors(t, protocol) {
			t.Run(protocol+" "+name, func(t *testing.T) {
				setAll(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol, "OTEL_EXPORTER_OTLP_HEADERS=api-key=very%2Dsecret",
					"OTEL_EXPORTER_OTLP_TIMEOUT=300", "OTEL_BSP_EXPORT_TIMEOUT=300", "OTEL_METRIC_EXPORT_TIMEOUT=300",
					"OTEL_METRIC_EXPORT_INTERVAL=10", "OTEL_BSP_SCHEDULE_DELAY=10")
				var log syncBuffer
				traces, metrics := startBoth(t, NewLogger(&log, slog.LevelDebug, "json"))
				for range 5000 {
					_, span := traces.Tracer().Start(t.Context(), "something")
					span.End()
				}
				for _, kind := range []string{`"signal":"traces"`, `"signal":"metrics"`} {
					for !strings.Contains(log.String(), kind) {
						select {
						case <-t.Context().Done():
							t.Fatal(log.String())
						case <-time.After(time.Millisecond):
						}
					}
				}
				stopped, cancel := context.WithCancel(t.Context())
				cancel()
				_ = errors.Join(traces.Stop(stopped), metrics.Stop(stopped))
				got := log.String()
				if strings.Contains(got, "very") {
					t.Errorf("credentials are logged: %s", got)
				}
				if n := strings.Count(got, `"level":"WARN"`); n != 2 {
					t.Errorf("%d warnings, want one for each signal: %s", n, got)
				}
				if unwanted := strings.Contains(got, "does not take this signal"); unwanted != (name == "has no such path") {
					t.Errorf("logged %s", got)
				}
			})
		}
	}
}

// TestExportStopIsBounded stops while the collector does not answer, and no timeout but that of the stop would end
// that before the test's own.
//
//nolint:paralleltest // as above
func TestExportStopIsBounded(t *testing.T) {
	for _, protocol := range []string{protocolHTTP, protocolGRPC} {
		t.Run(protocol, func(t *testing.T) {
			setAll(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+badCollectors(t, protocol)["hangs"], "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_EXPORTER_OTLP_TIMEOUT=3600000", "OTEL_BSP_EXPORT_TIMEOUT=3600000", "OTEL_METRIC_EXPORT_TIMEOUT=3600000", "OTEL_BSP_SCHEDULE_DELAY=1", "OTEL_METRIC_EXPORT_INTERVAL=1")
			traces, metrics := startBoth(t, slog.New(slog.DiscardHandler))
			for range 5000 {
				_, span := traces.Tracer().Start(t.Context(), "something")
				span.End()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if traces.Stop(ctx) == nil || metrics.Stop(ctx) == nil {
				t.Error("stopping reports no error, though nothing was exported")
			}
		})
	}
}

func TestExportLogIsBoundedAndTellsTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log syncBuffer
		e := newExportLog(NewLogger(&log, slog.LevelInfo, "text"), signalMetrics)
		e.hide = set("OTEL_EXPORTER_OTLP_METRICS_HEADERS=authorization=Basic%20abcdef==,x=1").credentials(signalMetrics)
		fail := func(err error) (lines int) {
			before := strings.Count(log.String(), "\n")
			if got := e.exported(t.Context(), err); (got == nil) != (err == nil) || got != nil && strings.Contains(got.Error(), "abcdef") {
				t.Errorf("returned %v", got)
			}
			return strings.Count(log.String(), "\n") - before
		}
		down := errors.New("dial 10.0.0.1: refused Basic abcdef==")
		n := 0
		for range 600 { // ten minutes
			n += fail(down)
			<-time.After(time.Second)
		}
		if n != 10 {
			t.Errorf("%d lines in ten minutes: %s", n, log.String())
		}
		if fail(nil) != 1 || !strings.HasSuffix(log.String(), "recovered\" signal=metrics failures=600\n") || fail(nil) != 0 {
			t.Errorf("the end: %s", log.String())
		}
		for _, unwanted := range []error{status.Error(codes.Unimplemented, "unknown service"), errors.New("failed to send metrics to http://c/v1/metrics: 404 Not Found (body: x)")} {
			n = 0
			for range 600 {
				n += fail(unwanted)
				<-time.After(time.Second)
			}
			if n != 1 || fail(nil) != 1 {
				t.Errorf("%d lines for %v: %s", n, unwanted, log.String())
			}
		}
		if got := log.String(); strings.Contains(got, "abcdef") || !strings.Contains(got, "10.0.0.1") || !strings.Contains(got, "to_turn_off=\"OTEL_METRICS_EXPORTER=none\"") {
			t.Error(got)
		}
	})
}
