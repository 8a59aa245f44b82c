package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// apiClient calls a JSON API.
type apiClient struct {
	base  string
	token string // empty: none
}

// call sends in, unless it is nil, and decodes the response into out, unless that is nil.
func (c apiClient) call(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, &body)
	if err != nil {
		return err
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	request.Close = true // an idle connection would be measured too
	client := http.Client{Timeout: callTimeout}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.500s", method, path, response.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// callTimeout is longer than the longest wait for a message.
const callTimeout = awaitTimeout + 10*time.Second

// newEndpoint creates an application with one endpoint, and returns the application's id.
func (c apiClient) newEndpoint(ctx context.Context, url, secret string) (string, error) {
	var app struct{ ID string }
	if err := c.call(ctx, http.MethodPost, "/api/v1/app", map[string]string{"name": "Bench"}, &app); err != nil {
		return "", err
	}
	endpoint := map[string]string{"url": url, "secret": secret}
	return app.ID, c.call(ctx, http.MethodPost, "/api/v1/app/"+app.ID+"/endpoint", endpoint, nil)
}

// checkRecorded checks that the delivery of a message is recorded. That happens after the receiver has seen it, so it
// may take a moment.
func (c apiClient) checkRecorded(ctx context.Context, app, id string) error {
	var attempts struct {
		Data []struct {
			MsgID              string
			Status             int
			ResponseStatusCode int
		}
	}
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(recordTimeout); time.Now().Before(deadline); {
		if err := c.call(ctx, http.MethodGet, "/api/v1/app/"+app+"/attempt/msg/"+id, nil, &attempts); err != nil {
			return err
		}
		if len(attempts.Data) > 0 {
			break
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if n := len(attempts.Data); n != 1 {
		return fmt.Errorf("%s was delivered, and has %d attempts", id, n)
	}
	if a := attempts.Data[0]; a.MsgID != id || a.Status != 0 || a.ResponseStatusCode != http.StatusNoContent {
		return fmt.Errorf("%s was delivered, and its attempt is %+v", id, a)
	}
	return nil
}

const recordTimeout = 5 * time.Second
