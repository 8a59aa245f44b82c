package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// Client is an API client with a token. It contains the SDK, and uses plain HTTP where the SDK cannot.
type Client struct {
	*svix.Svix
	URL, Token string
}

// NewClient returns a client that sends a token, or none if the token is "".
func NewClient(t testing.TB, url, token string) Client {
	t.Helper()
	sdk := Must(svix.New(token, &svix.SvixOptions{ServerUrl: MustParseURL(url)}))(t)
	return Client{Svix: sdk, URL: url, Token: token}
}

// HTTPClient keeps as many idle connections as the load tests have senders.
var HTTPClient = &http.Client{
	Timeout:   time.Minute,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64},
}

// Response is an answer from the API.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode decodes the answer's JSON.
func (r Response) Decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		t.Fatalf("decode %s: %v", Tail(string(r.Body)), err)
	}
}

// Do makes one request without retries.
func (c Client) Do(ctx context.Context, method, path, body string) (Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, strings.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	return ReadResponse(HTTPClient.Do(request))
}

// ReadResponse reads an answer to its end.
func ReadResponse(answer *http.Response, err error) (Response, error) {
	if err != nil {
		return Response{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return Response{Status: answer.StatusCode, Header: answer.Header, Body: text}, err
}

// Call is Do for a request that must be answered with the wanted status.
func (c Client) Call(t testing.TB, want int, method, path, body string) Response {
	t.Helper()
	r, err := c.Do(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != want {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.Status, want, Tail(string(r.Body)))
	}
	return r
}

// NewApplication creates an application and returns its id. In a deployment it is deleted when the test ends;
// elsewhere it goes away with its database.
func (c Client) NewApplication(t testing.TB) string {
	t.Helper()
	id := Must(c.Application.Create(t.Context(), svix.ApplicationIn{Name: t.Name()}, nil))(t).Id
	if Deployment() != "" {
		t.Cleanup(func() { _ = c.Application.Delete(context.Background(), id) })
	}
	return id
}

// SendMessage sends a message of type e2e.message and returns its id.
func (c Client) SendMessage(t testing.TB, app string) string {
	t.Helper()
	in := svix.MessageIn{EventType: "e2e.message", Payload: map[string]any{"n": Random()}}
	return Must(c.Message.Create(t.Context(), app, in, nil))(t).Id
}

// AwaitAttempts waits until a message has n delivery attempts, and returns them, oldest first.
func (c Client) AwaitAttempts(t testing.TB, app, message string, n int) []svix.MessageAttemptOut {
	t.Helper()
	var found []svix.MessageAttemptOut
	Await(t, func() string {
		found = Must(c.MessageAttempt.ListByMsg(t.Context(), app, message, nil))(t).Data
		if len(found) < n {
			return message + " has too few attempts"
		}
		return ""
	})
	if len(found) > n {
		t.Fatalf("%s has %d attempts, want %d", message, len(found), n)
	}
	slices.Reverse(found)
	return found
}

// Must fails the test if a call returned an error: Must(f(x))(t).
func Must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(Explain(err))
		}
		return v
	}
}

// NoError fails the test if err is not nil.
func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(Explain(err))
	}
}

// Explain returns an error's text with the response body, which the SDK's errors leave out.
func Explain(err error) string {
	if e, ok := errors.AsType[*svix.Error](err); ok {
		return err.Error() + ": " + string(bytes.TrimSpace(e.Body()))
	}
	return err.Error()
}

// WantRefused fails unless err is an error decoded by the SDK with this status, and with this code in its body.
func WantRefused(t testing.TB, err error, status int, code string) {
	t.Helper()
	e, ok := errors.AsType[*svix.Error](err)
	if !ok {
		t.Errorf("got %v, want an error with status %d", err, status)
		return
	}
	var body struct{ Code string }
	if parse := json.Unmarshal(e.Body(), &body); parse != nil || e.Status() != status || body.Code != code {
		t.Errorf("got %s, want status %d and code %q", Explain(err), status, code)
	}
}
