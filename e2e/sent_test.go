package e2e

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

func TestMessagesAttemptedAtAnEndpointAreListed(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	list := func(endpoint string, status *svix.MessageStatus) []models.EndpointMessageOut {
		options := svix.MessageAttemptListAttemptedMessagesOptions{Status: status}
		return must(a.MessageAttempt.ListAttemptedMessages(t.Context(), a.app, endpoint, &options))(t).Data
	}
	for _, test := range []struct {
		name, endpoint string
		status         *svix.MessageStatus
		want           svix.MessageStatus
		found          bool
	}{
		{"accepted", a.accepting, nil, models.MESSAGESTATUS_SUCCESS, true},
		{"accepted, that succeeded", a.accepting, new(models.MESSAGESTATUS_SUCCESS), models.MESSAGESTATUS_SUCCESS, true},
		{"accepted, that failed", a.accepting, new(models.MESSAGESTATUS_FAIL), 0, false},
		{"refused", a.failing, nil, models.MESSAGESTATUS_FAIL, true},
		{"refused, that failed", a.failing, new(models.MESSAGESTATUS_FAIL), models.MESSAGESTATUS_FAIL, true},
		{"refused, that succeeded", a.failing, new(models.MESSAGESTATUS_SUCCESS), 0, false},
		{"refused, that will be tried again", a.failing, new(models.MESSAGESTATUS_SENDING), 0, false},
		{"refused, that is pending", a.failing, new(models.MESSAGESTATUS_PENDING), 0, false},
	} {
		got := list(test.endpoint, test.status)
		switch {
		case !test.found && len(got) != 0:
			t.Errorf("%s: %+v", test.name, got)
		case test.found && (len(got) != 1 || got[0].Id != a.message || got[0].Status != test.want || got[0].NextAttempt != nil || got[0].Payload == nil):
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestDestinationsOfAMessageAreListedPageByPage(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	done(t, a.Endpoint.Delete(t.Context(), a.app, a.failing)) // it was attempted all the same
	want := map[string]svix.MessageStatus{a.accepting: models.MESSAGESTATUS_SUCCESS, a.failing: models.MESSAGESTATUS_FAIL}
	options := svix.MessageAttemptListAttemptedDestinationsOptions{Limit: new(uint64(1))}
	for n, endpoint := range slices.Sorted(slices.Values([]string{a.accepting, a.failing})) {
		page := must(a.MessageAttempt.ListAttemptedDestinations(t.Context(), a.app, a.message, &options))(t)
		if len(page.Data) != 1 || page.Data[0].Id != endpoint || page.Data[0].Status != want[endpoint] || page.Done != (n == 1) {
			t.Fatalf("page %d, done %t: %+v", n, page.Done, page.Data)
		}
		options.Iterator = page.Iterator
	}
}

// TestResendIsOneAttempt: an endpoint that has refused a message for good gets it once more when
// somebody asks for that, and again only when asked again.
func TestResendIsOneAttempt(t *testing.T) {
	t.Parallel()
	ownProcesses(t)
	c := shared(t).tenant(t)
	app := c.application(t)
	var mended atomic.Bool
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ arrival) {
		w.WriteHeader(map[bool]int{false: 500, true: 204}[mended.Load()])
	})
	endpoint := r.endpoint(t, c, app)
	message := c.message(t, app)
	c.attempts(t, app, message, 3)
	resend := func(attempts int) svix.MessageAttemptOut {
		must(c.MessageAttempt.Resend(t.Context(), app, message, endpoint, nil))(t)
		return c.attempts(t, app, message, attempts)[attempts-1]
	}
	refusedAgain := resend(4)
	never(t, "a resend was tried again", func() bool { return len(r.all()) > 4 })
	mended.Store(true)
	accepted := resend(5)
	for want, got := range map[svix.MessageStatus]svix.MessageAttemptOut{
		models.MESSAGESTATUS_FAIL: refusedAgain, models.MESSAGESTATUS_SUCCESS: accepted,
	} {
		if got.Status != want || got.TriggerType != models.MESSAGEATTEMPTTRIGGERTYPE_MANUAL {
			t.Errorf("got %+v, want status %d", got, want)
		}
	}
	stats := must(c.Endpoint.GetStats(t.Context(), app, endpoint, nil))(t)
	if stats.Fail != 4 || stats.Success != 1 || stats.Pending+stats.Sending+stats.Canceled != 0 {
		t.Errorf("counts: %+v", stats)
	}
	counted := c.call(t, 200, "GET", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/attempt-stats", "")
	if got := strings.TrimSpace(string(counted.body)); got != `{"canceled":0,"fail":4,"success":1}` {
		t.Errorf("attempts: %s", got)
	}
	done(t, c.Message.ExpungeContent(t.Context(), app, message))
	_, err := c.MessageAttempt.Resend(t.Context(), app, message, endpoint, nil)
	refused(t, err, 400, "missing_payload")
}

func TestContentIsExpunged(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	ctx := t.Context()
	attempt := must(a.MessageAttempt.ListByEndpoint(ctx, a.app, a.accepting, nil))(t).Data[0]
	done(t, a.MessageAttempt.ExpungeContent(ctx, a.app, a.message, attempt.Id))
	if got := must(a.MessageAttempt.Get(ctx, a.app, a.message, attempt.Id, nil))(t); got.Response != "EXPUNGED" || got.Status != attempt.Status {
		t.Errorf("got %+v", got)
	}
	done(t, a.Message.ExpungeContent(ctx, a.app, a.message))
	if got := must(a.Message.Get(ctx, a.app, a.message, nil))(t); got.Payload["expired"] != true {
		t.Errorf("got %+v", got.Payload)
	}
	second := a.client.message(t, a.app)
	r := a.call(t, 200, "POST", "/api/v1/app/"+a.app+"/msg/bulk-expunge", `{"ids":["`+second+`","none"]}`)
	if got := strings.TrimSpace(string(r.body)); got != `{"results":{"`+second+`":"expunged","none":"not-found"}}` {
		t.Errorf("got %s", got)
	}
}

// TestRotatedSecretsSignForTheirGrace: receivers that know the old secret and receivers that know the
// new one both verify what is sent while the grace period lasts.
func TestRotatedSecretsSignForTheirGrace(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app, r := c.application(t), newReceiver(t, nil)
	endpoint := r.endpoint(t, c, app)
	next := newSecret()
	done(t, c.Endpoint.RotateSecret(ctx, app, endpoint, svix.EndpointSecretRotateIn{Key: &next}, nil))
	if got := must(c.Endpoint.GetSecret(ctx, app, endpoint))(t); got.Key != next {
		t.Error("the secret is not the one that was given")
	}
	message := c.message(t, app)
	r.await(t, message) // and it verifies with the old one
	arrived := r.of(message)[0]
	if err := must(standardwebhooks.NewWebhook(next))(t).Verify(arrived.body, arrived.header); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
	third := newSecret()
	rotated := c.call(t, 200, "POST", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/secret/rotate", `{"key":"`+third+`","gracePeriodSeconds":0}`)
	if want := `{"key":"` + third + `"}`; strings.TrimSpace(string(rotated.body)) != want {
		t.Errorf("rotate answers %s, want %s", rotated.body, want)
	}
	message = c.message(t, app)
	r.await(t, message)
	arrived = r.of(message)[0]
	if n := len(strings.Fields(arrived.header.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d secrets sign, want the new one and the first, whose grace lasts", n)
	}
	if err := must(standardwebhooks.NewWebhook(next))(t).Verify(arrived.body, arrived.header); err == nil {
		t.Error("a secret without grace still signs")
	}
}

func TestARawPayloadArrivesAsItIs(t *testing.T) {
	t.Parallel()
	c, r := shared(t).tenant(t), newReceiver(t, nil)
	app := c.application(t)
	r.endpoint(t, c, app)
	const csv = "id;amount\r\n7;\"12,50\"\r\n"
	sent := must(c.Message.Create(t.Context(), app, *svix.NewMessageInRaw("report.made", csv, new("text/csv; charset=utf-8")), nil))(t)
	r.await(t, sent.Id)
	got := r.of(sent.Id)[0]
	if string(got.body) != csv || got.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("arrived %q as %s", got.body, got.header.Get("Content-Type"))
	}
}

func TestAMessageIsDeliveredNoSoonerThanItSays(t *testing.T) {
	t.Parallel()
	c, r := shared(t).tenant(t), newReceiver(t, nil)
	app := c.application(t)
	r.endpoint(t, c, app)
	at := time.Now().Add(2 * time.Minute).UTC()
	body := `{"eventType":"reminder","payload":{},"deliverAt":"` + at.Format(time.RFC3339Nano) + `"}`
	var sent struct{ ID, DeliverAt string }
	c.call(t, 202, "POST", "/api/v1/app/"+app+"/msg", body).decode(t, &sent)
	if got, err := time.Parse(time.RFC3339Nano, sent.DeliverAt); err != nil || !got.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("it says %s, want %s", sent.DeliverAt, at)
	}
	never(t, "it was delivered at once", func() bool { return len(r.all()) > 0 })
	destinations := must(c.MessageAttempt.ListAttemptedDestinations(t.Context(), app, sent.ID, nil))(t).Data
	if len(destinations) != 1 || destinations[0].Status != models.MESSAGESTATUS_PENDING || destinations[0].NextAttempt == nil {
		t.Errorf("it stands at %+v", destinations)
	}
}

func TestAnExampleIsSentToOneEndpoint(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app, one, other := c.application(t), newReceiver(t, nil), newReceiver(t, nil)
	endpoint := one.endpoint(t, c, app)
	other.endpoint(t, c, app)
	name := "example." + random()
	schemas := map[string]any{"1": map[string]any{"type": "object", "examples": []any{map[string]any{"total": 7}}}}
	must(c.EventType.Create(ctx, svix.EventTypeIn{Name: name, Description: "An order", Schemas: &schemas}, nil))(t)
	sent := must(c.Endpoint.SendExample(ctx, app, endpoint, svix.EventExampleIn{EventType: name}, nil))(t)
	one.await(t, sent.Id)
	if got := string(one.of(sent.Id)[0].body); got != `{"total":7}` {
		t.Errorf("arrived %s", got)
	}
	ping := must(c.Endpoint.SendExample(ctx, app, endpoint, svix.EventExampleIn{EventType: "svix.ping"}, nil))(t)
	one.await(t, ping.Id)
	never(t, "another endpoint got it too", func() bool { return len(other.all()) > 0 })
}

func TestPrecheckTellsWhetherAnybodyListens(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app := c.application(t)
	in := svix.MessagePrecheckIn{EventType: "order.made"}
	if must(c.Message.Precheck(ctx, app, in, nil))(t).Active {
		t.Error("active without an endpoint")
	}
	must(c.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://hooks.example/", Channels: []string{"red"}}, nil))(t)
	for _, test := range []struct {
		channels []string
		want     bool
	}{{nil, false}, {[]string{"blue"}, false}, {[]string{"blue", "red"}, true}} {
		in.Channels = test.channels
		if got := must(c.Message.Precheck(ctx, app, in, nil))(t).Active; got != test.want {
			t.Errorf("channels %v: active %t", test.channels, got)
		}
	}
}

// TestDisabledEndpointRefusesWhatIsSentByHand: the client is told, rather than that nothing arrives.
func TestDisabledEndpointRefusesWhatIsSentByHand(t *testing.T) {
	t.Parallel()
	c, ctx := shared(t).tenant(t), t.Context()
	app, r := c.application(t), newReceiver(t, nil)
	endpoint := r.endpoint(t, c, app)
	message := c.message(t, app)
	r.await(t, message)
	c.attempts(t, app, message, 1)
	must(c.Endpoint.Patch(ctx, app, endpoint, svix.EndpointPatch{Disabled: new(true)}))(t)
	_, resend := c.MessageAttempt.Resend(ctx, app, message, endpoint, nil)
	_, recovered := c.Endpoint.Recover(ctx, app, endpoint, svix.RecoverIn{Since: aMinuteAgo()}, nil)
	_, missing := c.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: aMinuteAgo()}, nil)
	_, bulk := c.Endpoint.BulkReplay(ctx, app, endpoint, svix.BulkReplayIn{Since: aMinuteAgo()}, nil)
	_, example := c.Endpoint.SendExample(ctx, app, endpoint, svix.EventExampleIn{EventType: "svix.ping"}, nil)
	for _, err := range []error{resend, recovered, missing, bulk, example} {
		refused(t, err, 409, "endpoint_disabled")
	}
	must(c.Endpoint.Patch(ctx, app, endpoint, svix.EndpointPatch{Disabled: new(false)}))(t)
	must(c.MessageAttempt.Resend(ctx, app, message, endpoint, nil))(t)
	c.attempts(t, app, message, 2)
}
