package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// TestTokensThatSayAnything signs invalid claims with the right key, because the key's owner can make mistakes too.
func TestTokensThatSayAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.populate(t)
	for _, claims := range []string{
		`{"sub":"org_"}`, `{"sub":"org_\u0000"}`, `{"sub":"org_\ud800"}`, `{"sub":"org_\u0001😀 \u202e"}`, `{"sub":"org_` + strings.Repeat("é", 126) + `"}`,
		`{"sub":"org_` + strings.Repeat("x", 9000) + `"}`, `{"sub":"app_","org":"org_"}`, `{"sub":"app_\u0000","org":"org_1"}`,
		`{"sub":"{app}","org":"org_\u0000"}`, `{"sub":"{app}","org":"{org}","iat":-1e300}`, `{"sub":"{app}","org":"{org}","iat":1e300,"exp":1e300}`,
		`{"sub":"{app}","org":"{org}","iat":-62135596801,"exp":253402300799}`, `{"sub":"{app}","org":"{org}","exp":253402300800}`,
		`{"sub":"{app}","org":"{org}","exp":9.2e18}`, `{"sub":"{app}","org":"{org}","iat":0,"exp":9223372036854775807,"iat_us":-9}`,
		`{"sub":"{app}","org":"{org}","feature_flags":["\u0000","\ud800","` + strings.Repeat("f", 5000) + `"]}`,
		`{"sub":"{app}","org":"{org}","session_id":"\u0000"}`, `{"sub":"{app}","org":"{org}","capabilities":["\u0000"]}`,
	} {
		said := strings.NewReplacer("{app}", w.ids["{app_id}"], "{org}", w.org).Replace(claims)
		w.tokens = map[bool]string{false: signed(said), true: signed(said)}
		for _, r := range []request{
			{http.MethodGet, "/api/v1/app", "", ""},
			{http.MethodGet, "/api/v1/event-type", "", ""},
			{http.MethodPost, "/api/v1/app", `{"name":"N"}`, "key"},
			{http.MethodPost, "/api/v1/operational-webhook/endpoint", `{"url":"https://n.example/"}`, ""},
			{http.MethodGet, "/api/v1/operational-webhook/endpoint", "", ""},
			{http.MethodGet, "/api/v1/app/{app_id}/endpoint", "", ""},
			{http.MethodPost, "/api/v1/auth/logout", "", "key"},
			{http.MethodGet, "/api/v1/app/{app_id}/endpoint", "", ""},
		} {
			w.wantNoFailure(t, r)
		}
	}
}

// signed returns a token with this payload, valid or not.
func signed(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
