package server

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// tracing makes a fixture record its spans.
func tracing(spans *tracetest.SpanRecorder, options ...sdktrace.TracerProviderOption) func(*parts) {
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(spans))...)
	return func(p *parts) { p.Tracer = provider.Tracer("") }
}

// attributesOf returns the attributes of a span as text.
func attributesOf(span sdktrace.ReadOnlySpan) map[string]string {
	texts := map[string]string{}
	for _, a := range span.Attributes() {
		texts[string(a.Key)] = a.Value.String()
	}
	return texts
}

type attributes map[string]string

// tracedRequest is a request and the span it has.
type tracedRequest struct {
	method, path string
	headers      []string // if nil, the request has a valid token
	change       func(*parts)
	name         string
	failed       bool
	want         attributes // beside those of all requests
}

var tracedRequests = map[string]tracedRequest{
	"with a route": {
		method: "GET", path: "/api/v1/app/one/?limit=1&token=hidden", name: "GET /api/v1/app/{app_id}",
		want: attributes{"http.route": "/api/v1/app/{app_id}", "url.path": "/api/v1/app/one", "http.response.status_code": "200", "postrider.org_id": "org_a"},
	},
	"refused": {
		method: "GET", path: "/api/v1/app/nobody%20", name: "GET /api/v1/app/{app_id}",
		want: attributes{"http.route": "/api/v1/app/{app_id}", "url.path": "/api/v1/app/nobody%20", "http.response.status_code": "404",
			"postrider.org_id": "org_a", "postrider.error_code": "not_found"},
	},
	"without a valid token": {
		method: "GET", path: "/api/v1/app/one", headers: []string{"Authorization: Bearer hidden"}, name: "GET /api/v1/app/{app_id}",
		want: attributes{"http.route": "/api/v1/app/{app_id}", "url.path": "/api/v1/app/one", "http.response.status_code": "401", "postrider.error_code": "authentication_failed"},
	},
	"without a route":          {method: "POST", path: "/hidden", name: "POST", want: attributes{"http.response.status_code": "404"}},
	"of another method":        {method: "DELETE", path: "/docs", name: "DELETE", want: attributes{"http.response.status_code": "405"}},
	"of a browser beforehand":  {method: "OPTIONS", path: "/api/v1/app/one", name: "OPTIONS", want: attributes{"http.response.status_code": "204"}},
	"with an invented method":  {method: "HIDDEN", path: "/api/v1/app/one", name: "HTTP", want: attributes{"http.request.method": "_OTHER", "http.response.status_code": "405"}},
	"with a path of two parts": {method: "GET", path: "//hidden", name: "GET", want: attributes{"http.response.status_code": "404", "postrider.error_code": "not_found"}},
	"while the database fails": {
		method: "GET", path: "/api/v1/app/one", change: func(p *parts) { p.store.(*fake).broken = errors.New("hidden") },
		name: "GET /api/v1/app/{app_id}", failed: true,
		want: attributes{"http.route": "/api/v1/app/{app_id}", "url.path": "/api/v1/app/one", "http.response.status_code": "500", "error.type": "500", "postrider.error_code": "server_error"},
	},
	"that panics": {
		method: "GET", path: "/api/v1/app/one", change: func(p *parts) { p.store = panicking{} },
		name: "GET /api/v1/app/{app_id}", failed: true,
		want: attributes{"http.route": "/api/v1/app/{app_id}", "url.path": "/api/v1/app/one", "http.response.status_code": "500", "error.type": "panic", "postrider.org_id": "org_a"},
	},
}

func TestRequestsHaveASpan(t *testing.T) {
	t.Parallel()
	for name, test := range tracedRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewSpanRecorder()
			f := newFixture(t, tracing(spans), func(p *parts) {
				if test.change != nil {
					test.change(p)
				}
			})
			headers := append(slices.Clone(test.headers), "X-Request-Id: r-1", "User-Agent: sdk/1", "X-Other: hidden")
			if test.headers == nil {
				headers = append(headers, "Authorization: Bearer "+f.token(t, "org_a"))
			}
			f.send(test.method, "http://api.example:8071"+test.path, "", headers...)
			want := attributes{"http.request.method": test.method, "url.scheme": "http", "server.address": "api.example", "server.port": "8071",
				"network.protocol.version": "1.1", "user_agent.original": "sdk/1", "postrider.request_id": "r-1"}
			maps.Copy(want, test.want)
			ended := spans.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans, want 1", len(ended))
			}
			span := ended[0]
			if span.Name() != test.name || span.SpanKind() != trace.SpanKindServer {
				t.Errorf("the span is %q, %s, want %q, server", span.Name(), span.SpanKind(), test.name)
			}
			if got := attributesOf(span); !reflect.DeepEqual(attributes(got), want) {
				t.Errorf("the span says\n%v, want\n%v", got, want)
			}
			if got := span.Status(); (got.Code == codes.Error) != test.failed || got.Description != "" {
				t.Errorf("the status is %+v, failed: %t", got, test.failed)
			}
			if len(span.Events()) != 0 {
				t.Errorf("events: %v", span.Events())
			}
		})
	}
}

// TestRequestSpansCannotBeMadeLarge sends what would spoil an export or fill it.
func TestRequestSpansCannotBeMadeLarge(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	f := newFixture(t, tracing(spans))
	long := strings.Repeat("\xff\u00e9", 10_000)
	for _, target := range []string{"/api/v1/app/" + strings.Repeat("%C3%A9", 5000), "http://" + strings.Repeat("h", 9000) + "/docs", "http://h:" + strings.Repeat("8", 99) + "/docs"} {
		f.send("GET", target, "", "User-Agent: "+long, "Traceparent: "+sampledParent, "Tracestate: a="+strings.Repeat("x", 250), "Tracestate: b="+strings.Repeat("y", 250),
			"Tracestate: c="+strings.Repeat("z", 250))
	}
	if len(spans.Ended()) != 3 {
		t.Fatalf("%d spans", len(spans.Ended()))
	}
	for _, span := range spans.Ended() {
		for key, text := range attributesOf(span) {
			if len(text) > 2*spanTextMax || !utf8.ValidString(text) {
				t.Errorf("%s has %d bytes: %q", key, len(text), text[:min(len(text), 100)])
			}
		}
		if state := span.SpanContext().TraceState(); state.Len() != 0 {
			t.Errorf("tracestate %s is part of every span", state)
		}
	}
}

const (
	parentTrace     = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampledParent   = "00-" + parentTrace + "-00f067aa0ba902b7-01"
	unsampledParent = "00-" + parentTrace + "-00f067aa0ba902b7-00"
)

// continuation is whose trace a request belongs to, for a process and a client.
type continuation struct {
	headers   []string
	off       bool // the process does not trace
	options   []sdktrace.TracerProviderOption
	continued bool // the span and the message belong to the client's trace
	recorded  bool
	stored    string // what is stored with the message; if empty, the span of the request
}

var never = []sdktrace.TracerProviderOption{sdktrace.WithSampler(sdktrace.NeverSample())}

var continuations = map[string]continuation{
	"traced by nobody":              {off: true, stored: "none"},
	"traced by the client":          {headers: []string{sampledParent}, off: true, continued: true, stored: sampledParent},
	"not sampled by the client":     {headers: []string{unsampledParent}, off: true, continued: true, stored: unsampledParent},
	"traced by us":                  {recorded: true},
	"sampled by nobody":             {options: never},
	"traced by both":                {headers: []string{sampledParent}, continued: true, recorded: true},
	"sampled by neither":            {headers: []string{unsampledParent}, continued: true},
	"sampled by the client alone":   {headers: []string{sampledParent}, options: never, continued: true},
	"of a later version":            {headers: []string{"cc" + sampledParent[2:] + "-more"}, continued: true, recorded: true},
	"with two traces":               {headers: []string{sampledParent, sampledParent}, recorded: true},
	"with an invalid trace":         {headers: []string{strings.ToUpper(sampledParent)}, recorded: true},
	"with a trace of zeros":         {headers: []string{"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"}, recorded: true},
	"with an invalid version":       {headers: []string{"ff" + sampledParent[2:]}, recorded: true},
	"with a long trace":             {headers: []string{sampledParent + strings.Repeat("-x", 20_000)}, recorded: true},
	"with flags that nobody knows":  {headers: []string{sampledParent[:53] + "ff"}, recorded: true},
	"with an empty header":          {headers: []string{""}, recorded: true},
	"with an invalid trace, untold": {headers: []string{"nonsense"}, off: true, stored: "none"},
}

func TestRequestsContinueTheTraceOfTheClient(t *testing.T) {
	t.Parallel()
	for name, test := range continuations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewSpanRecorder()
			f := newFixture(t, func(p *parts) {
				if !test.off {
					tracing(spans, test.options...)(p)
				}
			})
			var headers []string
			for _, parent := range test.headers {
				headers = append(headers, "traceparent: "+parent)
			}
			message := `{"eventType":"n","payload":{}}`
			wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", message, headers...), 202)
			wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg/batch", `{"messages":[`+message+`]}`, headers...), 202)
			if n := len(spans.Ended()); n != 0 != test.recorded {
				t.Errorf("%d spans, recorded: %t", n, test.recorded)
			}
			for i, line := range f.logged.lines("request answered") {
				test.check(t, f.store.inserted[i].TraceParent, line["trace_id"])
				if test.recorded {
					test.checkSpan(t, spans.Ended()[i], *f.store.inserted[i].TraceParent)
				}
			}
		})
	}
}

// check compares what was stored with a message, and the trace id in the log.
func (c continuation) check(t *testing.T, stored *string, logged any) {
	t.Helper()
	if c.stored == "none" {
		if stored != nil || logged != nil {
			t.Errorf("stored %v, logged %v; want neither", stored, logged)
		}
		return
	}
	if stored == nil || logged != (*stored)[3:35] || (logged == parentTrace) != c.continued {
		t.Fatalf("stored %v, logged %v, continued: %t", stored, logged, c.continued)
	}
	if c.stored != "" && *stored != c.stored {
		t.Errorf("stored %s, want %s", *stored, c.stored)
	}
	if !c.off && ((*stored)[53:] == "01") != c.recorded {
		t.Errorf("stored %s, recorded: %t", *stored, c.recorded)
	}
}

func (c continuation) checkSpan(t *testing.T, span sdktrace.ReadOnlySpan, stored string) {
	t.Helper()
	if want := "00-" + span.SpanContext().TraceID().String() + "-" + span.SpanContext().SpanID().String() + "-01"; stored != want {
		t.Errorf("stored %s, want the request's span, %s", stored, want)
	}
	if got := span.Parent().SpanID().String() == sampledParent[36:52]; got != c.continued {
		t.Errorf("the parent is %v, continued: %t", span.Parent(), c.continued)
	}
}

func TestRequestSpanNamesTheMessageItCreated(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	f := newFixture(t, tracing(spans))
	wantStatus(t, f.ask(t, "POST", "/api/v1/app/one/msg", `{"eventType":"n","payload":{"a":"hidden"}}`, "Tracestate: a=b, c=d", "Traceparent: "+sampledParent, "Tracestate: e=f"), 202)
	span := spans.Ended()[0]
	if got, want := attributesOf(span), f.store.inserted[0]; got["postrider.message_id"] != string(want.ID) || got["postrider.app_id"] != string(f.ids.app) {
		t.Errorf("the span says %v, want %s of %s", got, want.ID, f.ids.app)
	}
	if got := span.SpanContext().TraceState().String(); got != "a=b,c=d,e=f" {
		t.Errorf("tracestate is %s", got)
	}
}

func TestFailuresAreLoggedWithTheirTrace(t *testing.T) {
	t.Parallel()
	for message, change := range map[string]func(*parts){
		"request failed":   func(p *parts) { p.store.(*fake).broken = errors.New("hidden") },
		"request panicked": func(p *parts) { p.store = panicking{} },
	} {
		f := newFixture(t, change)
		f.ask(t, "GET", "/api/v1/app/one", "", "Traceparent: "+sampledParent)
		if lines := f.logged.lines(message); len(lines) != 1 || lines[0]["trace_id"] != parentTrace {
			t.Errorf("%s is logged as %v", message, lines)
		}
	}
}

// TestRequestsThatAreNotTracedCostLittle counts allocations. It is not parallel, as those of other tests would count.
//
//nolint:paralleltest // see above
func TestRequestsThatAreNotTracedCostLittle(t *testing.T) {
	sampler := sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0)))
	for name, test := range map[string]struct {
		change func(*parts)
		parent string
		most   float64
	}{
		"off":                     {most: 1},
		"off, traced by client":   {parent: sampledParent, most: 10},
		"not sampled":             {change: tracing(tracetest.NewSpanRecorder(), sampler), most: 5},
		"not sampled by a client": {change: tracing(tracetest.NewSpanRecorder(), sampler), parent: unsampledParent, most: 12},
	} {
		s := newFixture(t, func(p *parts) {
			if test.change != nil {
				test.change(p)
			}
		}).Handler.(*server)
		r := httptest.NewRequest(http.MethodGet, "/docs", nil)
		if test.parent != "" {
			r.Header.Set("Traceparent", test.parent)
		}
		a, c := &answer{status: http.StatusOK}, &call{}
		got := testing.AllocsPerRun(100, func() {
			_, span := s.startSpan(r)
			endSpan(span, a, r, c)
		})
		if got > test.most {
			t.Errorf("%s: %v allocations, want up to %v", name, got, test.most)
		}
	}
}
