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

	"github.com/postrider/postrider/e2e/rig"
)

func TestRetryFollowsSchedule(t *testing.T) {
	t.Parallel()
	waits := []time.Duration{500 * time.Millisecond, 1200 * time.Millisecond}
	_, s := rig.Serve(t, "POSTRIDER_RETRY_SCHEDULE=500ms,1200ms")
	c := s.NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, rig.AnswerStatus(500))
	receiver.NewEndpoint(t, c, app)
	id := c.SendMessage(t, app)
	attempts := c.AwaitAttempts(t, app, id, 3)
	arrivals := receiver.Of(id)
	for i, wait := range waits {
		// Jitter spreads a wait by a fifth, so a retry never comes earlier than this. How much later it comes depends on
		// the machine.
		least := wait * 8 / 10
		if got := arrivals[i+1].At.Sub(arrivals[i].At); got < least {
			t.Errorf("retry %d came after %s, want at least %s", i+1, got, least)
		}
		if attempts[i].Status != models.MESSAGESTATUS_FAIL || attempts[i].ResponseStatusCode != 500 {
			t.Errorf("attempt %d is %+v", i, attempts[i])
		}
		if got := attempts[i+1].Timestamp.Sub(attempts[i].Timestamp); got < least {
			t.Errorf("attempts %d and %d are %s apart, want at least %s", i, i+1, got, least)
		}
	}
	// There are no further retries: while another message gets its three attempts, the first gets no fourth.
	c.AwaitAttempts(t, app, c.SendMessage(t, app), 3)
	c.AwaitAttempts(t, app, id, 3)
}

// TestRetryScheduleEmptyMeansNoRetry looks at the log, because nothing else shows that there will be no retry.
func TestRetryScheduleEmptyMeansNoRetry(t *testing.T) {
	t.Parallel()
	p, s := rig.Serve(t, "POSTRIDER_RETRY_SCHEDULE=")
	c := s.NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, rig.AnswerStatus(500))
	receiver.NewEndpoint(t, c, app)
	id := c.SendMessage(t, app)
	rig.Await(t, func() string {
		for line := range strings.Lines(p.Stdout.String()) {
			if strings.Contains(line, "delivery failed; no retries left") && strings.Contains(line, id) {
				return ""
			}
		}
		return "the delivery is not given up"
	})
	c.AwaitAttempts(t, app, id, 1)
}

func TestRetrySendsTheSameWebhook(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t) // a deployment may wait for hours
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
		if a.Nth < 3 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	receiver.NewEndpoint(t, c, app)
	id := c.SendMessage(t, app)
	attempts := c.AwaitAttempts(t, app, id, 3)
	for i, want := range []int16{502, 502, 200} {
		if attempts[i].ResponseStatusCode != want {
			t.Errorf("attempt %d got %d, want %d", i, attempts[i].ResponseStatusCode, want)
		}
	}
	for _, a := range receiver.Of(id) {
		if string(a.Body) != string(receiver.Of(id)[0].Body) {
			t.Errorf("a retry brought %s", a.Body)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t) // a deployment's schedule may be longer
	c := rig.Shared(t).NewTenant(t)
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			app := c.NewApplication(t)
			receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, a rig.Arrival) {
				if a.Nth == 1 {
					w.Header().Set("Retry-After", "2")
					w.WriteHeader(code)
				}
			})
			receiver.NewEndpoint(t, c, app)
			id := c.SendMessage(t, app)
			c.AwaitAttempts(t, app, id, 2)
			arrivals := receiver.Of(id)
			if got := arrivals[1].At.Sub(arrivals[0].At); got < 2*time.Second {
				t.Errorf("asked for 2 s, got %s", got)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			app, target := c.NewApplication(t), rig.NewReceiver(t, nil)
			receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
				w.Header().Set("Location", target.URL)
				w.WriteHeader(code)
			})
			receiver.NewEndpoint(t, c, app)
			id := c.SendMessage(t, app)
			rig.Await(t, func() string {
				list := rig.Must(c.MessageAttempt.ListByMsg(t.Context(), app, id, nil))(t).Data
				if len(list) == 0 {
					return "there is no attempt"
				}
				if got := list[0]; got.Status != models.MESSAGESTATUS_FAIL || int(got.ResponseStatusCode) != code {
					t.Errorf("a redirect is a failure; got %+v", got)
				}
				return ""
			})
			if target.Connected() != 0 {
				t.Error("the redirect was followed")
			}
		})
	}
}

// TestAddressSpecialIsNotConnectedTo has receivers on loopback, which no setting allows here.
func TestAddressSpecialIsNotConnectedTo(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_ALLOW_SUBNETS=10.11.12.0/24", "POSTRIDER_RETRY_SCHEDULE=")
	c := s.NewTenant(t)
	app, receiver := c.NewApplication(t), rig.NewReceiver(t, nil)
	_, port, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(receiver.URL, "http://"), "/"))
	rig.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"} {
		rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: "http://" + host + ":" + port + "/"}, nil))(t)
	}
	for _, a := range c.AwaitAttempts(t, app, c.SendMessage(t, app), 6) {
		if a.Status != models.MESSAGESTATUS_FAIL || a.ResponseStatusCode != 0 || !strings.Contains(a.Response, "not allowed") {
			t.Errorf("%s: got %+v, want a refusal that says why", a.Url, a)
		}
	}
	if n := receiver.Connected(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestAttemptSaysWhyNoAnswerCame(t *testing.T) {
	t.Parallel()
	_, s := rig.Serve(t, "POSTRIDER_REQUEST_TIMEOUT=500ms", "POSTRIDER_RETRY_SCHEDULE=")
	c := s.NewTenant(t)
	nobody := rig.Must(net.Listen("tcp", "127.0.0.1:0"))(t)
	rig.NoError(t, nobody.Close())
	slow := rig.NewReceiver(t, rig.NewGate(t).Answer)
	for name, test := range map[string]struct{ url, want string }{
		"nobody listens":    {"http://" + nobody.Addr().String() + "/", "connection refused"},
		"no answer in time": {slow.URL, "timed out"},
		"no such name":      {"http://no-such-name.invalid/", "no-such-name.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := c.NewApplication(t)
			rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: test.url, Secret: &slow.Secret}, nil))(t)
			a := c.AwaitAttempts(t, app, c.SendMessage(t, app), 1)[0]
			if a.Status != models.MESSAGESTATUS_FAIL || a.ResponseStatusCode != 0 || !strings.Contains(a.Response, test.want) {
				t.Errorf("got %+v, want a response that has %q", a, test.want)
			}
		})
	}
}

// TestAttemptCutsEndlessAnswerAfter20kB has a receiver that never stops sending. The connection must be cut once the
// response has reached the size that is stored.
func TestAttemptCutsEndlessAnswerAfter20kB(t *testing.T) {
	t.Parallel()
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	receiver := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		for line := strings.Repeat("spam", 1000); ; {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	})
	receiver.NewEndpoint(t, c, app)
	a := c.AwaitAttempts(t, app, c.SendMessage(t, app), 1)[0]
	if a.Status != models.MESSAGESTATUS_SUCCESS || a.Response != strings.Repeat("spam", 5000) {
		t.Errorf("got status %d and %d bytes of response, want success and 20,000", a.Status, len(a.Response))
	}
}
