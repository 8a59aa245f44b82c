package rig

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestServedHandlersEndBeforeTheirTest checks that a handler still running when its connection closes delays the end
// of its test.
func TestServedHandlersEndBeforeTheirTest(t *testing.T) {
	t.Parallel()
	var ended atomic.Bool
	t.Run("a test that ends", func(t *testing.T) {
		began := make(chan struct{})
		url := listenHTTP(t, func(_ http.ResponseWriter, r *http.Request) {
			close(began)
			<-r.Context().Done()
			_ = Pause(context.Background(), 100*time.Millisecond)
			ended.Store(true)
		})
		go func() { _, _ = HTTPClient.Get(url) }()
		<-began
	})
	if !ended.Load() {
		t.Error("the test ended before the handler")
	}
}
