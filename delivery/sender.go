package delivery

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/postrider/postrider/core"
)

// sender makes attempts.
type sender struct {
	pool      *pool
	clock     func() time.Time
	timeout   time.Duration // of a whole attempt
	userAgent string
	tellTrace bool // send receivers a traceparent

	signing chan struct{} // a place for each payload over signingLarge that may be signed at a time

	bodyTimeout time.Duration // of the response's body, within that
}

// bodyTimeout is plenty for the few kilobytes that are kept. Only the status decides the result, so a receiver that
// answers at once and then sends its body slowly must not hold a slot until the deadline.
const bodyTimeout = 5 * time.Second

func newSender(c Config, clock func() time.Time) *sender {
	return &sender{
		pool: newPool(c, clock), clock: clock, timeout: c.RequestTimeout, userAgent: c.UserAgent, tellTrace: c.SendTraceParent,
		signing: make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1)), bodyTimeout: bodyTimeout,
	}
}

// outcome is the result of an attempt.
type outcome struct {
	core.Attempt
	retryAfter time.Duration // how long the receiver asked us to wait
	replays    int           // how often the request was resent because there was no answer
	trouble    *trouble      // why no attempt was made; nil if one was
	class      string        // of the failure, if there was no response
	took       time.Duration
	peer       net.Addr // the other side of the connection; nil if there was none
	version    string   // of HTTP; "" if there was no connection
}

// send makes one attempt, within the timeout.
func (s *sender) send(ctx context.Context, d core.Delivery) outcome {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ctx, trip := begin(ctx)
	d.URL = callURL(d.URL)
	at := s.clock()
	o := outcome{Attempt: core.Attempt{
		AppID: d.AppID, ID: core.NewAttemptID(at), MessageID: d.MessageID, EndpointID: d.EndpointID,
		URL: core.MaskURL(d.URL), Status: core.StatusFail, Trigger: d.Trigger(), CreatedAt: at,
	}}
	answer, replays, err := s.exchange(ctx, cancel, d, at)
	o.took, o.replays = s.clock().Sub(at), replays
	o.DurationMS = o.took.Milliseconds()
	if trip.over != nil {
		o.peer, o.version = trip.over.peer()
	}
	if t, ok := errors.AsType[*trouble](err); ok {
		o.trouble = t
		return o
	}
	if err != nil {
		failed := trip.failure(err, s.timeout)
		o.Response, o.class = failed.text, failed.class
		return o
	}
	o.Response, o.ResponseStatusCode = text(answer.body), int16(answer.status)
	if answer.status >= 200 && answer.status < 300 {
		o.Status = core.StatusSuccess
	}
	o.retryAfter = retryAfter(answer.status, answer.retryAfter, s.clock())
	return o
}

// exchange sends the request and reads the answer; giveUp ends ctx.
func (s *sender) exchange(ctx context.Context, giveUp context.CancelFunc, d core.Delivery, at time.Time) (answer, int, error) {
	request, err := s.request(ctx, d, at)
	if err != nil {
		return answer{}, 0, err
	}
	to, trip := targetOf(request.URL), tripOf(ctx)
	for r := (replays{}); ; {
		link, err := s.pool.get(ctx, to, r.fresh)
		if err != nil {
			return answer{}, r.count, err
		}
		trip.over = link
		request.Body = body(d)
		a, err := link.exchange(request, s.bodyTimeout, giveUp)
		if err == nil {
			return a, r.count, nil
		}
		if isHTTP11Required(err) {
			s.pool.refuseHTTP2(to)
		}
		if !r.allow(ctx, err, link.kept(), trip.stage()) {
			return answer{}, r.count, err
		}
		trip.restart()
	}
}

func (s *sender) request(ctx context.Context, d core.Delivery, at time.Time) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, nil)
	if err != nil {
		return nil, err
	}
	for name, value := range d.Headers.Sendable() {
		request.Header.Set(name, value)
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	if user := request.URL.User; user != nil && request.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	request.Header.Set("Content-Type", contentType(d))
	request.Header.Set("User-Agent", s.userAgent)
	if s.tellTrace {
		tellTrace(ctx, request.Header)
	}
	s.sign(request.Header, d, at)
	request.ContentLength = int64(len(d.Payload))
	return request, sendable(request)
}

// sendable rejects a request that would otherwise be sent in a different form.
func sendable(request *http.Request) error {
	if request.URL.Host == "" || schemePorts[request.URL.Scheme] == "" {
		return errors.New("no URL to send to")
	}
	for name, values := range request.Header {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(values[0]) {
			return errors.New("malformed header " + name)
		}
	}
	return nil
}

// body returns the payload as a request body. An empty one must be http.NoBody, or its length would be unknown.
func body(d core.Delivery) io.ReadCloser {
	if d.Payload == "" {
		return http.NoBody
	}
	return io.NopCloser(strings.NewReader(d.Payload))
}

func contentType(d core.Delivery) string {
	if d.ContentType == nil {
		return "application/json"
	}
	return *d.ContentType
}

// sign sets the Standard Webhooks headers, and sets them again under the names that receivers written for existing
// servers look for.
func (s *sender) sign(header http.Header, d core.Delivery, at time.Time) {
	id, timestamp := string(d.MessageID), strconv.FormatInt(at.Unix(), 10)
	signature := s.signatures(d, at)
	for _, family := range []string{"Webhook-", "Svix-"} {
		header[family+"Id"] = []string{id}
		header[family+"Timestamp"] = []string{timestamp}
		header[family+"Signature"] = []string{signature}
	}
}

// signingLarge is the size in bytes above which payloads are signed on at most half of the processors: hashing 2 MB takes
// milliseconds, and the deliveries of one such message would keep all processors from anything else. Smaller payloads
// take a fraction of a millisecond, and do not wait behind another customer's large ones.
const signingLarge = 256 << 10

// signatures returns a signature for each secret.
func (s *sender) signatures(d core.Delivery, at time.Time) string {
	if len(d.Payload) > signingLarge {
		s.signing <- struct{}{}
		defer func() { <-s.signing }()
	}
	signatures := make([]string, len(d.Secrets))
	for i, secret := range d.Secrets {
		signatures[i] = secret.Sign(d.MessageID, at, d.Payload)
	}
	return strings.Join(signatures, " ")
}

// retryAfter returns how long an overloaded receiver asks us to wait, which it gives in seconds or as a date. It
// returns 0 if the receiver does not ask.
func retryAfter(status int, value string, now time.Time) time.Duration {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
		return time.Duration(min(math.Ceil(seconds), math.MaxInt32)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
