package rig

import (
	"context"
	"net/http"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// BatchAnswer is the answer to a batch.
type BatchAnswer struct {
	Data []struct {
		Status  int
		Message *struct{ ID, EventType string }
		Error   map[string]any
	}
}

// SendBatch sends messages in one request, with an idempotency key unless it is "".
func (c Client) SendBatch(t testing.TB, app, key, messages string) BatchAnswer {
	t.Helper()
	request := Must(http.NewRequestWithContext(t.Context(), http.MethodPost,
		c.URL+"/api/v1/app/"+app+"/msg/batch", strings.NewReader(`{"messages":[`+messages+`]}`)))(t)
	request.Header.Set("Authorization", "Bearer "+c.Token)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	r := Must(ReadResponse(HTTPClient.Do(request)))(t)
	if r.Status != http.StatusAccepted {
		t.Fatalf("status %d: %s", r.Status, Tail(string(r.Body)))
	}
	var out BatchAnswer
	r.Decode(t, &out)
	return out
}

// NewEventType creates an event type and returns its name.
func (c Client) NewEventType(t testing.TB) string {
	t.Helper()
	in := svix.EventTypeIn{Name: "e2e." + Random(), Description: "of " + t.Name()}
	return Must(c.EventType.Create(t.Context(), in, nil))(t).Name
}

// SendMessages sends n messages in one request, and returns their ids.
func (c Client) SendMessages(t testing.TB, app string, n int) []string {
	t.Helper()
	one := `{"eventType": "e2e.message", "payload": {}}`
	ids := make([]string, n)
	for i, item := range c.SendBatch(t, app, "", strings.TrimSuffix(strings.Repeat(one+",", n), ",")).Data {
		ids[i] = item.Message.ID
	}
	return ids
}

// sendWith is Do with additional headers.
func (c Client) sendWith(ctx context.Context, method, path, body string, headers ...string) (Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, strings.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	return ReadResponse(HTTPClient.Do(request))
}
