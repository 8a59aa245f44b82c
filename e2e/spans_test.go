package e2e

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/postrider/postrider/e2e/rig"
)

// spanCollector receives spans by OTLP over HTTP, as a collector does.
type spanCollector struct {
	url string

	mu    sync.Mutex
	spans []collected
}

// collected is a span with the service that it comes from.
type collected struct {
	*traces.Span
	service string
}

// attribute returns an attribute as text; "" if there is none.
func (c collected) attribute(key string) string {
	for _, a := range c.GetAttributes() {
		if a.GetKey() != key {
			continue
		}
		if n, number := a.GetValue().GetValue().(*common.AnyValue_IntValue); number {
			return fmt.Sprint(n.IntValue)
		}
		return a.GetValue().GetStringValue()
	}
	return ""
}

func (c collected) id() string     { return hex.EncodeToString(c.GetSpanId()) }
func (c collected) parent() string { return hex.EncodeToString(c.GetParentSpanId()) }

func (c collected) isAttempt() bool { return c.attribute("postrider.attempt_id") != "" }

func (c collected) isProcessing() bool { return c.GetKind() == traces.Span_SPAN_KIND_CONSUMER }

func newSpanCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(text, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range request.GetResourceSpans() {
			service := ""
			for _, a := range resource.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					c.spans = append(c.spans, collected{span, service})
				}
			}
		}
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// ofTrace returns the spans of a trace in order of their start: all, or those that meet each condition.
func (c *spanCollector) ofTrace(trace string, conditions ...func(collected) bool) (spans []collected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		misses := func(condition func(collected) bool) bool { return !condition(span) }
		if hex.EncodeToString(span.GetTraceId()) == trace && !slices.ContainsFunc(conditions, misses) {
			spans = append(spans, span)
		}
	}
	slices.SortFunc(spans, func(a, b collected) int { return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano()) })
	return spans
}

// awaitSpans waits until a trace has at least n spans that meet a condition, and returns them.
func (c *spanCollector) awaitSpans(t *testing.T, trace string, n int, condition func(collected) bool) (spans []collected) {
	t.Helper()
	rig.Await(t, func() string {
		if spans = c.ofTrace(trace, condition); len(spans) < n {
			return fmt.Sprintf("%d spans, want %d; all: %v", len(spans), n, c.ofTrace(trace))
		}
		return ""
	})
	return spans
}
