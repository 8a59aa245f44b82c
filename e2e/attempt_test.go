package e2e

import (
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"

	"github.com/postrider/postrider/e2e/rig"
)

// attempted is an application with a message that one endpoint accepted and another refused.
type attempted struct {
	rig.Client
	app, message       string
	accepting, failing string
}

// newAttempted needs a process of our own, because it has to know the retry schedule.
func newAttempted(t *testing.T) attempted {
	t.Helper()
	rig.NeedOwnProcesses(t)
	c := rig.Shared(t).NewTenant(t)
	app := c.NewApplication(t)
	good, bad := rig.NewReceiver(t, rig.AnswerText(200, "welcome")), rig.NewReceiver(t, rig.AnswerText(503, "not now"))
	a := attempted{Client: c, app: app, accepting: good.NewEndpoint(t, c, app), failing: bad.NewEndpoint(t, c, app)}
	a.message = c.SendMessage(t, app)
	c.AwaitAttempts(t, app, a.message, 1+3) // one success; a first attempt and two retries
	return a
}

func TestAttemptListByMessageFilters(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	for _, test := range []struct {
		name   string
		filter svix.MessageAttemptListByMsgOptions
		want   []int16
	}{
		{"all", svix.MessageAttemptListByMsgOptions{}, []int16{200, 503, 503, 503}},
		{"that succeeded", svix.MessageAttemptListByMsgOptions{Status: new(models.MESSAGESTATUS_SUCCESS)}, []int16{200}},
		{"that failed", svix.MessageAttemptListByMsgOptions{Status: new(models.MESSAGESTATUS_FAIL)}, []int16{503, 503, 503}},
		{"with a 2xx", svix.MessageAttemptListByMsgOptions{StatusCodeClass: new(models.STATUSCODECLASS_CODE2XX)}, []int16{200}},
		{"with a 5xx", svix.MessageAttemptListByMsgOptions{StatusCodeClass: new(models.STATUSCODECLASS_CODE5XX)}, []int16{503, 503, 503}},
		{"with a 4xx", svix.MessageAttemptListByMsgOptions{StatusCodeClass: new(models.STATUSCODECLASS_CODE4XX)}, nil},
		{"at one endpoint", svix.MessageAttemptListByMsgOptions{EndpointId: &a.accepting}, []int16{200}},
		{"of the type", svix.MessageAttemptListByMsgOptions{EventTypes: &[]string{"e2e.message"}}, []int16{200, 503, 503, 503}},
		{"of another type", svix.MessageAttemptListByMsgOptions{EventTypes: &[]string{"another"}}, nil},
		{"of a channel", svix.MessageAttemptListByMsgOptions{Channel: new("red")}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			list := rig.Must(a.MessageAttempt.ListByMsg(t.Context(), a.app, a.message, &test.filter))(t)
			var got []int16
			for _, attempt := range list.Data {
				got = append(got, attempt.ResponseStatusCode)
			}
			slices.Sort(got) // the endpoints' order is random
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestAttemptListByEndpointPages(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	options := svix.MessageAttemptListByEndpointOptions{Limit: new(uint64(2))}
	first := rig.Must(a.MessageAttempt.ListByEndpoint(t.Context(), a.app, a.failing, &options))(t)
	options.Iterator = first.Iterator
	second := rig.Must(a.MessageAttempt.ListByEndpoint(t.Context(), a.app, a.failing, &options))(t)
	if len(first.Data) != 2 || first.Done || len(second.Data) != 1 || !second.Done {
		t.Fatalf("pages of %d (done: %v) and %d (done: %v), want 2 and 1", len(first.Data), first.Done, len(second.Data), second.Done)
	}
	newest := slices.Concat(first.Data, second.Data)
	for i, attempt := range newest {
		if attempt.EndpointId != a.failing || attempt.MsgId != a.message {
			t.Errorf("got an attempt at %s for %s", attempt.EndpointId, attempt.MsgId)
		}
		if i > 0 && attempt.Timestamp.After(newest[i-1].Timestamp) {
			t.Error("a later attempt comes after an earlier one")
		}
	}
	filter := svix.MessageAttemptListByEndpointOptions{Status: new(models.MESSAGESTATUS_SUCCESS)}
	if got := rig.Must(a.MessageAttempt.ListByEndpoint(t.Context(), a.app, a.failing, &filter))(t); len(got.Data) != 0 {
		t.Errorf("%d attempts succeeded at an endpoint that always fails", len(got.Data))
	}
}

func TestAttemptShowsWhatHappened(t *testing.T) {
	t.Parallel()
	a := newAttempted(t)
	for _, test := range []struct {
		endpoint, response string
		status             svix.MessageStatus
		text               svix.MessageStatusText
		code               int16
	}{
		{a.accepting, "welcome", models.MESSAGESTATUS_SUCCESS, models.MESSAGESTATUSTEXT_SUCCESS, 200},
		{a.failing, "not now", models.MESSAGESTATUS_FAIL, models.MESSAGESTATUSTEXT_FAIL, 503},
	} {
		t.Run(test.response, func(t *testing.T) {
			t.Parallel()
			list := rig.Must(a.MessageAttempt.ListByEndpoint(t.Context(), a.app, test.endpoint, nil))(t)
			got := rig.Must(a.MessageAttempt.Get(t.Context(), a.app, a.message, list.Data[0].Id, nil))(t)
			if got.Id != list.Data[0].Id || got.MsgId != a.message || got.EndpointId != test.endpoint || got.Url == "" ||
				got.Status != test.status || got.StatusText != test.text || got.ResponseStatusCode != test.code ||
				got.Response != test.response || got.TriggerType != models.MESSAGEATTEMPTTRIGGERTYPE_SCHEDULED || got.Timestamp.IsZero() {
				t.Errorf("got %+v", got)
			}
		})
	}
	_, err := a.MessageAttempt.Get(t.Context(), a.app, a.message, "atmpt_2QzNYbYPcmsVWXRGgYf0V9r4XyZ", nil)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = a.MessageAttempt.ListByMsg(t.Context(), a.app, a.message, &svix.MessageAttemptListByMsgOptions{EndpointId: new("ep_no_such")})
	rig.WantRefused(t, err, 404, "not_found")
}
