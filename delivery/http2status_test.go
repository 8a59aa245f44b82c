package delivery

import "testing"

// TestStatusOutsideHTTPIsNoAnswer: HTTP/2 has statuses as text, and the library takes any number.
func TestStatusOutsideHTTPIsNoAnswer(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for status, want := range map[string]string{
		"200": "", "999": "", "0": classResponse, "-5": classResponse, "1000": classResponse, "65736": classResponse, "99999": classResponse,
	} {
		url, _ := a.serveHTTP2(t, func(p *http2Peer, stream uint32) bool {
			p.answer(stream, status)
			return true
		})
		got := a.sendTo(t, nil).send(t.Context(), testDelivery(url))
		if got.class != want || (got.ResponseStatusCode == 0) != (want != "") || got.version != "2" || got.peer == nil {
			t.Errorf("%s: the class is %q, want %q, over HTTP %s: %+v", status, got.class, want, got.version, got)
		}
	}
}
