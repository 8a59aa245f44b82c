package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics measures requests by OpenTelemetry's semantic conventions for HTTP servers.
type metrics struct {
	duration metric.Float64Histogram
}

func newMetrics(m metric.Meter) metrics {
	// A meter returns an error only for an invalid name or option, and a histogram that works all the same.
	duration, _ := m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP server requests."))
	return metrics{duration}
}

// answered measures a request that was answered with the given status.
func (m metrics) answered(r *http.Request, status int, took time.Duration) {
	route := routeOf(r)
	labels := []attribute.KeyValue{
		attribute.String("http.request.method", knownMethod(r.Method)), attribute.Int("http.response.status_code", status),
	}
	if route != "" {
		labels = append(labels, attribute.String("http.route", route))
	}
	if status >= http.StatusInternalServerError {
		labels = append(labels, attribute.String("error.type", strconv.Itoa(status)))
	}
	m.duration.Record(r.Context(), took.Seconds(), metric.WithAttributeSet(attribute.NewSet(labels...)))
}

// routeOf returns the path of the request's route, or "" if it has none.
func routeOf(r *http.Request) string {
	_, route, _ := strings.Cut(r.Pattern, " ")
	return route
}

// otherMethod stands for all methods that HTTP does not define.
const otherMethod = "_OTHER"

// knownMethod replaces a method that a client invented, so that nobody can add labels without end.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return method
	}
	return otherMethod
}
