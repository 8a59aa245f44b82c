package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/postrider/postrider/core"
)

// receive starts a receiver and sends it one delivery.
func receive(t *testing.T, handler http.HandlerFunc, change func(*core.Delivery, *Config)) outcome {
	t.Helper()
	receiver := httptest.NewServer(whole(handler))
	t.Cleanup(receiver.Close)
	d, config := testDelivery(receiver.URL), testConfig()
	if change != nil {
		change(&d, &config)
	}
	s := newSender(config, time.Now)
	t.Cleanup(s.pool.closeKept)
	return s.send(t.Context(), d)
}

// whole reads the request before it is handled, because only then does a server notice that the client left.
func whole(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	}
}

func TestAWebhookVerifiesByStandardWebhooks(t *testing.T) {
	t.Parallel()
	payload := "{ \"b\" : 1.10, \"a\":\"<é>\"}\n"
	var header http.Header
	var body []byte
	var secret core.Secret
	attempt := receive(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		header.Set("Host", r.Host)
		body, _ = io.ReadAll(r.Body)
		fmt.Fprint(w, "thanks")
	}, func(d *core.Delivery, _ *Config) {
		d.Payload, secret = payload, d.Secrets[0]
		d.Headers = core.Headers{"X-Team": "billing", "Host": "hooks.example", "webhook-id": "forged", "Authorization": "Bearer x"}
	})
	if attempt.Status != core.StatusSuccess || attempt.ResponseStatusCode != 200 || attempt.Response != "thanks" {
		t.Errorf("%+v", attempt)
	}
	if string(body) != payload {
		t.Errorf("received %q, sent %q", body, payload)
	}
	verifier, err := standardwebhooks.NewWebhook(secret.Text())
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(body, header); err != nil {
		t.Error(err)
	}
	for _, part := range []string{"Id", "Timestamp", "Signature"} {
		if ours, theirs := header.Get("Webhook-"+part), header.Get("Svix-"+part); ours == "" || ours != theirs {
			t.Errorf("webhook-%s is %q, svix-%s %q", part, ours, part, theirs)
		}
	}
	for name, want := range map[string]string{
		"X-Team": "billing", "Host": "hooks.example", "Content-Type": "application/json",
		"User-Agent": "Postrider/test", "Authorization": "Bearer x", "Webhook-Id": string(attempt.MessageID),
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestEverySecretSignsAndThePayloadsTypeIsSent(t *testing.T) {
	t.Parallel()
	old, current := core.NewSecret(), core.NewSecret()
	var header http.Header
	var body []byte
	receive(t, func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	}, func(d *core.Delivery, _ *Config) {
		d.Payload, d.Secrets, d.ContentType = "a,b", []core.Secret{current, old}, new("text/csv")
	})
	if got := header.Get("Content-Type"); got != "text/csv" {
		t.Errorf("content type %q", got)
	}
	for _, s := range []core.Secret{current, old} {
		verifier, err := standardwebhooks.NewWebhook(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(body, header); err != nil {
			t.Error(err)
		}
	}
	if signatures := strings.Fields(header.Get("Webhook-Signature")); len(signatures) != 2 {
		t.Errorf("signatures %q", signatures)
	}
}

func TestAnEmptyPayloadHasALength(t *testing.T) {
	t.Parallel()
	length := int64(-2)
	receive(t, func(_ http.ResponseWriter, r *http.Request) { length = r.ContentLength },
		func(d *core.Delivery, _ *Config) { d.Payload = "" })
	if length != 0 {
		t.Errorf("length %d", length)
	}
}

func TestOnly2xxIsSuccess(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]core.AttemptStatus{
		200: core.StatusSuccess, 204: core.StatusSuccess, 299: core.StatusSuccess,
		301: core.StatusFail, 304: core.StatusFail, 400: core.StatusFail, 410: core.StatusFail, 500: core.StatusFail,
	} {
		attempt := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		}, nil)
		if attempt.Status != want || int(attempt.ResponseStatusCode) != code {
			t.Errorf("%d: %+v", code, attempt)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	requests := 0
	attempt := receive(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, nil)
	if requests != 1 || attempt.ResponseStatusCode != 307 {
		t.Errorf("%d requests, %+v", requests, attempt)
	}
}

func TestResponsesAreReadToABound(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, r *http.Request) {
		for chunk := []byte(strings.Repeat("é", 1000)); r.Context().Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	attempt := receive(t, endless, nil)
	if len(attempt.Response) != core.ResponseBytesMax || attempt.Status != core.StatusSuccess {
		t.Errorf("%d bytes of an endless response were kept, status %d", len(attempt.Response), attempt.Status)
	}
}

func TestAResponseThatIsNoTextIsKeptInBase64(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"plain":    "plain",
		"\xff\xfe": base64.StdEncoding.EncodeToString([]byte("\xff\xfe")),
		"a\x00b":   base64.StdEncoding.EncodeToString([]byte("a\x00b")),
		strings.Repeat("x", core.ResponseBytesMax-1) + "é": strings.Repeat("x", core.ResponseBytesMax-1),
	} {
		if got := text([]byte(body)); got != want {
			t.Errorf("%.10q... became %.10q..., %d bytes", body, got, len(got))
		}
	}
}

func TestASlowReceiverIsGivenUp(t *testing.T) {
	t.Parallel()
	attempt := receive(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(_ *core.Delivery, c *Config) { c.RequestTimeout = time.Second })
	if attempt.Response != "request timed out: no answer within 1s" || attempt.ResponseStatusCode != 0 || attempt.Status != core.StatusFail {
		t.Errorf("%+v", attempt)
	}
}

func TestAReceiverThatStallsAfterItsStatusHasAnswered(t *testing.T) {
	t.Parallel()
	attempt := receive(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(_ *core.Delivery, c *Config) { c.RequestTimeout = time.Second })
	if attempt.Status != core.StatusSuccess || attempt.Response != "begin" {
		t.Errorf("%+v", attempt)
	}
}

func TestLoopbackIsBlockedUnlessAllowed(t *testing.T) {
	t.Parallel()
	requests := 0
	attempt := receive(t, func(http.ResponseWriter, *http.Request) { requests++ },
		func(_ *core.Delivery, c *Config) { c.AllowSubnets = nil })
	if requests != 0 || !strings.HasPrefix(attempt.Response, notAllowed) {
		t.Errorf("%d requests, %q", requests, attempt.Response)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		code  int
		value string
		want  time.Duration
	}{
		{503, "120", 2 * time.Minute},
		{429, "1.5", 2 * time.Second},
		{429, now.Add(time.Minute).Format(http.TimeFormat), time.Minute},
		{429, now.Add(-time.Minute).Format(http.TimeFormat), 0},
		{503, "", 0}, {503, "-5", 0}, {503, "soon", 0}, {503, "NaN", 0}, {503, "1e300", (1<<31 - 1) * time.Second},
		{500, "120", 0},
	} {
		if got := retryAfter(c.code, c.value, now); got != c.want {
			t.Errorf("%d, %q: %s, want %s", c.code, c.value, got, c.want)
		}
	}
}

func TestCutOffAttemptsAreNotResults(t *testing.T) {
	t.Parallel()
	ctx, cut := context.WithCancel(t.Context())
	receiver := httptest.NewServer(whole(func(_ http.ResponseWriter, r *http.Request) {
		cut()
		<-r.Context().Done()
	}))
	defer receiver.Close()
	q := newQueue()
	w := New(testConfig(), q, time.Now, nil)
	d := testDelivery(receiver.URL)
	d.LeasedUntil = time.Now().Add(w.config.Lease)
	if w.attempt(ctx, &queued{Delivery: d}, func() {}) || len(q.results) != 0 {
		t.Errorf("an attempt that was cut off was recorded: %+v", q.results)
	}
}

// The deliveries of one message of 2 MB to many endpoints kept all processors from everybody else's requests.
func TestLargePayloadsAreSignedOnSomeOfTheProcessors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(testConfig(), time.Now)
		for range cap(s.signing) {
			s.signing <- struct{}{} // others are being signed
		}
		small, large := testDelivery(""), testDelivery("")
		small.Payload, large.Payload = strings.Repeat("x", signingLarge), strings.Repeat("x", signingLarge+1)
		s.signatures(small, time.Now()) // does not wait
		done := false
		go func() {
			s.signatures(large, time.Now())
			done = true
		}()
		if synctest.Wait(); done {
			t.Error("a large payload was signed beside as many others as may be")
		}
		<-s.signing
		if synctest.Wait(); !done {
			t.Error("a large payload was not signed when another one was")
		}
		if n := len(s.signing); n != cap(s.signing)-1 {
			t.Errorf("%d places are taken after the signature", n)
		}
	})
}
