package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

func TestFailingReceiverIsTriedAgainOnSchedule(t *testing.T) {
	t.Parallel()
	waits := []time.Duration{500 * time.Millisecond, 1200 * time.Millisecond}
	_, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=500ms,1200ms")
	c := s.tenant(t)
	app, receiver := c.application(t), newReceiver(t, status(500))
	receiver.endpoint(t, c, app)
	id := c.message(t, app)
	attempts := c.attempts(t, app, id, 3)
	arrivals := receiver.of(id)
	for i, wait := range waits {
		// Earlier than this it never comes: a wait is spread by a fifth. How much later is the machine's business.
		least := wait * 8 / 10
		if got := arrivals[i+1].at.Sub(arrivals[i].at); got < least {
			t.Errorf("retry %d came after %s, want at least %s", i+1, got, least)
		}
		if attempts[i].Status != models.MESSAGESTATUS_FAIL || attempts[i].ResponseStatusCode != 500 {
			t.Errorf("attempt %d is %+v", i, attempts[i])
		}
		if got := attempts[i+1].Timestamp.Sub(attempts[i].Timestamp); got < least {
			t.Errorf("attempts %d and %d are %s apart, want at least %s", i, i+1, got, least)
		}
	}
	// That was all: while another message has its three attempts, the first gets no fourth.
	c.attempts(t, app, c.message(t, app), 3)
	c.attempts(t, app, id, 3)
}

// Of a retry that does not come nothing is to be seen but the log.
func TestEmptyScheduleMeansNoRetry(t *testing.T) {
	t.Parallel()
	p, s := serve(t, "POSTRIDER_RETRY_SCHEDULE=")
	c := s.tenant(t)
	app, receiver := c.application(t), newReceiver(t, status(500))
	receiver.endpoint(t, c, app)
	id := c.message(t, app)
	await(t, func() string {
		for line := range strings.Lines(p.stdout.String()) {
			if strings.Contains(line, "delivery failed; no retries left") && strings.Contains(line, id) {
				return ""
			}
		}
		return "the delivery is not given up"
	})
	c.attempts(t, app, id, 1)
}

func TestReceiverThatRecoversGetsTheSameWebhookAgain(t *testing.T) {
	t.Parallel()
	ownProcesses(t) // a deployment may wait for hours
	c := shared(t).tenant(t)
	app := c.application(t)
	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
		if a.nth < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	receiver.endpoint(t, c, app)
	id := c.message(t, app)
	attempts := c.attempts(t, app, id, 3)
	for i, want := range []int16{502, 502, 200} {
		if attempts[i].ResponseStatusCode != want {
			t.Errorf("attempt %d got %d, want %d", i, attempts[i].ResponseStatusCode, want)
		}
	}
	for _, a := range receiver.of(id) {
		if string(a.body) != string(receiver.of(id)[0].body) {
			t.Errorf("a retry brought %s", a.body)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	ownProcesses(t) // a deployment may wait longer by itself
	c := shared(t).tenant(t)
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			app := c.application(t)
			receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, a arrival) {
				if a.nth == 1 {
					w.Header().Set("Retry-After", "2")
					w.WriteHeader(code)
				}
			})
			receiver.endpoint(t, c, app)
			id := c.message(t, app)
			c.attempts(t, app, id, 2)
			arrivals := receiver.of(id)
			if got := arrivals[1].at.Sub(arrivals[0].at); got < 2*time.Second {
				t.Errorf("asked for 2 s, got %s", got)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			app, target := c.application(t), newReceiver(t, nil)
			receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
				w.Header().Set("Location", target.url)
				w.WriteHeader(code)
			})
			receiver.endpoint(t, c, app)
			id := c.message(t, app)
			await(t, func() string {
				list := must(c.MessageAttempt.ListByMsg(t.Context(), app, id, nil))(t).Data
				if len(list) == 0 {
					return "there is no attempt"
				}
				if got := list[0]; got.Status != models.MESSAGESTATUS_FAIL || int(got.ResponseStatusCode) != code {
					t.Errorf("a redirect is a failure; got %+v", got)
				}
				return ""
			})
			if target.connected() != 0 {
				t.Error("the redirect was followed")
			}
		})
	}
}

// The receivers are on loopback, and nobody allowed that here.
func TestSpecialAddressesAreNotConnectedTo(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_ALLOW_SUBNETS=10.11.12.0/24", "POSTRIDER_RETRY_SCHEDULE=")
	c := s.tenant(t)
	app, receiver := c.application(t), newReceiver(t, nil)
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(receiver.url, "http://"), "/"))
	done(t, err)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"} {
		must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: "http://" + host + ":" + port + "/"}, nil))(t)
	}
	for _, a := range c.attempts(t, app, c.message(t, app), 6) {
		if a.Status != models.MESSAGESTATUS_FAIL || a.ResponseStatusCode != 0 || !strings.Contains(a.Response, "blocked") {
			t.Errorf("%s: got %+v, want a refusal that says why", a.Url, a)
		}
	}
	if n := receiver.connected(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestAttemptSaysWhyThereWasNoAnswer(t *testing.T) {
	t.Parallel()
	_, s := serve(t, "POSTRIDER_REQUEST_TIMEOUT=500ms", "POSTRIDER_RETRY_SCHEDULE=")
	c := s.tenant(t)
	nobody := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	done(t, nobody.Close())
	slow := newReceiver(t, newGate(t).answer)
	for name, test := range map[string]struct{ url, want string }{
		"nobody listens":    {"http://" + nobody.Addr().String() + "/", "connection refused"},
		"no answer in time": {slow.url, "timed out"},
		"no such name":      {"http://no-such-name.invalid/", "no-such-name.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := c.application(t)
			must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: test.url, Secret: &slow.secret}, nil))(t)
			a := c.attempts(t, app, c.message(t, app), 1)[0]
			if a.Status != models.MESSAGESTATUS_FAIL || a.ResponseStatusCode != 0 || !strings.Contains(a.Response, test.want) {
				t.Errorf("got %+v, want a response that has %q", a, test.want)
			}
		})
	}
}

// The receiver never stops talking: it is cut off after what is kept of an answer.
func TestEndlessAnswerIsCutAfter20kB(t *testing.T) {
	t.Parallel()
	c := shared(t).tenant(t)
	app := c.application(t)
	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		for line := strings.Repeat("spam", 1000); ; {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	})
	receiver.endpoint(t, c, app)
	a := c.attempts(t, app, c.message(t, app), 1)[0]
	if a.Status != models.MESSAGESTATUS_SUCCESS || a.Response != strings.Repeat("spam", 5000) {
		t.Errorf("got status %d and %d bytes of response, want success and 20,000", a.Status, len(a.Response))
	}
}
