package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
	"github.com/svix/svix-webhooks/go/utils"

	"github.com/postrider/postrider/e2e/rig"
)

// A walk calls all methods of the SDK and records the requests they make.
type walk struct {
	rig.Client
	app, endpoint, message, attempt string

	mu       *sync.Mutex
	requests map[string]bool // method and path
}

// RoundTrip lets a walk be the SDK's transport.
func (w walk) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests[request.Method+" "+request.URL.Path] = true
	w.mu.Unlock()
	return rig.HTTPClient.Transport.RoundTrip(request)
}

// newWalk creates an application with an endpoint that accepted a message.
func newWalk(t testing.TB, s rig.Service) walk {
	t.Helper()
	w := walk{Client: s.NewTenant(t), mu: new(sync.Mutex), requests: map[string]bool{}}
	w = w.as(t, w.Token)
	w.app = w.NewApplication(t)
	w.endpoint = rig.NewReceiver(t, rig.AnswerText(http.StatusOK, "welcome")).NewEndpoint(t, w.Client, w.app)
	w.message = w.SendMessage(t, w.app)
	w.attempt = w.AwaitAttempts(t, w.app, w.message, 1)[0].Id
	return w
}

// as returns the walk with another token.
func (w walk) as(t testing.TB, token string) walk {
	t.Helper()
	options := svix.SvixOptions{ServerUrl: rig.MustParseURL(w.URL), TransportWrapper: func(http.RoundTripper) http.RoundTripper { return w }}
	w.Client = rig.Client{Svix: rig.Must(svix.New(token, &options))(t), URL: w.URL, Token: token}
	return w
}

// unserved lists the methods for features that Postrider does not have, by reason.
var unserved = map[string]string{
	"connectors": "Connector.List Connector.Create Connector.Get Connector.Update Connector.Delete Connector.Patch",
	"transformations": `Endpoint.TransformationGet Endpoint.PatchTransformation Endpoint.TransformationPartialUpdate
		IngestEndpoint.GetTransformation IngestEndpoint.SetTransformation
		Streaming.SinkTransformationGet StreamingSink.TransformationPartialUpdate`,
	"environments": "Environment.Export Environment.Import",
	"ingest": `Ingest.Dashboard IngestEndpoint.List IngestEndpoint.Create IngestEndpoint.Get IngestEndpoint.Update
		IngestEndpoint.Delete IngestEndpoint.GetHeaders IngestEndpoint.UpdateHeaders IngestEndpoint.GetSecret
		IngestEndpoint.RotateSecret IngestSource.List IngestSource.Create IngestSource.Get IngestSource.Update
		IngestSource.Delete IngestSource.RotateToken`,
	"integrations": `Integration.List Integration.Create Integration.Get Integration.Update Integration.Delete
		Integration.GetKey Integration.RotateKey`,
	"pollers": "MessagePoller.Poll MessagePoller.ConsumerPoll MessagePoller.ConsumerSeek",
	"streaming": `Authentication.StreamLogout Authentication.StreamPortalAccess Authentication.StreamExpireAll
		Authentication.GetStreamPollerToken Authentication.RotateStreamPollerToken
		Streaming.SinkHeadersGet Streaming.SinkHeadersPatch
		StreamingEventType.List StreamingEventType.Create StreamingEventType.Get StreamingEventType.Update
		StreamingEventType.Delete StreamingEventType.Patch StreamingEvents.Create StreamingEvents.Get
		StreamingSink.List StreamingSink.Create StreamingSink.Get StreamingSink.Update StreamingSink.Delete
		StreamingSink.Patch StreamingSink.GetSecret StreamingSink.RotateSecret
		StreamingStream.List StreamingStream.Create StreamingStream.Get StreamingStream.Update
		StreamingStream.Delete StreamingStream.Patch`,
}

// notInSDK lists the operations that the SDK has no method for, with the reason.
var notInSDK = map[string]string{
	"MessageCreateMany":                  "our own",
	"MessageExpungeMany":                 "not yet in this SDK",
	"EndpointAttemptStatsGet":            "not yet in this SDK",
	"AttemptListByMessageDeprecated":     "for clients that are older than the SDK",
	"AttemptListByDestinationDeprecated": "for clients that are older than the SDK",
	"HealthPing":                         "for probes",
}

// TestSDKCallsEveryOperation finds the SDK's methods by reflection, so that it cannot miss a new one, and fails if
// the contract has an operation that no method called.
func TestSDKCallsEveryOperation(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	w, operations, served := newWalk(t, s), s.Operations(t), sdkMethods()
	reasons := map[string]string{}
	for reason, names := range unserved {
		for name := range strings.FieldsSeq(names) {
			reasons[name] = reason
		}
	}
	methods := map[string]reflect.Value{}
	addMethods(methods, reflect.ValueOf(w.Svix).Elem())
	for name, function := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call, ok := served[name]
			switch {
			case ok == (reasons[name] != ""):
				t.Error("it must either be called or be among those that are not served")
			case ok:
				call(t, w)
			default:
				wantUnserved(t, w, function)
			}
		})
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(served)), slices.Collect(maps.Keys(reasons))) {
		if !methods[name].IsValid() {
			t.Errorf("the SDK has no method %s", name)
		}
	}
	t.Cleanup(func() { w.wantAllCalled(t, operations) }) // runs after the methods' subtests
}

// addMethods finds the methods of the resources in the fields of an SDK struct, and of nested resources.
func addMethods(found map[string]reflect.Value, holder reflect.Value) {
	for field, resource := range holder.Fields() {
		if !field.IsExported() {
			continue
		}
		for method, function := range resource.Methods() {
			found[field.Type.Elem().Name()+"."+method.Name] = function
		}
		addMethods(found, resource.Elem())
	}
}

// wantUnserved calls a method with the names of existing things, and expects the error for an unknown path. The
// status alone would not tell, because a missing thing is also answered with 404.
func wantUnserved(t *testing.T, w walk, function reflect.Value) {
	t.Helper()
	names := []string{w.app, w.endpoint, "x"}
	args := []reflect.Value{reflect.ValueOf(t.Context())}
	for i := 1; i < function.Type().NumIn(); i++ {
		arg := reflect.New(function.Type().In(i)).Elem()
		if arg.Kind() == reflect.String {
			arg.SetString(names[0])
			names = names[1:]
		} else { // one method cannot be sent without these
			_ = json.Unmarshal([]byte(`{"batchSize":null,"maxWaitSecs":null,"status":null,"uid":null}`), arg.Addr().Interface())
		}
		args = append(args, arg)
	}
	results := function.Call(args)
	err, _ := reflect.TypeAssert[error](results[len(results)-1])
	rig.WantRefused(t, err, http.StatusNotFound, "not_found")
	if err == nil || !strings.Contains(rig.Explain(err), "no such path") {
		t.Errorf("got %v, want to be told that there is nothing", err)
	}
}

// wantAllCalled compares the requests made with the contract.
func (w walk) wantAllCalled(t *testing.T, operations []rig.Operation) {
	t.Helper()
	for _, op := range operations {
		called := false
		for request := range w.requests {
			method, path, _ := strings.Cut(request, " ")
			called = called || op.Serves(method, path)
		}
		if called == (notInSDK[op.ID] != "") {
			t.Errorf("%s is called by the SDK: %t; notInSDK says it is %q", op.ID, called, notInSDK[op.ID])
		}
	}
}

// A method calls one method of the SDK and reads back the result.
type method = func(*testing.T, walk)

// sdkMethods returns all supported methods. Other tests go deeper; these make sure that every method is called at
// least once.
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

// same fails unless the value read equals the value written.
func same[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// has fails unless an id is in a list.
func has[T any](t *testing.T, list []T, id string, of func(T) string) {
	t.Helper()
	if !slices.ContainsFunc(list, func(item T) bool { return of(item) == id }) {
		t.Errorf("%s is not in %+v", id, list)
	}
}

// gone fails unless a thing no longer exists.
func gone[T any](t *testing.T, _ T, err error) {
	t.Helper()
	rig.WantRefused(t, err, http.StatusNotFound, "not_found")
}

var applicationMethods = map[string]method{
	"Application.List": func(t *testing.T, w walk) {
		list := rig.Must(w.Application.List(t.Context(), &svix.ApplicationListOptions{Limit: new(uint64(250))}))(t)
		has(t, list.Data, w.app, func(a svix.ApplicationOut) string { return a.Id })
	},
	"Application.Create": func(t *testing.T, w walk) {
		made := rig.Must(w.Application.Create(t.Context(), svix.ApplicationIn{Name: "Made", Metadata: &map[string]string{"k": "v"}}, nil))(t)
		t.Cleanup(func() { _ = w.Application.Delete(context.Background(), made.Id) })
		got := rig.Must(w.Application.Get(t.Context(), made.Id))(t)
		same(t, got.Name+got.Metadata["k"], "Madev")
	},
	"Application.GetOrCreate": func(t *testing.T, w walk) {
		in := svix.ApplicationIn{Name: "Once", Uid: new("once-" + rig.Random())}
		first := rig.Must(w.Application.GetOrCreate(t.Context(), in, nil))(t)
		t.Cleanup(func() { _ = w.Application.Delete(context.Background(), first.Id) })
		same(t, rig.Must(w.Application.GetOrCreate(t.Context(), in, nil))(t).Id, first.Id)
	},
	"Application.Get": func(t *testing.T, w walk) {
		same(t, rig.Must(w.Application.Get(t.Context(), w.app))(t).Id, w.app)
	},
	"Application.Update": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		rig.Must(w.Application.Update(t.Context(), app, svix.ApplicationIn{Name: "Updated", ThrottleRate: new(uint16(7))}))(t)
		got := rig.Must(w.Application.Get(t.Context(), app))(t)
		same(t, got.Name, "Updated")
		same(t, *got.ThrottleRate, 7)
	},
	"Application.Patch": func(t *testing.T, w walk) {
		app, uid := w.NewApplication(t), "patched-"+rig.Random()
		rig.Must(w.Application.Patch(t.Context(), app, svix.ApplicationPatch{Uid: utils.NewNullable(uid)}))(t)
		same(t, rig.Must(w.Application.Get(t.Context(), uid))(t).Id, app)
	},
	"Application.Delete": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		rig.NoError(t, w.Application.Delete(t.Context(), app))
		got, err := w.Application.Get(t.Context(), app)
		gone(t, got, err)
	},
}

var authenticationMethods = map[string]method{
	"Authentication.AppPortalAccess": func(t *testing.T, w walk) {
		wantGood(t, w.app, true, w.PortalAccess(t, w.app, svix.AppPortalAccessIn{}))
	},
	"Authentication.DashboardAccess": func(t *testing.T, w walk) {
		out := rig.Must(w.DashboardAccess(t.Context(), w.app))(t)
		wantGood(t, w.app, true, rig.NewClient(t, w.URL, out.Token))
	},
	"Authentication.ExpireAll": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		customer := w.PortalAccess(t, app, svix.AppPortalAccessIn{})
		rig.NoError(t, w.Authentication.ExpireAll(t.Context(), app, svix.ApplicationTokenExpireIn{}, nil))
		wantGood(t, app, false, customer)
	},
	"Authentication.Logout": func(t *testing.T, w walk) {
		customer := w.as(t, w.PortalAccess(t, w.app, svix.AppPortalAccessIn{}).Token)
		rig.NoError(t, customer.Authentication.Logout(t.Context(), nil))
		wantGood(t, w.app, false, customer.Client)
	},
}

var healthMethods = map[string]method{
	"Health.Get": func(t *testing.T, w walk) {
		rig.NoError(t, w.Health.Get(t.Context()))
	},
}

// hook creates an endpoint that nothing is sent to.
func (w walk) hook(t *testing.T) string {
	t.Helper()
	in := svix.EndpointIn{Url: "https://example.com/", Disabled: new(true), Secret: new(rig.NewSecret())}
	return rig.Must(w.Endpoint.Create(t.Context(), w.app, in, nil))(t).Id
}

var messageMethods = map[string]method{
	"Message.List": func(t *testing.T, w walk) {
		list := rig.Must(w.Message.List(t.Context(), w.app, &svix.MessageListOptions{Limit: new(uint64(250))}))(t)
		has(t, list.Data, w.message, func(m svix.MessageOut) string { return m.Id })
	},
	"Message.Create": func(t *testing.T, w walk) {
		in := svix.MessageIn{EventType: "made.now", EventId: new("event-7"), Payload: map[string]any{"n": 7}, Channels: []string{"red"}, Tags: []string{"t"}}
		made := rig.Must(w.Message.Create(t.Context(), w.app, in, nil))(t)
		got := rig.Must(w.Message.Get(t.Context(), w.app, "event-7", nil))(t)
		same(t, got.Id+got.EventType+got.Channels[0]+got.Tags[0], made.Id+"made.nowredt")
		same(t, got.Payload["n"].(float64), 7)
	},
	"Message.Precheck": func(t *testing.T, w walk) {
		same(t, rig.Must(w.Message.Precheck(t.Context(), w.app, svix.MessagePrecheckIn{EventType: "made.now"}, nil))(t).Active, true)
	},
	"Message.Get": func(t *testing.T, w walk) {
		same(t, rig.Must(w.Message.Get(t.Context(), w.app, w.message, nil))(t).Id, w.message)
	},
	"Message.ExpungeContent": func(t *testing.T, w walk) {
		message := w.SendMessage(t, w.app)
		rig.NoError(t, w.Message.ExpungeContent(t.Context(), w.app, message))
		same(t, rig.Must(w.Message.Get(t.Context(), w.app, message, nil))(t).Payload["expired"].(bool), true)
	},
}

func attemptID(a svix.MessageAttemptOut) string { return a.Id }

var attemptMethods = map[string]method{
	"MessageAttempt.ListByEndpoint": func(t *testing.T, w walk) {
		options := svix.MessageAttemptListByEndpointOptions{Limit: new(uint64(250))}
		has(t, rig.Must(w.MessageAttempt.ListByEndpoint(t.Context(), w.app, w.endpoint, &options))(t).Data, w.attempt, attemptID)
	},
	"MessageAttempt.ListByMsg": func(t *testing.T, w walk) {
		has(t, rig.Must(w.MessageAttempt.ListByMsg(t.Context(), w.app, w.message, nil))(t).Data, w.attempt, attemptID)
	},
	"MessageAttempt.ListAttemptedMessages": func(t *testing.T, w walk) {
		options := svix.MessageAttemptListAttemptedMessagesOptions{Limit: new(uint64(250))}
		list := rig.Must(w.MessageAttempt.ListAttemptedMessages(t.Context(), w.app, w.endpoint, &options))(t)
		has(t, list.Data, w.message, func(m models.EndpointMessageOut) string { return m.Id })
	},
	"MessageAttempt.ListAttemptedDestinations": func(t *testing.T, w walk) {
		list := rig.Must(w.MessageAttempt.ListAttemptedDestinations(t.Context(), w.app, w.message, nil))(t)
		has(t, list.Data, w.endpoint, func(e models.MessageEndpointOut) string { return e.Id })
	},
	"MessageAttempt.Get": func(t *testing.T, w walk) {
		got := rig.Must(w.MessageAttempt.Get(t.Context(), w.app, w.message, w.attempt, nil))(t)
		same(t, got.Id+got.Response, w.attempt+"welcome")
	},
	"MessageAttempt.ExpungeContent": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		rig.NewReceiver(t, nil).NewEndpoint(t, w.Client, app)
		message := w.SendMessage(t, app)
		attempt := w.AwaitAttempts(t, app, message, 1)[0].Id
		rig.NoError(t, w.MessageAttempt.ExpungeContent(t.Context(), app, message, attempt))
		same(t, rig.Must(w.MessageAttempt.Get(t.Context(), app, message, attempt, nil))(t).Response, "EXPUNGED")
	},
	"MessageAttempt.Resend": func(t *testing.T, w walk) {
		app := w.NewApplication(t)
		endpoint, message := rig.NewReceiver(t, nil).NewEndpoint(t, w.Client, app), w.SendMessage(t, app)
		w.AwaitAttempts(t, app, message, 1)
		rig.Must(w.MessageAttempt.Resend(t.Context(), app, message, endpoint, nil))(t)
		same(t, w.AwaitAttempts(t, app, message, 2)[1].TriggerType, models.MESSAGEATTEMPTTRIGGERTYPE_MANUAL)
	},
}

// watch creates an operational-webhook endpoint.
func (w walk) watch(t *testing.T) string {
	t.Helper()
	in := svix.OperationalWebhookEndpointIn{Url: "https://example.com/", Disabled: new(true)}
	id := rig.Must(w.OperationalWebhookEndpoint.Create(t.Context(), in, nil))(t).Id
	t.Cleanup(func() { _ = w.OperationalWebhookEndpoint.Delete(context.Background(), id) })
	return id
}
