package delivery

import (
	"net/http"
	"testing"

	"github.com/postrider/postrider/core"
)

// Early releases did not store URLs in normal form but kept queries as they were given.
func TestEndpointOfAnOlderURLIsDelivered(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"?q=a b": "q=a%20b", "?q=ü": "q=%C3%BC", "?q=a%2Fb|c": "q=a%2Fb|c", `?q="<>`: "q=%22%3C%3E",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			got := ""
			attempt := receive(t, func(_ http.ResponseWriter, r *http.Request) { got = r.URL.RawQuery },
				func(d *core.Delivery, _ *Config) { d.URL += query })
			if attempt.Status != core.StatusSuccess || got != want {
				t.Errorf("the receiver gets %q, want %q: %+v", got, want, attempt)
			}
		})
	}
}
