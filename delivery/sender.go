package delivery

import (
	"context"
	"crypto/tls"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/core"
)

// sender makes attempts.
type sender struct {
	client    *http.Client
	clock     func() time.Time
	timeout   time.Duration // of a whole attempt
	userAgent string

	bodyTimeout time.Duration // of the response's body, within that
}

// bodyTimeout is plenty for the few kilobytes that are kept.
const bodyTimeout = 5 * time.Second

func newSender(c Config, clock func() time.Time) *sender {
	return &sender{
		client: &http.Client{
			Transport: newTransport(c),
			// A redirect is an answer, not an address: the endpoint's owner never named that one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		clock: clock, timeout: c.RequestTimeout, userAgent: c.UserAgent, bodyTimeout: bodyTimeout,
	}
}

// Proxies are the egress's, and not the transport's: only there is an address known to be a checked
// one. So HTTPS_PROXY and its like count for nothing; a variable that was set for other programs must
// not decide who guards what customers make us call.
func newTransport(c Config) *http.Transport {
	return &http.Transport{
		DialContext:            newEgress(c).dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.Roots},
		TLSHandshakeTimeout:    2 * c.RequestTimeout, // of one that outlives its attempt, which ends it first
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		DisableCompression:     true, // what is kept of a response is what was sent
		MaxIdleConns:           2 * c.Concurrency,
		MaxIdleConnsPerHost:    c.EndpointConcurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, // interim responses included
	}
}

// An HTTP/2 connection carries all attempts at a receiver. One that silently died would fail them all
// until the kernel gives it up, after a quarter of an hour; a ping finds out within an attempt's time.
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// send makes one attempt, within the timeout. It also returns how long the receiver asked to be left
// alone.
func (s *sender) send(ctx context.Context, d core.Delivery) (core.Attempt, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ctx, trip := begin(ctx)
	at := s.clock()
	attempt := core.Attempt{
		AppID: d.AppID, ID: core.NewAttemptID(at), MessageID: d.MessageID, EndpointID: d.EndpointID,
		URL: d.URL, Status: core.StatusFail, Trigger: d.Trigger(), CreatedAt: at,
	}
	answer, err := s.exchange(ctx, cancel, d, at)
	attempt.DurationMS = s.clock().Sub(at).Milliseconds()
	if err != nil {
		attempt.Response = trip.reason(err, s.timeout)
		return attempt, 0
	}
	attempt.Response, attempt.ResponseStatusCode = text(answer.body), int16(answer.status)
	if answer.status >= 200 && answer.status < 300 {
		attempt.Status = core.StatusSuccess
	}
	return attempt, retryAfter(answer.status, answer.retryAfter, s.clock())
}

// answer is what is kept of a response.
type answer struct {
	status     int
	retryAfter string
	body       []byte
}

// exchange sends the request and reads as much of the response as is kept; giveUp ends ctx.
func (s *sender) exchange(ctx context.Context, giveUp context.CancelFunc, d core.Delivery, at time.Time) (answer, error) {
	request, err := s.request(ctx, d, at)
	if err != nil {
		return answer{}, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	return answer{response.StatusCode, response.Header.Get("Retry-After"), s.read(response, giveUp)}, nil
}

func (s *sender) request(ctx context.Context, d core.Delivery, at time.Time) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, strings.NewReader(d.Payload))
	if err != nil {
		return nil, err
	}
	for name, value := range d.Headers {
		request.Header.Set(name, value)
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	request.Header.Set("Content-Type", contentType(d))
	request.Header.Set("User-Agent", s.userAgent)
	replayable(request.Header)
	sign(request.Header, d, at)
	return request, nil
}

// replayable lets the transport send the request again when a connection that was kept turns out to
// have been closed by the receiver meanwhile. An empty list says so and is not sent.
func replayable(header http.Header) {
	if header.Get("Idempotency-Key") == "" {
		header["Idempotency-Key"] = nil
	}
}

func contentType(d core.Delivery) string {
	if d.ContentType == nil {
		return "application/json"
	}
	return *d.ContentType
}

// sign sets the headers of Standard Webhooks, and the same again by the names that receivers written
// for the existing servers look for.
func sign(header http.Header, d core.Delivery, at time.Time) {
	id, timestamp := string(d.MessageID), strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, secret := range d.Secrets {
		signatures = append(signatures, secret.Sign(d.MessageID, at, []byte(d.Payload)))
	}
	signature := strings.Join(signatures, " ")
	for _, family := range []string{"Webhook-", "Svix-"} {
		header[family+"Id"] = []string{id}
		header[family+"Timestamp"] = []string{timestamp}
		header[family+"Signature"] = []string{signature}
	}
}

// retryAfter is how long a receiver that is overloaded asks to be left alone, in seconds or until a
// date; 0 when it asks for nothing.
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
