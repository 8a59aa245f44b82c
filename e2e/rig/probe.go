package rig

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Probe requests a health check.
func Probe(ctx context.Context, url string) (Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Response{}, err
	}
	return ReadResponse(HTTPClient.Do(request))
}

// AwaitProbe waits until a health check is answered with the given status and a body that contains the given text.
func AwaitProbe(t testing.TB, url string, status int, text string) {
	t.Helper()
	Await(t, func() string {
		got, err := Probe(t.Context(), url)
		if err != nil || got.Status != status || !strings.Contains(string(got.Body), text) {
			return fmt.Sprintf("%s: %d %s, %v; want %d %s", url, got.Status, got.Body, err, status, text)
		}
		return ""
	})
}
