package telemetry

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metricsof "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracesof "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // accepts compressed requests
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// collector receives OTLP by both protocols, and keeps what arrived as text.
type collector struct {
	http, grpc string // URLs

	mu           sync.Mutex
	spans, gauge strings.Builder
}

func (c *collector) traces() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans.String()
}

func (c *collector) metrics() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gauge.String()
}

type (
	traceService struct {
		tracesof.UnimplementedTraceServiceServer
		c *collector
	}
	metricService struct {
		metricsof.UnimplementedMetricsServiceServer
		c *collector
	}
)

func (s traceService) Export(ctx context.Context, r *tracesof.ExportTraceServiceRequest) (*tracesof.ExportTraceServiceResponse, error) {
	s.c.addTraces(r, keyOf(ctx))
	return &tracesof.ExportTraceServiceResponse{}, nil
}

func (s metricService) Export(ctx context.Context, r *metricsof.ExportMetricsServiceRequest) (*metricsof.ExportMetricsServiceResponse, error) {
	s.c.addMetrics(r, keyOf(ctx))
	return &metricsof.ExportMetricsServiceResponse{}, nil
}

func keyOf(ctx context.Context) string {
	return strings.Join(metadata.ValueFromIncomingContext(ctx, "api-key"), ",")
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.receive(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(web.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	tracesof.RegisterTraceServiceServer(server, traceService{c: c})
	metricsof.RegisterMetricsServiceServer(server, metricService{c: c})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	c.http, c.grpc = web.URL, "http://"+listener.Addr().String()
	return c
}

func (c *collector) receive(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return err
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	key := r.Header.Get("Api-Key")
	switch r.URL.Path {
	case "/v1/traces":
		var request tracesof.ExportTraceServiceRequest
		if err = proto.Unmarshal(text, &request); err == nil {
			c.addTraces(&request, key)
		}
	case "/v1/metrics":
		var request metricsof.ExportMetricsServiceRequest
		if err = proto.Unmarshal(text, &request); err == nil {
			c.addMetrics(&request, key)
		}
	default:
		err = fmt.Errorf("no path %s", r.URL.Path)
	}
	return err
}

func attributesText(attributes []*common.KeyValue) (text string) {
	for _, a := range attributes {
		text += fmt.Sprintf("%s=%s; ", a.GetKey(), a.GetValue().GetStringValue())
	}
	return text
}

func (c *collector) addTraces(r *tracesof.ExportTraceServiceRequest, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceSpans() {
		fmt.Fprintf(&c.spans, "api-key=%s; %s", key, attributesText(resource.GetResource().GetAttributes()))
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				fmt.Fprintf(&c.spans, "span %s; ", span.GetName())
			}
		}
	}
}

func (c *collector) addMetrics(r *metricsof.ExportMetricsServiceRequest, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.GetResourceMetrics() {
		fmt.Fprintf(&c.gauge, "api-key=%s; %s", key, attributesText(resource.GetResource().GetAttributes()))
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				fmt.Fprintf(&c.gauge, "metric %s; ", m.GetName())
			}
		}
	}
}
