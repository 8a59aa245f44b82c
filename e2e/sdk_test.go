package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// A walk goes through all methods of the SDK, and keeps which requests they made.
type walk struct {
	client
	app, endpoint, message, attempt string

	mu       *sync.Mutex
	requests map[string]bool // method and path
}

// RoundTrip makes a walk the SDK's transport.
func (w walk) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests[request.Method+" "+request.URL.Path] = true
	w.mu.Unlock()
	return httpClient.Transport.RoundTrip(request)
}

// newWalk has an application with an endpoint that took a message.
func newWalk(t testing.TB, s service) walk {
	t.Helper()
	w := walk{client: s.tenant(t), mu: new(sync.Mutex), requests: map[string]bool{}}
	w = w.as(t, w.token)
	w.app = w.application(t)
	w.endpoint = newReceiver(t, answerText(http.StatusOK, "welcome")).endpoint(t, w.client, w.app)
	w.message = w.client.message(t, w.app)
	w.attempt = w.attempts(t, w.app, w.message, 1)[0].Id
	return w
}

// as is the walk with another token.
func (w walk) as(t testing.TB, token string) walk {
	t.Helper()
	options := svix.SvixOptions{ServerUrl: mustParse(w.url), TransportWrapper: func(http.RoundTripper) http.RoundTripper { return w }}
	w.client = client{Svix: must(svix.New(token, &options))(t), url: w.url, token: token}
	return w
}

// unserved are the methods of what Postrider is not, by the reason.
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

// notInSDK are the operations that the SDK has no method for, by the reason.
var notInSDK = map[string]string{
	"MessageCreateMany":                  "our own",
	"MessageExpungeMany":                 "not yet in this SDK",
	"EndpointAttemptStatsGet":            "not yet in this SDK",
	"AttemptListByMessageDeprecated":     "for clients that are older than the SDK",
	"AttemptListByDestinationDeprecated": "for clients that are older than the SDK",
	"HealthPing":                         "for probes",
}

// TestTheSDKCallsAllThatIsServed finds the SDK's methods by reflection, so that none is forgotten when
// it gets more of them, and asks the contract whether it has an operation that no method called.
func TestTheSDKCallsAllThatIsServed(t *testing.T) {
	t.Parallel()
	s := shared(t)
	w, operations, served := newWalk(t, s), s.contract(t), sdkMethods()
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
	t.Cleanup(func() { w.wantAllCalled(t, operations) }) // after the methods
}

// addMethods finds the methods of the resources that are fields of a struct of the SDK, and of those
// within them.
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

// wantUnserved calls a method with names of things that exist, and wants to be told that there is
// nothing at its path. That what it names is not there would be a 404 as well.
func wantUnserved(t *testing.T, w walk, function reflect.Value) {
	t.Helper()
	names := []string{w.app, w.endpoint, "x"}
	args := []reflect.Value{reflect.ValueOf(t.Context())}
	for i := 1; i < function.Type().NumIn(); i++ {
		arg := reflect.New(function.Type().In(i)).Elem()
		if arg.Kind() == reflect.String {
			arg.SetString(names[0])
			names = names[1:]
		} else { // there is one that cannot be sent without these
			_ = json.Unmarshal([]byte(`{"batchSize":null,"maxWaitSecs":null,"status":null,"uid":null}`), arg.Addr().Interface())
		}
		args = append(args, arg)
	}
	results := function.Call(args)
	err, _ := reflect.TypeAssert[error](results[len(results)-1])
	refused(t, err, http.StatusNotFound, "not_found")
	if err == nil || !strings.Contains(explain(err), "no such path") {
		t.Errorf("got %v, want to be told that there is nothing", err)
	}
}

// wantAllCalled compares the requests that were made with the contract.
func (w walk) wantAllCalled(t *testing.T, operations []operation) {
	t.Helper()
	for _, op := range operations {
		called := false
		for request := range w.requests {
			method, path, _ := strings.Cut(request, " ")
			called = called || op.serves(method, path)
		}
		if called == (notInSDK[op.id] != "") {
			t.Errorf("%s is called by the SDK: %t; notInSDK says it is %q", op.id, called, notInSDK[op.id])
		}
	}
}
