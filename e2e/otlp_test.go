package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/postrider/postrider/e2e/rig"
)

// otlpCollector takes metrics and spans by one protocol, and keeps the name of each with the component it came from,
// as "jobs postrider.build_info".
type otlpCollector struct {
	mu    sync.Mutex
	names []string
}

func (c *otlpCollector) add(of *resource.Resource, name string) {
	component := ""
	for _, a := range of.GetAttributes() {
		if a.GetKey() == "postrider.component" {
			component = a.GetValue().GetStringValue()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = append(c.names, component+" "+name)
}

func (c *otlpCollector) addMetrics(r *metrics.ExportMetricsServiceRequest) {
	for _, all := range r.GetResourceMetrics() {
		for _, scope := range all.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				c.add(all.GetResource(), m.GetName())
			}
		}
	}
}

func (c *otlpCollector) addSpans(r *traces.ExportTraceServiceRequest) {
	for _, all := range r.GetResourceSpans() {
		for _, scope := range all.GetScopeSpans() {
			for range scope.GetSpans() {
				c.add(all.GetResource(), "span")
			}
		}
	}
}

// await waits until all of these arrived.
func (c *otlpCollector) await(t *testing.T, names ...string) {
	t.Helper()
	rig.Await(t, func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, name := range names {
			if !slices.Contains(c.names, name) {
				return fmt.Sprintf("%s did not arrive, among %d others", name, len(c.names))
			}
		}
		return ""
	})
}

// overHTTP starts a server for http/protobuf and returns its URL.
func (c *otlpCollector) overHTTP(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		var counted metrics.ExportMetricsServiceRequest
		var traced traces.ExportTraceServiceRequest
		switch {
		case err == nil && r.URL.Path == "/v1/metrics" && proto.Unmarshal(text, &counted) == nil:
			c.addMetrics(&counted)
		case err == nil && r.URL.Path == "/v1/traces" && proto.Unmarshal(text, &traced) == nil:
			c.addSpans(&traced)
		default:
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

type (
	metricReceiver struct {
		metrics.UnimplementedMetricsServiceServer
		*otlpCollector
	}
	spanReceiver struct {
		traces.UnimplementedTraceServiceServer
		*otlpCollector
	}
)

func (r metricReceiver) Export(_ context.Context, request *metrics.ExportMetricsServiceRequest) (*metrics.ExportMetricsServiceResponse, error) {
	r.addMetrics(request)
	return &metrics.ExportMetricsServiceResponse{}, nil
}

func (r spanReceiver) Export(_ context.Context, request *traces.ExportTraceServiceRequest) (*traces.ExportTraceServiceResponse, error) {
	r.addSpans(request)
	return &traces.ExportTraceServiceResponse{}, nil
}

// overGRPC starts a server for gRPC and returns its URL.
func (c *otlpCollector) overGRPC(t *testing.T) string {
	t.Helper()
	listener := rig.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	server := grpc.NewServer()
	metrics.RegisterMetricsServiceServer(server, metricReceiver{otlpCollector: c})
	traces.RegisterTraceServiceServer(server, spanReceiver{otlpCollector: c})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "http://" + listener.Addr().String()
}

// TestOTLPCarriesMetricsAndSpans sends a message through two processes that export by each protocol.
func TestOTLPCarriesMetricsAndSpans(t *testing.T) {
	t.Parallel()
	for protocol, start := range map[string]func(*otlpCollector, *testing.T) string{
		"http/protobuf": (*otlpCollector).overHTTP, "grpc": (*otlpCollector).overGRPC,
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			collector, database := &otlpCollector{}, rig.NewDatabase(t)
			exporting := rig.Settings(database, "OTEL_EXPORTER_OTLP_ENDPOINT="+start(collector, t), "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_METRIC_EXPORT_INTERVAL=100", "OTEL_BSP_SCHEDULE_DELAY=100")
			rig.Start(t, exporting, "worker").AwaitReady(t)
			c := rig.Start(t, exporting, "api").Service(t).NewTenant(t)
			app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
			receiver.NewEndpoint(t, c, app)
			receiver.Await(t, c.SendMessage(t, app))
			collector.await(t, "api postrider.messages.accepted", "worker postrider.delivery.attempts", "worker postrider.build_info", "worker span")
		})
	}
}

// TestOTLPVariablesThatAreWrongAreNamed also checks that credentials are not shown, and that commands which export
// nothing do not mind.
func TestOTLPVariablesThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	wrong := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://me:secret@127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=authorization: secret", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}
	database := rig.NewDatabase(t)
	got := rig.Command(t, rig.Settings(database, wrong...), "jobs")
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT: ", "OTEL_EXPORTER_OTLP_HEADERS: ", "OTEL_EXPORTER_OTLP_PROTOCOL: "} {
		if got.Code != 1 || !strings.Contains(got.Stderr, name) || strings.Contains(got.Stderr+got.Stdout, "secret") {
			t.Errorf("%+v, want %s", got, name)
		}
	}
	if got := rig.Command(t, rig.Settings(database, wrong...), "migrate", "status"); got.Code != 0 {
		t.Errorf("migrate status: %+v", got)
	}
}

// TestProfilesAreNotOnTheAPI enables them.
func TestProfilesAreNotOnTheAPI(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_PPROF=true", rig.OpsSetting)
	for url, want := range map[string]int{p.OpsURL(t): http.StatusOK, s.URL: http.StatusNotFound} {
		if got, err := rig.Probe(t.Context(), url+"/debug/pprof/heap"); err != nil || got.Status != want {
			t.Errorf("%s: %d, %v, want %d", url, got.Status, err, want)
		}
	}
}
