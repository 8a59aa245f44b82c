package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// SendUntilAccepted sends a message, and retries while the service is overloaded.
func (c Client) SendUntilAccepted(t testing.TB, app, body string) {
	t.Helper()
	Await(t, func() string {
		answer, err := c.Do(t.Context(), "POST", "/api/v1/app/"+app+"/msg?with_content=false", body)
		switch {
		case err == nil && answer.Status == http.StatusAccepted:
			return ""
		case err == nil && answer.Status != http.StatusServiceUnavailable:
			t.Fatalf("a message is answered with %d: %.200s", answer.Status, answer.Body)
		}
		return fmt.Sprintf("a message is not accepted: status %d: %.200s: %v", answer.Status, answer.Body, err)
	})
}

// SendLate sends a message whose second half arrives three seconds late, and retries until ctx ends while the service is
// overloaded.
func (c Client) SendLate(ctx context.Context, app, body string) error {
	for {
		half := len(body) / 2
		late := io.MultiReader(strings.NewReader(body[:half]), &lateReader{ctx: ctx, Reader: strings.NewReader(body[half:])})
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/api/v1/app/"+app+"/msg?with_content=false", late)
		if err != nil {
			return err
		}
		request.ContentLength = int64(len(body))
		request.Header.Set("Authorization", "Bearer "+c.Token)
		answer, err := ReadResponse(HTTPClient.Do(request))
		switch {
		case err == nil && answer.Status == http.StatusAccepted:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && (answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == ""):
			return fmt.Errorf("a large message is answered with %d: %.200s", answer.Status, answer.Body)
		}
		_ = Pause(ctx, 200*time.Millisecond) // a service may hang up before it has read the whole body
	}
}

// lateReader waits before its first byte.
type lateReader struct {
	ctx  context.Context //nolint:containedctx // a reader is not given one
	once sync.Once
	io.Reader
}

func (l *lateReader) Read(p []byte) (int, error) {
	l.once.Do(func() { _ = Pause(l.ctx, 3*time.Second) })
	return l.Reader.Read(p)
}

// Flooded counts the answers to a flood.
type Flooded struct{ Refused, Strange atomic.Int64 }

// Flood has a hundred clients request a path until the test ends.
func (c Client) Flood(t testing.TB, path string) *Flooded {
	t.Helper()
	return c.FloodOf(t, 100, path)
}

// FloodOf is Flood with the given number of clients.
func (c Client) FloodOf(t testing.TB, clients int, path string) *Flooded {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f, readers := new(Flooded), new(sync.WaitGroup)
	for range clients {
		readers.Go(func() {
			for ctx.Err() == nil {
				f.count(c.Do(ctx, http.MethodGet, path, ""))
			}
		})
	}
	t.Cleanup(func() { cancel(); readers.Wait() })
	return f
}

func (f *Flooded) count(answer Response, err error) {
	switch {
	case err != nil || answer.Status == http.StatusOK:
	case answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
		f.Refused.Add(1)
	default:
		f.Strange.Add(1)
	}
}
