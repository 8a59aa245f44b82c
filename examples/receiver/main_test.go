package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// signed returns a webhook as Postrider sends it.
func signed(t *testing.T, verifier *standardwebhooks.Webhook, id, payload string, at time.Time) *http.Request {
	t.Helper()
	signature, err := verifier.Sign(id, at, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(payload))
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", signature)
	return request
}

func TestReceiverHandlesVerifiedWebhooksOnce(t *testing.T) {
	t.Parallel()
	verifier, err := standardwebhooks.NewWebhookRaw([]byte("a key of at least twenty-four bytes"))
	if err != nil {
		t.Fatal(err)
	}
	var handled []string
	fail := errors.New("not today")
	r := newReceiver(verifier, func(id string, payload []byte) error {
		if fail != nil {
			return fail
		}
		handled = append(handled, id+" "+string(payload))
		return nil
	})
	now := time.Now()
	other := signed(t, verifier, "msg_1", `{"amount": 42}`, now)
	other.Header.Set("webhook-id", "msg_2")
	unsigned := signed(t, verifier, "msg_1", `{"amount": 42}`, now)
	unsigned.Header.Del("webhook-signature")
	for _, c := range []struct {
		name    string
		request *http.Request
		fails   error
		status  int
	}{
		{"a failure of the handler", signed(t, verifier, "msg_1", `{"amount": 42}`, now), fail, http.StatusInternalServerError},
		{"the next attempt", signed(t, verifier, "msg_1", `{"amount": 42}`, now), nil, http.StatusNoContent},
		{"a duplicate", signed(t, verifier, "msg_1", `{"amount": 42}`, now), nil, http.StatusNoContent},
		{"another id than was signed", other, nil, http.StatusUnauthorized},
		{"no signature", unsigned, nil, http.StatusUnauthorized},
		{"an old webhook", signed(t, verifier, "msg_3", `{}`, now.Add(-time.Hour)), nil, http.StatusUnauthorized},
	} {
		fail = c.fails
		w := httptest.NewRecorder()
		r.ServeHTTP(w, c.request)
		if w.Code != c.status {
			t.Errorf("%s was answered with %d: %s", c.name, w.Code, w.Body)
		}
	}
	if want := `msg_1 {"amount": 42}`; len(handled) != 1 || handled[0] != want {
		t.Errorf("handled %q", handled)
	}
}
