package delivery

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postrider/postrider/core"
)

// metrics counts attempts. By default none of it is labelled with the application, and none ever with the endpoint: there
// may be a million.
type metrics struct {
	application bool // label with the application

	attempts metric.Int64Counter
	duration metric.Float64Histogram
	endToEnd metric.Float64Histogram
	requests metric.Float64Histogram

	attemptLabels labels[attemptLabel]
	requestLabels labels[requestLabel]
}

func newMetrics(m metric.Meter, application bool) *metrics {
	// A meter returns an error only for an invalid name or option, and an instrument that works all the same.
	attempts, _ := m.Int64Counter("postrider.delivery.attempts", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts whose result was recorded, by outcome and class of the status."))
	duration, _ := m.Float64Histogram("postrider.delivery.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of attempts, from resolving the name to the last byte of the response."))
	endToEnd, _ := m.Float64Histogram("postrider.end_to_end", metric.WithUnit("s"),
		metric.WithDescription("Time from accepting a message to the attempt that succeeded, retries included."))
	requests, _ := m.Float64Histogram("http.client.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP client requests."))
	return &metrics{application: application, attempts: attempts, duration: duration, endToEnd: endToEnd, requests: requests}
}

// observe exports how busy the process is whenever metrics are collected.
func (d *dispatcher) observe(m metric.Meter) {
	active, _ := m.Int64ObservableGauge("postrider.attempts.in_flight", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts of this process that are in progress or being recorded."))
	most, _ := m.Int64ObservableGauge("postrider.attempts.in_flight_max", metric.WithUnit("{attempt}"),
		metric.WithDescription("The most attempts that this process makes at a time."))
	held, _ := m.Int64ObservableGauge("postrider.deliveries.held", metric.WithUnit("{delivery}"),
		metric.WithDescription("Deliveries leased to this process that wait for their attempt."))
	_, _ = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		d.mu.Lock()
		inFlight, waiting := d.active, d.waiting
		d.mu.Unlock()
		o.ObserveInt64(active, int64(inFlight))
		o.ObserveInt64(most, int64(d.config.Concurrency))
		o.ObserveInt64(held, int64(waiting))
		return nil
	}, active, most, held)
}

// attempted counts an attempt that ended now. Manual attempts may be years after their message, so they have no time
// from end to end.
func (m *metrics) attempted(ctx context.Context, a core.Attempt, now time.Time) {
	label := attemptLabel{success: a.Status == core.StatusSuccess, class: a.ResponseStatusCode / 100}
	if m.application {
		label.app = a.AppID
	}
	set := m.attemptLabels.of(label, label.app == "")
	m.attempts.Add(ctx, 1, set.add...)
	m.duration.Record(ctx, float64(a.DurationMS)/1000, set.record...)
	at, err := a.MessageID.Time()
	if err != nil || a.Status != core.StatusSuccess || a.Trigger != core.TriggerScheduled {
		return
	}
	var options []metric.RecordOption
	if m.application {
		options = append(options, metric.WithAttributes(attribute.String("application", string(a.AppID))))
	}
	m.endToEnd.Record(ctx, max(0, now.Sub(at).Seconds()), options...)
}

// requested counts an attempt that was made, whether or not its result can be recorded. server.address and server.port are
// missing: customers choose them, and there may be a million.
func (m *metrics) requested(ctx context.Context, o outcome) {
	status := countedStatus(int(o.ResponseStatusCode))
	set := m.requestLabels.of(requestLabel{status, errorType(o, status), o.version}, true)
	m.requests.Record(ctx, o.took.Seconds(), set.record...)
}

// countedStatus returns the status that a response counts as. A receiver may answer with any number, so one that is not
// registered counts as RFC 9110, section 15, has it treated: as the x00 of its class, or as a 500 if there is no such class.
func countedStatus(status int) int {
	switch {
	case status == 0 || http.StatusText(status) != "":
		return status
	case status < 200 || status > 599:
		return http.StatusInternalServerError
	}
	return status / 100 * 100
}

// labels are sets of attributes, made once each.
type labels[K interface {
	comparable
	attributes() []attribute.KeyValue
}] struct {
	mu   sync.RWMutex
	made map[K]labelSet
}

// labelSet is a set of attributes as the options that instruments take.
type labelSet struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// of returns the set of a key, and keeps it if keep is set. The kept keys must be few.
func (l *labels[K]) of(key K, keep bool) labelSet {
	l.mu.RLock()
	set, ok := l.made[key]
	l.mu.RUnlock()
	if ok {
		return set
	}
	option := metric.WithAttributeSet(attribute.NewSet(key.attributes()...))
	set = labelSet{[]metric.AddOption{option}, []metric.RecordOption{option}}
	if keep {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.made == nil {
			l.made = map[K]labelSet{}
		}
		l.made[key] = set
	}
	return set
}

type attemptLabel struct {
	success bool
	class   int16      // of the status; 0: there was no response
	app     core.AppID // empty: not told
}

func (l attemptLabel) attributes() []attribute.KeyValue {
	outcome, class := "failure", "none"
	if l.success {
		outcome = "success"
	}
	if l.class != 0 {
		class = strconv.Itoa(int(l.class)) + "xx"
	}
	attributes := []attribute.KeyValue{attribute.String("outcome", outcome), attribute.String("status_class", class)}
	if l.app != "" {
		attributes = append(attributes, attribute.String("application", string(l.app)))
	}
	return attributes
}

type requestLabel struct {
	status  int    // 0: there was no response
	err     string // empty: it succeeded
	version string // of HTTP; empty: there was no connection
}

func (l requestLabel) attributes() []attribute.KeyValue {
	attributes := []attribute.KeyValue{attribute.String("http.request.method", http.MethodPost)}
	if l.status != 0 {
		attributes = append(attributes, attribute.Int("http.response.status_code", l.status))
	}
	if l.err != "" {
		attributes = append(attributes, attribute.String("error.type", l.err))
	}
	if l.version != "" {
		attributes = append(attributes, attribute.String("network.protocol.version", l.version))
	}
	return attributes
}
