package delivery

import (
	"cmp"
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

const (
	sampledParent   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampledParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// notAParent are texts that a database may hold instead of a trace context.
var notAParent = []string{
	"", "x", "00-", strings.Repeat("0", 5000), "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
	"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
	"\x00\xff\r\nx: y",
}

// answeringWith returns a receiver that answers with a status.
func answeringWith(t *testing.T, status int) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(whole(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(server.Close)
	return server
}

// made is one kind of attempt, and what its span says.
type made struct {
	url     string
	change  func(*core.Delivery, *Config)
	status  string // of the response
	err     string
	words   string
	resent  string
	trigger string
	peer    bool
}

// TestAttemptSpansAndDurationsSayWhatHappened makes an attempt of each kind.
func TestAttemptSpansAndDurationsSayWhatHappened(t *testing.T) {
	t.Parallel()
	works, fails, moves := answeringWith(t, 200), answeringWith(t, 503), answeringWith(t, 302)
	for name, c := range map[string]made{
		"success":          {url: works.URL, status: "200", peer: true},
		"a 503":            {url: fails.URL, status: "503", err: "503", words: "unsuccessful response", peer: true},
		"a redirect":       {url: moves.URL, status: "302", err: "302", words: "unsuccessful response", peer: true},
		"a retry":          {url: works.URL, change: func(d *core.Delivery, _ *Config) { d.Attempts = 3 }, status: "200", resent: "3", peer: true},
		"a manual attempt": {url: works.URL, change: func(d *core.Delivery, _ *Config) { d.Manual = true }, status: "200", trigger: "manual", peer: true},
		"refused":          {url: "http://" + closedAddress, err: "connection_refused", words: "connection refused"},
		"blocked":          {url: "http://10.0.0.1", err: "blocked_address", words: "blocked address"},
		"too late": {
			url: "http://" + serveConns(t, untilClosed), change: func(_ *core.Delivery, c *Config) { c.RequestTimeout = 50 * time.Millisecond },
			err: "timeout", words: "timeout", peer: true,
		},
		"not HTTP":  {url: "http://" + serveRaw(t, says("220 mail\r\n\r\n")), err: "invalid_response", words: "invalid response", peer: true},
		"not a URL": {url: "gopher://hooks.example", err: "invalid_request", words: "invalid request"},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); c.check(t) })
	}
}

func (c made) check(t *testing.T) {
	t.Helper()
	config, d := testConfig(), testDelivery(strings.Replace(c.url, "://", "://user:secret@", 1)+"/secret-path?secret=1#x")
	if c.change != nil {
		c.change(&d, &config)
	}
	o := observe(t, config)
	o.send(t.Context(), d)
	span := o.span(t)
	if status := span.Status(); status.Description != c.words || (status.Code == codes.Error) != (c.err != "") {
		t.Errorf("the status is %+v", status)
	}
	if span.Name() != "POST" || span.SpanKind() != trace.SpanKindClient {
		t.Errorf("the span is %q of kind %s", span.Name(), span.SpanKind())
	}
	got := texts(span.Attributes())
	want := c.attributes()
	want["postrider.message_id"], want["postrider.attempt_id"] = string(d.MessageID), string(o.queue.results[0].Attempt.ID)
	if want["postrider.attempts"] = "0"; c.resent != "" {
		want["postrider.attempts"] = c.resent
	}
	if !maps.Equal(got, want) {
		t.Errorf("the span says %v, want %v", got, want)
	}
	measured := map[string]string{}
	for _, label := range []string{"http.request.method", "http.response.status_code", "error.type", "network.protocol.version"} {
		if value := want[label]; value != "" {
			measured[label] = value
		}
	}
	if got := o.labels(t, "http.client.request.duration"); !maps.Equal(got, measured) {
		t.Errorf("the duration is of %v, want %v", got, measured)
	}
}

// attributes returns those of the span that do not depend on ids.
func (c made) attributes() map[string]string {
	scheme, address, _ := strings.Cut(c.url, "://")
	want := map[string]string{
		"http.request.method": "POST", "http.response.status_code": c.status, "error.type": c.err, "http.request.resend_count": c.resent,
		"postrider.app_id": "app_1", "postrider.endpoint_id": "ep_1", "postrider.trigger": cmp.Or(c.trigger, "scheduled"),
		"url.scheme": scheme, "server.address": address,
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		want["server.address"], want["server.port"] = host, port
	} else if scheme == "http" {
		want["server.port"] = "80"
	}
	if c.peer {
		want["network.peer.address"], want["network.peer.port"], want["network.protocol.version"] = "127.0.0.1", want["server.port"], "1.1"
	}
	maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
	return want
}

// TestAttemptSpanOfOurTroubleIsNoFailureOfTheEndpoint covers an attempt that is postponed, and one that a stop cuts off.
func TestAttemptSpanOfOurTroubleIsNoFailureOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config Config
		url    string
		cut    bool
		want   string
	}{
		"the proxy is down": {proxied(t, nil, ProxyConfig{URL: "http://" + closedAddress}), "http://hooks.example:8080", false, noProxy},
		"a stop":            {testConfig(), "http://" + serveConns(t, untilClosed), true, "the process stops"},
		"a stop, at once":   {testConfig(), "http://10.0.0.1", true, "the process stops"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if c.cut {
				stop()
			}
			o := observe(t, c.config)
			o.send(ctx, testDelivery(c.url))
			span, got := o.span(t), texts(o.span(t).Attributes())
			if span.Status().Code != codes.Unset || got["error.type"] != "" || got["postrider.unfinished"] != c.want || got["postrider.attempt_id"] != "" {
				t.Errorf("the span is %+v, %v", span.Status(), got)
			}
			if len(o.queue.results) != 0 || len(o.points(t, "http.client.request.duration")) != 0 {
				t.Error("it is counted")
			}
		})
	}
}

// TestAttemptContinuesTheTraceOfItsMessage checks the parent and the links of attempts.
func TestAttemptContinuesTheTraceOfItsMessage(t *testing.T) {
	t.Parallel()
	works := answeringWith(t, 200)
	for name, c := range map[string]struct {
		stored    string
		age       time.Duration // of the message
		retry     bool
		continues bool
		links     bool
		unsampled bool
	}{
		"the first attempt":                 {stored: sampledParent, continues: true},
		"a retry":                           {stored: sampledParent, age: 30 * time.Hour, retry: true, continues: true},
		"a message that was not sampled":    {stored: unsampledParent, unsampled: true},
		"an old message":                    {stored: sampledParent, age: 49 * time.Hour, links: true},
		"an old one that was not sampled":   {stored: unsampledParent, age: 49 * time.Hour, unsampled: true},
		"an old message that was untraced":  {stored: "x", age: 49 * time.Hour},
		"a flag that is not known (random)": {stored: strings.TrimSuffix(sampledParent, "1") + "3", continues: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, d := observe(t, testConfig()), testDelivery(works.URL)
			d.MessageID, d.TraceParent, d.Manual = core.NewMessageID(time.Now().Add(-c.age)), new(c.stored), c.age > 0 && !c.retry
			o.send(t.Context(), d)
			if c.unsampled {
				if n := len(o.spans.Ended()); n != 0 {
					t.Errorf("%d spans were recorded", n)
				}
				return
			}
			span := o.span(t)
			if got := span.Parent().IsValid(); got != c.continues {
				t.Errorf("the parent is %v", span.Parent())
			}
			if got := span.SpanContext().TraceID().String() == sampledParent[3:35]; got != c.continues {
				t.Errorf("it is in trace %s", span.SpanContext().TraceID())
			}
			if c.continues && span.Parent().SpanID().String() != sampledParent[36:52] {
				t.Errorf("the parent is %v", span.Parent())
			}
			if got := len(span.Links()); (got == 1) != c.links || got > 1 {
				t.Fatalf("it has %d links", got)
			}
			if c.links && span.Links()[0].SpanContext.SpanID().String() != sampledParent[36:52] {
				t.Errorf("it links to %v", span.Links()[0])
			}
		})
	}
}

func TestAttemptIgnoresAStoredTraceThatIsNone(t *testing.T) {
	t.Parallel()
	works := answeringWith(t, 200)
	for _, stored := range notAParent {
		config := testConfig()
		config.SendTraceParent = true
		o, d := observe(t, config), testDelivery(works.URL)
		d.TraceParent = &stored
		o.send(t.Context(), d)
		if span := o.span(t); span.Parent().IsValid() || len(o.queue.results) != 1 || o.queue.results[0].Attempt.Status != core.StatusSuccess {
			t.Errorf("%q: the parent is %v, the results %+v", stored, span.Parent(), o.queue.results)
		}
	}
}

// TestTraceParentIsSentOnlyIfWanted checks what receivers are told, and that an endpoint's own headers are overridden only then.
func TestTraceParentIsSentOnlyIfWanted(t *testing.T) {
	t.Parallel()
	const own, state = "00-11111111111111111111111111111111-2222222222222222-01", "own=1"
	for name, c := range map[string]struct {
		wanted, traced, headers bool
		stored                  string
		want                    string // "span": that of the attempt
	}{
		"off":                                     {traced: true, stored: sampledParent},
		"off, not traced":                         {stored: sampledParent},
		"off, the endpoint's own":                 {traced: true, stored: sampledParent, headers: true, want: own},
		"on":                                      {wanted: true, traced: true, stored: sampledParent, want: "span"},
		"on, no trace yet":                        {wanted: true, traced: true, want: "span"},
		"on, overriding the endpoint's own":       {wanted: true, traced: true, stored: sampledParent, headers: true, want: "span"},
		"on, not traced":                          {wanted: true, stored: sampledParent, want: sampledParent},
		"on, not traced, not sampled":             {wanted: true, stored: unsampledParent, want: unsampledParent},
		"on, not traced, nothing stored":          {wanted: true},
		"on, not traced, garbage stored":          {wanted: true, stored: "x\r\ny: z"},
		"on, nothing to send but the endpoint's":  {wanted: true, headers: true, want: own},
		"on, not traced, over the endpoint's own": {wanted: true, stored: sampledParent, headers: true, want: sampledParent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var header http.Header
			server := httptest.NewServer(whole(func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Clone() }))
			t.Cleanup(server.Close)
			config, d := testConfig(), testDelivery(server.URL)
			config.SendTraceParent = c.wanted
			if c.stored != "" {
				d.TraceParent = &c.stored
			}
			if c.headers {
				d.Headers = core.Headers{"TraceParent": own, "TraceState": state}
			}
			o := observe(t, config)
			if !c.traced {
				config.Tracer = nil
				o.Worker = New(config, o.queue, time.Now, o.log)
				t.Cleanup(o.sender.pool.closeKept)
			}
			o.send(t.Context(), d)
			want, wantState := c.want, ""
			if want == "span" {
				of := o.span(t).SpanContext()
				want = "00-" + of.TraceID().String() + "-" + of.SpanID().String() + "-01"
			}
			if want == own {
				wantState = state
			}
			if got := header.Values("Traceparent"); strings.Join(got, ",") != want {
				t.Errorf("the receiver was sent %q, want %q", got, want)
			}
			if got := header.Get("Tracestate"); got != wantState {
				t.Errorf("the receiver was sent the state %q, want %q", got, wantState)
			}
			if header.Get("Webhook-Signature") == "" {
				t.Error("nothing is signed")
			}
		})
	}
}

// TestUntracedAttemptsCostNothing is not parallel, because it counts allocations.
//
//nolint:paralleltest // see above
func TestUntracedAttemptsCostNothing(t *testing.T) {
	w := New(testConfig(), newQueue(), time.Now, nil)
	d := testDelivery("http://hooks.example")
	if n := testing.AllocsPerRun(100, func() {
		_, span := w.startSpan(t.Context(), d)
		endSpan(span, d, outcome{}, false)
	}); n > 1 { // the context that holds the span
		t.Errorf("%v allocations", n)
	}
}
