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

	"github.com/postrider/postrider/e2e/rig"
)

func TestMessageListByEndpoint(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	list := func(t *testing.T, endpoint string, status *svix.MessageStatus) []models.EndpointMessageOut {
		t.Helper()
		options := svix.MessageAttemptListAttemptedMessagesOptions{Status: status}
		return rig.Must(a.MessageAttempt.ListAttemptedMessages(t.Context(), a.app, endpoint, &options))(t).Data
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
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := list(t, test.endpoint, test.status)
			switch {
			case !test.found && len(got) != 0:
				t.Errorf("%+v", got)
			case test.found && (len(got) != 1 || got[0].Id != a.message || got[0].Status != test.want || got[0].NextAttempt != nil || got[0].Payload == nil):
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestMessageDestinationListPages(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	rig.NoError(t, a.Endpoint.Delete(t.Context(), a.app, a.failing)) // the message was attempted nevertheless
	want := map[string]svix.MessageStatus{a.accepting: models.MESSAGESTATUS_SUCCESS, a.failing: models.MESSAGESTATUS_FAIL}
	options := svix.MessageAttemptListAttemptedDestinationsOptions{Limit: new(uint64(1))}
	for n, endpoint := range slices.Sorted(slices.Values([]string{a.accepting, a.failing})) {
		page := rig.Must(a.MessageAttempt.ListAttemptedDestinations(t.Context(), a.app, a.message, &options))(t)
		if len(page.Data) != 1 || page.Data[0].Id != endpoint || page.Data[0].Status != want[endpoint] || page.Done != (n == 1) {
			t.Fatalf("page %d, done %t: %+v", n, page.Done, page.Data)
		}
		options.Iterator = page.Iterator
	}
}

// TestMessageResendIsOneAttempt checks that a message which an endpoint has finally refused is sent once more on
// request, and again only on another request.
func TestMessageResendIsOneAttempt(t *testing.T) {
	t.Parallel()
	rig.NeedOwnProcesses(t)
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	var mended atomic.Bool
	r := rig.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ rig.Arrival) {
		w.WriteHeader(map[bool]int{false: 500, true: 204}[mended.Load()])
	})
	endpoint := r.NewEndpoint(t, c, app)
	message := c.SendMessage(t, app)
	c.AwaitAttempts(t, app, message, 3)
	resend := func(attempts int) svix.MessageAttemptOut {
		rig.Must(c.MessageAttempt.Resend(t.Context(), app, message, endpoint, nil))(t)
		return c.AwaitAttempts(t, app, message, attempts)[attempts-1]
	}
	refusedAgain := resend(4)
	rig.Never(t, "a resend was tried again", func() bool { return len(r.All()) > 4 })
	mended.Store(true)
	accepted := resend(5)
	for want, got := range map[svix.MessageStatus]svix.MessageAttemptOut{
		models.MESSAGESTATUS_FAIL: refusedAgain, models.MESSAGESTATUS_SUCCESS: accepted,
	} {
		if got.Status != want || got.TriggerType != models.MESSAGEATTEMPTTRIGGERTYPE_MANUAL {
			t.Errorf("got %+v, want status %d", got, want)
		}
	}
	stats := rig.Must(c.Endpoint.GetStats(t.Context(), app, endpoint, nil))(t)
	if stats.Fail != 4 || stats.Success != 1 || stats.Pending+stats.Sending+stats.Canceled != 0 {
		t.Errorf("counts: %+v", stats)
	}
	counted := c.Call(t, 200, "GET", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/attempt-stats", "")
	if got := strings.TrimSpace(string(counted.Body)); got != `{"canceled":0,"fail":4,"success":1}` {
		t.Errorf("attempts: %s", got)
	}
	rig.NoError(t, c.Message.ExpungeContent(t.Context(), app, message))
	_, err := c.MessageAttempt.Resend(t.Context(), app, message, endpoint, nil)
	rig.WantRefused(t, err, 400, "missing_payload")
}

func TestMessageContentIsExpunged(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	ctx := t.Context()
	attempt := rig.Must(a.MessageAttempt.ListByEndpoint(ctx, a.app, a.accepting, nil))(t).Data[0]
	rig.NoError(t, a.MessageAttempt.ExpungeContent(ctx, a.app, a.message, attempt.Id))
	if got := rig.Must(a.MessageAttempt.Get(ctx, a.app, a.message, attempt.Id, nil))(t); got.Response != "EXPUNGED" || got.Status != attempt.Status {
		t.Errorf("got %+v", got)
	}
	rig.NoError(t, a.Message.ExpungeContent(ctx, a.app, a.message))
	if got := rig.Must(a.Message.Get(ctx, a.app, a.message, nil))(t); got.Payload["expired"] != true {
		t.Errorf("got %+v", got.Payload)
	}
	second := a.SendMessage(t, a.app)
	r := a.Call(t, 200, "POST", "/api/v1/app/"+a.app+"/msg/bulk-expunge", `{"ids":["`+second+`","none"]}`)
	if got := strings.TrimSpace(string(r.Body)); got != `{"results":{"`+second+`":"expunged","none":"not-found"}}` {
		t.Errorf("got %s", got)
	}
}

// TestEndpointSecretRotatedSignsDuringGrace checks that during the grace period both the old and the new secret
// verify a webhook.
func TestEndpointSecretRotatedSignsDuringGrace(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := r.NewEndpoint(t, c, app)
	next := rig.NewSecret()
	rig.NoError(t, c.Endpoint.RotateSecret(ctx, app, endpoint, svix.EndpointSecretRotateIn{Key: &next}, nil))
	if got := rig.Must(c.Endpoint.GetSecret(ctx, app, endpoint))(t); got.Key != next {
		t.Error("the secret is not the one that was given")
	}
	message := c.SendMessage(t, app)
	r.Await(t, message) // the receiver verifies it with the old secret
	arrived := r.Of(message)[0]
	if err := rig.Must(standardwebhooks.NewWebhook(next))(t).Verify(arrived.Body, arrived.Header); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
	third := rig.NewSecret()
	rotated := c.Call(t, 200, "POST", "/api/v1/app/"+app+"/endpoint/"+endpoint+"/secret/rotate", `{"key":"`+third+`","gracePeriodSeconds":0}`)
	if want := `{"key":"` + third + `"}`; strings.TrimSpace(string(rotated.Body)) != want {
		t.Errorf("rotate answers %s, want %s", rotated.Body, want)
	}
	message = c.SendMessage(t, app)
	r.Await(t, message)
	arrived = r.Of(message)[0]
	if n := len(strings.Fields(arrived.Header.Get("webhook-signature"))); n != 2 {
		t.Errorf("%d secrets sign, want the new one and the first, whose grace lasts", n)
	}
	if err := rig.Must(standardwebhooks.NewWebhook(next))(t).Verify(arrived.Body, arrived.Header); err == nil {
		t.Error("a secret without grace still signs")
	}
}

func TestPayloadRawArrivesAsIs(t *testing.T) {
	t.Parallel()
	c, r := rig.Shared(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	const csv = "id;amount\r\n7;\"12,50\"\r\n"
	sent := rig.Must(c.Message.Create(t.Context(), app, *svix.NewMessageInRaw("report.made", csv, new("text/csv; charset=utf-8")), nil))(t)
	r.Await(t, sent.Id)
	got := r.Of(sent.Id)[0]
	if string(got.Body) != csv || got.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("arrived %q as %s", got.Body, got.Header.Get("Content-Type"))
	}
}

func TestMessageDelayedIsDeliveredNoSooner(t *testing.T) {
	t.Parallel()
	c, r := rig.Shared(t).NewTenant(t), rig.NewReceiver(t, nil)
	app := c.NewApplication(t)
	r.NewEndpoint(t, c, app)
	at := time.Now().Add(2 * time.Minute).UTC()
	body := `{"eventType":"reminder","payload":{},"deliverAt":"` + at.Format(time.RFC3339Nano) + `"}`
	var sent struct{ ID, DeliverAt string }
	c.Call(t, 202, "POST", "/api/v1/app/"+app+"/msg", body).Decode(t, &sent)
	if got, err := time.Parse(time.RFC3339Nano, sent.DeliverAt); err != nil || !got.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("it says %s, want %s", sent.DeliverAt, at)
	}
	rig.Never(t, "it was delivered at once", func() bool { return len(r.All()) > 0 })
	destinations := rig.Must(c.MessageAttempt.ListAttemptedDestinations(t.Context(), app, sent.ID, nil))(t).Data
	if len(destinations) != 1 || destinations[0].Status != models.MESSAGESTATUS_PENDING || destinations[0].NextAttempt == nil {
		t.Errorf("it stands at %+v", destinations)
	}
}

func TestMessageExampleGoesToOneEndpoint(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, one, other := c.NewApplication(t), rig.NewReceiver(t, nil), rig.NewReceiver(t, nil)
	endpoint := one.NewEndpoint(t, c, app)
	other.NewEndpoint(t, c, app)
	name := "example." + rig.Random()
	schemas := map[string]any{"1": map[string]any{"type": "object", "examples": []any{map[string]any{"total": 7}}}}
	rig.Must(c.EventType.Create(ctx, svix.EventTypeIn{Name: name, Description: "An order", Schemas: &schemas}, nil))(t)
	sent := rig.Must(c.Endpoint.SendExample(ctx, app, endpoint, svix.EventExampleIn{EventType: name}, nil))(t)
	one.Await(t, sent.Id)
	if got := string(one.Of(sent.Id)[0].Body); got != `{"total":7}` {
		t.Errorf("arrived %s", got)
	}
	ping := rig.Must(c.Endpoint.SendExample(ctx, app, endpoint, svix.EventExampleIn{EventType: "svix.ping"}, nil))(t)
	one.Await(t, ping.Id)
	rig.Never(t, "another endpoint got it too", func() bool { return len(other.All()) > 0 })
}

func TestMessagePrecheckReportsListeners(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app := c.NewApplication(t)
	in := svix.MessagePrecheckIn{EventType: "order.made"}
	if rig.Must(c.Message.Precheck(ctx, app, in, nil))(t).Active {
		t.Error("active without an endpoint")
	}
	rig.Must(c.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://hooks.example/", Channels: []string{"red"}}, nil))(t)
	for _, test := range []struct {
		channels []string
		want     bool
	}{{nil, false}, {[]string{"blue"}, false}, {[]string{"blue", "red"}, true}} {
		in.Channels = test.channels
		if got := rig.Must(c.Message.Precheck(ctx, app, in, nil))(t).Active; got != test.want {
			t.Errorf("channels %v: active %t", test.channels, got)
		}
	}
}

// TestEndpointDisabledRefusesManualSends checks that the client gets an error; otherwise it would wait for webhooks
// that never arrive.
func TestEndpointDisabledRefusesManualSends(t *testing.T) {
	t.Parallel()
	c, ctx := rig.Shared(t).NewTenant(t), t.Context()
	app, r := c.NewApplication(t), rig.NewReceiver(t, nil)
	endpoint := r.NewEndpoint(t, c, app)
	message := c.SendMessage(t, app)
	r.Await(t, message)
	c.AwaitAttempts(t, app, message, 1)
	rig.Must(c.Endpoint.Patch(ctx, app, endpoint, svix.EndpointPatch{Disabled: new(true)}))(t)
	_, resend := c.MessageAttempt.Resend(ctx, app, message, endpoint, nil)
	_, recovered := c.Endpoint.Recover(ctx, app, endpoint, svix.RecoverIn{Since: aMinuteAgo()}, nil)
	_, missing := c.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: aMinuteAgo()}, nil)
	_, bulk := c.Endpoint.BulkReplay(ctx, app, endpoint, svix.BulkReplayIn{Since: aMinuteAgo()}, nil)
	_, example := c.Endpoint.SendExample(ctx, app, endpoint, svix.EventExampleIn{EventType: "svix.ping"}, nil)
	for _, err := range []error{resend, recovered, missing, bulk, example} {
		rig.WantRefused(t, err, 409, "endpoint_disabled")
	}
	rig.Must(c.Endpoint.Patch(ctx, app, endpoint, svix.EndpointPatch{Disabled: new(false)}))(t)
	rig.Must(c.MessageAttempt.Resend(ctx, app, message, endpoint, nil))(t)
	c.AwaitAttempts(t, app, message, 2)
}
