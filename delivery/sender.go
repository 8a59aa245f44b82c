package delivery

import (
	"context"
	"io"
	"math"
	"net"
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
	timeout   time.Duration
	userAgent string
}

func newSender(c Config, clock func() time.Time) *sender {
	return &sender{
		client: &http.Client{
			Transport: newTransport(c),
			// A redirect is an answer, not an address: the endpoint's owner never named that one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		clock: clock, timeout: c.RequestTimeout, userAgent: c.UserAgent,
	}
}

func newTransport(c Config) *http.Transport {
	dialer := &net.Dialer{Control: guard{allow: c.AllowSubnets}.control}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // what is kept of a response is what was sent
		MaxIdleConns:           2 * c.Concurrency,
		MaxIdleConnsPerHost:    c.EndpointConcurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// send makes one attempt, within the timeout. It also returns how long the receiver asked to be left
// alone.
func (s *sender) send(ctx context.Context, d core.Delivery) (core.Attempt, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	begin := s.clock()
	attempt := core.Attempt{
		AppID: d.AppID, ID: core.NewAttemptID(begin), MessageID: d.MessageID, EndpointID: d.EndpointID,
		URL: d.URL, Status: core.StatusFail, Trigger: d.Trigger(), CreatedAt: begin,
	}
	answer, err := s.exchange(ctx, d, begin)
	attempt.DurationMS = s.clock().Sub(begin).Milliseconds()
	if err != nil {
		attempt.Response = reason(err)
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

// exchange sends the request and reads as much of the response as is kept.
func (s *sender) exchange(ctx context.Context, d core.Delivery, at time.Time) (answer, error) {
	request, err := s.request(ctx, d, at)
	if err != nil {
		return answer{}, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	// One byte more than is kept tells whether that was all, and if it was, frees the connection. The
	// status is the answer, whatever becomes of the rest of it.
	body, _ := io.ReadAll(io.LimitReader(response.Body, core.ResponseBytesMax+1))
	return answer{response.StatusCode, response.Header.Get("Retry-After"), body}, nil
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
	sign(request.Header, d, at)
	return request, nil
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
