package delivery

import (
	"net/http"
	"testing"

	"github.com/postrider/postrider/core"
)

// Endpoints of older releases may have headers that are now rejected. Sending them would break the request.
func TestEndpointOfOlderHeadersIsDelivered(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"Connection": "close", "Expect": "100-continue", "Trailer": "X-Late", "Te": "gzip", "Transfer-Encoding": "gzip",
		"Content-Length": "3", "Proxy-Connection": "close", "Http2-Settings": "AAMAAABk", "Keep-Alive": "timeout=5", "Upgrade": "h2c",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got http.Header
			attempt := receive(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header },
				func(d *core.Delivery, _ *Config) { d.Headers = core.Headers{name: value, "X-Mine": " 1\t"} })
			if attempt.Status != core.StatusSuccess || got.Get("X-Mine") != "1" {
				t.Errorf("the receiver gets %v: %+v", got, attempt)
			}
			if got.Get(name) == value {
				t.Errorf("%s was sent", name)
			}
		})
	}
}
