//nolint:thelper // these functions are the tests themselves: a failure is at their own lines
package e2e

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
	"github.com/svix/svix-webhooks/go/utils"
)

// A method calls one of the SDK, and reads back what that did.
type method = func(*testing.T, walk)

// sdkMethods are all that are served. Other tests go deeper; these see to it that there is none that
// nobody has called.
func sdkMethods() map[string]method {
	all := map[string]method{}
	for _, some := range []map[string]method{
		applicationMethods, authenticationMethods, taskMethods, endpointMethods, endpointSecretMethods, eventTypeMethods,
		messageMethods, attemptMethods, watcherMethods, healthMethods,
	} {
		maps.Copy(all, some)
	}
	return all
}

// same wants two texts to be the same: what was written and what is read.
func same[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// has wants an id to be in a list.
func has[T any](t *testing.T, list []T, id string, of func(T) string) {
	t.Helper()
	if !slices.ContainsFunc(list, func(item T) bool { return of(item) == id }) {
		t.Errorf("%s is not in %+v", id, list)
	}
}

// gone wants a thing not to be there.
func gone[T any](t *testing.T, _ T, err error) {
	t.Helper()
	refused(t, err, http.StatusNotFound, "not_found")
}

var applicationMethods = map[string]method{
	"Application.List": func(t *testing.T, w walk) {
		list := must(w.Application.List(t.Context(), &svix.ApplicationListOptions{Limit: new(uint64(250))}))(t)
		has(t, list.Data, w.app, func(a svix.ApplicationOut) string { return a.Id })
	},
	"Application.Create": func(t *testing.T, w walk) {
		made := must(w.Application.Create(t.Context(), svix.ApplicationIn{Name: "Made", Metadata: &map[string]string{"k": "v"}}, nil))(t)
		t.Cleanup(func() { _ = w.Application.Delete(context.Background(), made.Id) })
		got := must(w.Application.Get(t.Context(), made.Id))(t)
		same(t, got.Name+got.Metadata["k"], "Madev")
	},
	"Application.GetOrCreate": func(t *testing.T, w walk) {
		in := svix.ApplicationIn{Name: "Once", Uid: new("once-" + random())}
		first := must(w.Application.GetOrCreate(t.Context(), in, nil))(t)
		t.Cleanup(func() { _ = w.Application.Delete(context.Background(), first.Id) })
		same(t, must(w.Application.GetOrCreate(t.Context(), in, nil))(t).Id, first.Id)
	},
	"Application.Get": func(t *testing.T, w walk) {
		same(t, must(w.Application.Get(t.Context(), w.app))(t).Id, w.app)
	},
	"Application.Update": func(t *testing.T, w walk) {
		app := w.application(t)
		must(w.Application.Update(t.Context(), app, svix.ApplicationIn{Name: "Updated", ThrottleRate: new(uint16(7))}))(t)
		got := must(w.Application.Get(t.Context(), app))(t)
		same(t, got.Name, "Updated")
		same(t, *got.ThrottleRate, 7)
	},
	"Application.Patch": func(t *testing.T, w walk) {
		app, uid := w.application(t), "patched-"+random()
		must(w.Application.Patch(t.Context(), app, svix.ApplicationPatch{Uid: utils.NewNullable(uid)}))(t)
		same(t, must(w.Application.Get(t.Context(), uid))(t).Id, app)
	},
	"Application.Delete": func(t *testing.T, w walk) {
		app := w.application(t)
		done(t, w.Application.Delete(t.Context(), app))
		got, err := w.Application.Get(t.Context(), app)
		gone(t, got, err)
	},
}

var authenticationMethods = map[string]method{
	"Authentication.AppPortalAccess": func(t *testing.T, w walk) {
		wantGood(t, w.app, true, w.access(t, w.app, svix.AppPortalAccessIn{}))
	},
	"Authentication.DashboardAccess": func(t *testing.T, w walk) {
		out := must(w.dashboardAccess(t.Context(), w.app))(t)
		wantGood(t, w.app, true, newClient(t, w.url, out.Token))
	},
	"Authentication.ExpireAll": func(t *testing.T, w walk) {
		app := w.application(t)
		customer := w.access(t, app, svix.AppPortalAccessIn{})
		done(t, w.Authentication.ExpireAll(t.Context(), app, svix.ApplicationTokenExpireIn{}, nil))
		wantGood(t, app, false, customer)
	},
	"Authentication.Logout": func(t *testing.T, w walk) {
		customer := w.as(t, w.access(t, w.app, svix.AppPortalAccessIn{}).token)
		done(t, customer.Authentication.Logout(t.Context(), nil))
		wantGood(t, w.app, false, customer.client)
	},
}

var healthMethods = map[string]method{
	"Health.Get": func(t *testing.T, w walk) {
		done(t, w.Health.Get(t.Context()))
	},
}

// hook makes an endpoint that nothing is sent to.
func (w walk) hook(t *testing.T) string {
	t.Helper()
	in := svix.EndpointIn{Url: "https://example.com/", Disabled: new(true), Secret: new(newSecret())}
	return must(w.Endpoint.Create(t.Context(), w.app, in, nil))(t).Id
}

var endpointMethods = map[string]method{
	"Endpoint.List": func(t *testing.T, w walk) {
		list := must(w.Endpoint.List(t.Context(), w.app, nil))(t)
		has(t, list.Data, w.endpoint, func(e svix.EndpointOut) string { return e.Id })
	},
	"Endpoint.Create": func(t *testing.T, w walk) {
		in := svix.EndpointIn{Url: "https://made.example/", Uid: new("made"), Disabled: new(true), Channels: []string{"red"}}
		made := must(w.Endpoint.Create(t.Context(), w.app, in, nil))(t)
		got := must(w.Endpoint.Get(t.Context(), w.app, "made"))(t)
		same(t, got.Id+got.Url+got.Channels[0], made.Id+"https://made.example/red")
	},
	"Endpoint.Get": func(t *testing.T, w walk) {
		same(t, must(w.Endpoint.Get(t.Context(), w.app, w.endpoint))(t).Id, w.endpoint)
	},
	"Endpoint.Update": func(t *testing.T, w walk) {
		hook := w.hook(t)
		must(w.Endpoint.Update(t.Context(), w.app, hook, svix.EndpointUpdate{Url: "https://updated.example/", Disabled: new(true)}))(t)
		same(t, must(w.Endpoint.Get(t.Context(), w.app, hook))(t).Url, "https://updated.example/")
	},
	"Endpoint.Patch": func(t *testing.T, w walk) {
		hook := w.hook(t)
		must(w.Endpoint.Patch(t.Context(), w.app, hook, svix.EndpointPatch{Description: new("Patched")}))(t)
		same(t, must(w.Endpoint.Get(t.Context(), w.app, hook))(t).Description, "Patched")
	},
	"Endpoint.Delete": func(t *testing.T, w walk) {
		hook := w.hook(t)
		done(t, w.Endpoint.Delete(t.Context(), w.app, hook))
		got, err := w.Endpoint.Get(t.Context(), w.app, hook)
		gone(t, got, err)
	},
	"Endpoint.GetStats": func(t *testing.T, w walk) {
		same(t, must(w.Endpoint.GetStats(t.Context(), w.app, w.endpoint, nil))(t).Success > 0, true)
	},
	"Endpoint.SendExample": func(t *testing.T, w walk) {
		sent := must(w.Endpoint.SendExample(t.Context(), w.app, w.endpoint, svix.EventExampleIn{EventType: "svix.ping"}, nil))(t)
		same(t, must(w.Message.Get(t.Context(), w.app, sent.Id, nil))(t).EventType, "svix.ping")
	},
}

var endpointSecretMethods = map[string]method{
	"Endpoint.GetSecret": func(t *testing.T, w walk) {
		secret := newSecret()
		in := svix.EndpointIn{Url: "https://example.com/", Disabled: new(true), Secret: &secret}
		hook := must(w.Endpoint.Create(t.Context(), w.app, in, nil))(t).Id
		same(t, must(w.Endpoint.GetSecret(t.Context(), w.app, hook))(t).Key, secret)
	},
	"Endpoint.RotateSecret": func(t *testing.T, w walk) {
		hook, secret := w.hook(t), newSecret()
		done(t, w.Endpoint.RotateSecret(t.Context(), w.app, hook, svix.EndpointSecretRotateIn{Key: &secret}, nil))
		same(t, must(w.Endpoint.GetSecret(t.Context(), w.app, hook))(t).Key, secret)
	},
	"Endpoint.GetHeaders": func(t *testing.T, w walk) {
		same(t, len(must(w.Endpoint.GetHeaders(t.Context(), w.app, w.hook(t)))(t).Headers), 0)
	},
	"Endpoint.UpdateHeaders": func(t *testing.T, w walk) {
		hook := w.hook(t)
		done(t, w.Endpoint.UpdateHeaders(t.Context(), w.app, hook, svix.EndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}))
		same(t, must(w.Endpoint.GetHeaders(t.Context(), w.app, hook))(t).Headers["X-A"], "1")
	},
	"Endpoint.PatchHeaders": func(t *testing.T, w walk) {
		hook := w.hook(t)
		done(t, w.Endpoint.UpdateHeaders(t.Context(), w.app, hook, svix.EndpointHeadersIn{Headers: map[string]string{"X-A": "1", "X-B": "2"}}))
		patch := svix.EndpointHeadersPatchIn{Headers: map[string]string{"X-C": "3"}, DeleteHeaders: []string{"X-A"}}
		done(t, w.Endpoint.PatchHeaders(t.Context(), w.app, hook, patch))
		want := map[string]string{"X-B": "2", "X-C": "3"}
		if got := must(w.Endpoint.GetHeaders(t.Context(), w.app, hook))(t).Headers; !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	},
}

var eventTypeMethods = map[string]method{
	"EventType.List": func(t *testing.T, w walk) {
		name := w.eventType(t)
		list := must(w.EventType.List(t.Context(), &svix.EventTypeListOptions{Limit: new(uint64(250))}))(t)
		has(t, list.Data, name, func(e svix.EventTypeOut) string { return e.Name })
	},
	"EventType.Create": func(t *testing.T, w walk) {
		name := "made." + random()
		must(w.EventType.Create(t.Context(), svix.EventTypeIn{Name: name, Description: "Made"}, nil))(t)
		same(t, must(w.EventType.Get(t.Context(), name))(t).Description, "Made")
	},
	"EventType.Get": func(t *testing.T, w walk) {
		name := w.eventType(t)
		same(t, must(w.EventType.Get(t.Context(), name))(t).Name, name)
	},
	"EventType.Update": func(t *testing.T, w walk) {
		name := w.eventType(t)
		must(w.EventType.Update(t.Context(), name, svix.EventTypeUpdate{Description: "Updated"}))(t)
		same(t, must(w.EventType.Get(t.Context(), name))(t).Description, "Updated")
	},
	"EventType.Patch": func(t *testing.T, w walk) {
		name := w.eventType(t)
		must(w.EventType.Patch(t.Context(), name, svix.EventTypePatch{Deprecated: new(true)}))(t)
		same(t, must(w.EventType.Get(t.Context(), name))(t).Deprecated, true)
	},
	"EventType.Delete": func(t *testing.T, w walk) {
		name := w.eventType(t)
		done(t, w.EventType.Delete(t.Context(), name, nil))
		same(t, *must(w.EventType.Get(t.Context(), name))(t).Archived, true)
		done(t, w.EventType.Delete(t.Context(), name, &svix.EventTypeDeleteOptions{Expunge: new(true)}))
		got, err := w.EventType.Get(t.Context(), name)
		gone(t, got, err)
	},
	"EventType.ImportOpenapi": func(t *testing.T, w walk) {
		must(w.EventType.ImportOpenapi(t.Context(), svix.EventTypeImportOpenApiIn{SpecRaw: new(petSpec)}, nil))(t)
		same(t, must(w.EventType.Get(t.Context(), "pet.new"))(t).Description, "A pet was born")
	},
}

var messageMethods = map[string]method{
	"Message.List": func(t *testing.T, w walk) {
		list := must(w.Message.List(t.Context(), w.app, &svix.MessageListOptions{Limit: new(uint64(250))}))(t)
		has(t, list.Data, w.message, func(m svix.MessageOut) string { return m.Id })
	},
	"Message.Create": func(t *testing.T, w walk) {
		in := svix.MessageIn{EventType: "made.now", EventId: new("event-7"), Payload: map[string]any{"n": 7}, Channels: []string{"red"}, Tags: []string{"t"}}
		made := must(w.Message.Create(t.Context(), w.app, in, nil))(t)
		got := must(w.Message.Get(t.Context(), w.app, "event-7", nil))(t)
		same(t, got.Id+got.EventType+got.Channels[0]+got.Tags[0], made.Id+"made.nowredt")
		same(t, got.Payload["n"].(float64), 7)
	},
	"Message.Precheck": func(t *testing.T, w walk) {
		same(t, must(w.Message.Precheck(t.Context(), w.app, svix.MessagePrecheckIn{EventType: "made.now"}, nil))(t).Active, true)
	},
	"Message.Get": func(t *testing.T, w walk) {
		same(t, must(w.Message.Get(t.Context(), w.app, w.message, nil))(t).Id, w.message)
	},
	"Message.ExpungeContent": func(t *testing.T, w walk) {
		message := w.client.message(t, w.app)
		done(t, w.Message.ExpungeContent(t.Context(), w.app, message))
		same(t, must(w.Message.Get(t.Context(), w.app, message, nil))(t).Payload["expired"].(bool), true)
	},
}

func attemptID(a svix.MessageAttemptOut) string { return a.Id }

var attemptMethods = map[string]method{
	"MessageAttempt.ListByEndpoint": func(t *testing.T, w walk) {
		options := svix.MessageAttemptListByEndpointOptions{Limit: new(uint64(250))}
		has(t, must(w.MessageAttempt.ListByEndpoint(t.Context(), w.app, w.endpoint, &options))(t).Data, w.attempt, attemptID)
	},
	"MessageAttempt.ListByMsg": func(t *testing.T, w walk) {
		has(t, must(w.MessageAttempt.ListByMsg(t.Context(), w.app, w.message, nil))(t).Data, w.attempt, attemptID)
	},
	"MessageAttempt.ListAttemptedMessages": func(t *testing.T, w walk) {
		options := svix.MessageAttemptListAttemptedMessagesOptions{Limit: new(uint64(250))}
		list := must(w.MessageAttempt.ListAttemptedMessages(t.Context(), w.app, w.endpoint, &options))(t)
		has(t, list.Data, w.message, func(m models.EndpointMessageOut) string { return m.Id })
	},
	"MessageAttempt.ListAttemptedDestinations": func(t *testing.T, w walk) {
		list := must(w.MessageAttempt.ListAttemptedDestinations(t.Context(), w.app, w.message, nil))(t)
		has(t, list.Data, w.endpoint, func(e models.MessageEndpointOut) string { return e.Id })
	},
	"MessageAttempt.Get": func(t *testing.T, w walk) {
		got := must(w.MessageAttempt.Get(t.Context(), w.app, w.message, w.attempt, nil))(t)
		same(t, got.Id+got.Response, w.attempt+"welcome")
	},
	"MessageAttempt.ExpungeContent": func(t *testing.T, w walk) {
		app := w.application(t)
		newReceiver(t, nil).endpoint(t, w.client, app)
		message := w.client.message(t, app)
		attempt := w.attempts(t, app, message, 1)[0].Id
		done(t, w.MessageAttempt.ExpungeContent(t.Context(), app, message, attempt))
		same(t, must(w.MessageAttempt.Get(t.Context(), app, message, attempt, nil))(t).Response, "EXPUNGED")
	},
	"MessageAttempt.Resend": func(t *testing.T, w walk) {
		app := w.application(t)
		endpoint, message := newReceiver(t, nil).endpoint(t, w.client, app), w.client.message(t, app)
		w.attempts(t, app, message, 1)
		must(w.MessageAttempt.Resend(t.Context(), app, message, endpoint, nil))(t)
		same(t, w.attempts(t, app, message, 2)[1].TriggerType, models.MESSAGEATTEMPTTRIGGERTYPE_MANUAL)
	},
}

// watch makes an endpoint for operational webhooks.
func (w walk) watch(t *testing.T) string {
	t.Helper()
	in := svix.OperationalWebhookEndpointIn{Url: "https://example.com/", Disabled: new(true)}
	id := must(w.OperationalWebhookEndpoint.Create(t.Context(), in, nil))(t).Id
	t.Cleanup(func() { _ = w.OperationalWebhookEndpoint.Delete(context.Background(), id) })
	return id
}

var watcherMethods = map[string]method{
	"OperationalWebhookEndpoint.List": func(t *testing.T, w walk) {
		id := w.watch(t)
		list := must(w.OperationalWebhookEndpoint.List(t.Context(), nil))(t)
		has(t, list.Data, id, func(e svix.OperationalWebhookEndpointOut) string { return e.Id })
	},
	"OperationalWebhookEndpoint.Create": func(t *testing.T, w walk) {
		id := w.watch(t)
		same(t, must(w.OperationalWebhookEndpoint.Get(t.Context(), id))(t).Url, "https://example.com/")
	},
	"OperationalWebhookEndpoint.Get": func(t *testing.T, w walk) {
		id := w.watch(t)
		same(t, must(w.OperationalWebhook.Endpoint.Get(t.Context(), id))(t).Id, id)
	},
	"OperationalWebhookEndpoint.Update": func(t *testing.T, w walk) {
		id := w.watch(t)
		in := svix.OperationalWebhookEndpointUpdate{Url: "https://updated.example/", Disabled: new(true)}
		must(w.OperationalWebhookEndpoint.Update(t.Context(), id, in))(t)
		same(t, must(w.OperationalWebhookEndpoint.Get(t.Context(), id))(t).Url, "https://updated.example/")
	},
	"OperationalWebhookEndpoint.Delete": func(t *testing.T, w walk) {
		id := w.watch(t)
		done(t, w.OperationalWebhookEndpoint.Delete(t.Context(), id))
		got, err := w.OperationalWebhookEndpoint.Get(t.Context(), id)
		gone(t, got, err)
	},
	"OperationalWebhookEndpoint.GetHeaders": func(t *testing.T, w walk) {
		same(t, len(must(w.OperationalWebhookEndpoint.GetHeaders(t.Context(), w.watch(t)))(t).Headers), 0)
	},
	"OperationalWebhookEndpoint.UpdateHeaders": func(t *testing.T, w walk) {
		id := w.watch(t)
		in := svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-A": "1"}}
		done(t, w.OperationalWebhookEndpoint.UpdateHeaders(t.Context(), id, in))
		same(t, must(w.OperationalWebhookEndpoint.GetHeaders(t.Context(), id))(t).Headers["X-A"], "1")
	},
	"OperationalWebhookEndpoint.GetSecret": func(t *testing.T, w walk) {
		same(t, must(w.OperationalWebhookEndpoint.GetSecret(t.Context(), w.watch(t)))(t).Key[:6], "whsec_")
	},
	"OperationalWebhookEndpoint.RotateSecret": func(t *testing.T, w walk) {
		id, secret := w.watch(t), newSecret()
		done(t, w.OperationalWebhookEndpoint.RotateSecret(t.Context(), id, svix.OperationalWebhookEndpointSecretIn{Key: &secret}, nil))
		same(t, must(w.OperationalWebhookEndpoint.GetSecret(t.Context(), id))(t).Key, secret)
	},
}
