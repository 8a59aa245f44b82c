package e2e

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

// client is somebody with a token: with the SDK, and for what that cannot say, with plain HTTP.
type client struct {
	*svix.Svix
	url, token string
}

func newClient(t testing.TB, url, token string) client {
	t.Helper()
	sdk := must(svix.New(token, &svix.SvixOptions{ServerUrl: mustParse(url)}))(t)
	return client{Svix: sdk, url: url, token: token}
}

// httpClient keeps as many connections as the tests that make a load have senders.
var httpClient = &http.Client{
	Timeout:   time.Minute,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64},
}

// response is an answer of the API.
type response struct {
	status int
	header http.Header
	body   []byte
}

func (r response) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("decode %s: %v", tail(string(r.body)), err)
	}
}

// send makes one request, with no retries.
func (c client) send(ctx context.Context, method, path, body string) (response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	return readResponse(httpClient.Do(request))
}

func readResponse(answer *http.Response, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return response{status: answer.StatusCode, header: answer.Header, body: text}, err
}

// call is send that must be answered with this status.
func (c client) call(t testing.TB, want int, method, path, body string) response {
	t.Helper()
	r, err := c.send(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.status != want {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, want, tail(string(r.body)))
	}
	return r
}

// application makes an application and returns its id. It is left behind in a database that goes as
// well, and not in a deployment.
func (c client) application(t testing.TB) string {
	t.Helper()
	id := must(c.Application.Create(t.Context(), svix.ApplicationIn{Name: t.Name()}, nil))(t).Id
	if deployment() != "" {
		t.Cleanup(func() { _ = c.Application.Delete(context.Background(), id) })
	}
	return id
}

// message sends a message of a type that exists nowhere else and returns its id.
func (c client) message(t testing.TB, app string) string {
	t.Helper()
	in := svix.MessageIn{EventType: "e2e.message", Payload: map[string]any{"n": random()}}
	return must(c.Message.Create(t.Context(), app, in, nil))(t).Id
}

// attempts waits until there are n attempts to deliver a message and returns them, the first one
// first.
func (c client) attempts(t testing.TB, app, message string, n int) []svix.MessageAttemptOut {
	t.Helper()
	var found []svix.MessageAttemptOut
	await(t, func() string {
		found = must(c.MessageAttempt.ListByMsg(t.Context(), app, message, nil))(t).Data
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

// must is for calls that have to work: must(f(x))(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(explain(err))
		}
		return v
	}
}

// done is must for calls that return nothing.
func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(explain(err))
	}
}

// explain says what the SDK leaves out of its errors' text: the answer.
func explain(err error) string {
	if e, ok := errors.AsType[*svix.Error](err); ok {
		return err.Error() + ": " + string(bytes.TrimSpace(e.Body()))
	}
	return err.Error()
}

// refused wants an error that the SDK decoded, of this status and with this code in its body.
func refused(t testing.TB, err error, status int, code string) {
	t.Helper()
	e, ok := errors.AsType[*svix.Error](err)
	if !ok {
		t.Errorf("got %v, want an error with status %d", err, status)
		return
	}
	var body struct{ Code string }
	if parse := json.Unmarshal(e.Body(), &body); parse != nil || e.Status() != status || body.Code != code {
		t.Errorf("got %s, want status %d and code %q", explain(err), status, code)
	}
}
