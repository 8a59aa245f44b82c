package rig

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// Thing is anything that a path can name: an application, an endpoint, a message...
type Thing struct {
	Kind     string   // as named in the contract's paths
	refs     []string // its id and other names; where possible, all tenants use the same names
	org, app string   // its owner; without an app, the organisation
	Marks    []string // texts found in it and nowhere else
}

// Bearer is a client with a token for an organisation or an application, or without a token.
type Bearer struct {
	Name string
	Client
	Org, App string
}

// reaches reports whether a bearer may see a thing. An organisation's customers may see its event types.
func (b Bearer) reaches(th Thing) bool {
	return b.Org == th.org && (b.App == "" || b.App == th.app || th.Kind == "event_type_name")
}

// Tenants are two organisations: A with the applications a1 and a2, and B with b1. Their things have the same names
// wherever possible, and every field that can hold arbitrary text holds a mark.
type Tenants struct {
	Bearers   []Bearer // A, B, a1, a2, b1, and one without a token
	Things    []Thing
	receivers map[string]*Receiver // of the applications, by name
}

const SharedType, SharedApp, SharedEndpoint, SharedEvent, SharedWatcher = "order.made", "first", "hook", "event-1", "ops"

// NewTenants creates both organisations and everything in them.
func NewTenants(t testing.TB, s Service) *Tenants {
	t.Helper()
	ts := &Tenants{receivers: map[string]*Receiver{}}
	orgA, orgB := ts.addOrganisation(t, s, "A"), ts.addOrganisation(t, s, "B")
	ts.addApplication(t, s, orgA, "a1", SharedApp)
	ts.addApplication(t, s, orgA, "a2", "second")
	ts.addApplication(t, s, orgB, "b1", SharedApp)
	for _, owner := range []Bearer{orgA, orgB} {
		ts.addTask(owner.Org, "", Must(owner.Statistics.AggregateEventTypes(t.Context()))(t).Id)
	}
	for _, th := range ts.Things {
		if th.Kind == "task_id" { // all of them start within a second
			ts.Bearers[slices.IndexFunc(ts.Bearers, func(b Bearer) bool { return b.reaches(th) })].AwaitTask(t, th.refs[0])
		}
	}
	ts.Bearers = append(ts.Bearers, Bearer{Name: "nobody", Client: NewClient(t, s.URL, "")})
	return ts
}

// mark returns a text that occurs nowhere else.
func mark(name string) string { return "mark-" + name + "-" + Random() }

func (ts *Tenants) addOrganisation(t testing.TB, s Service, name string) Bearer {
	t.Helper()
	id, ctx := "org_"+Random(), t.Context()
	b := Bearer{Name: name, Client: NewClient(t, s.URL, s.NewToken(t, id)), Org: id}
	ts.Bearers = append(ts.Bearers, b)

	own := mark(name)
	schemas := map[string]any{"1": map[string]any{"type": "object", "title": own, "examples": []any{map[string]any{"mark": own}}}}
	for _, ref := range []string{SharedType, "only-in." + Random()} {
		in := svix.EventTypeIn{Name: ref, Description: own, GroupName: &own, Schemas: &schemas}
		Must(b.EventType.Create(ctx, in, nil))(t)
		ts.Things = append(ts.Things, Thing{Kind: "event_type_name", refs: []string{ref}, org: id, Marks: []string{own}})
	}

	ops, secret, uid := mark(name), NewSecret(), SharedWatcher
	made := Must(b.OperationalWebhookEndpoint.Create(ctx, svix.OperationalWebhookEndpointIn{
		Url: "https://example.com/" + ops, Uid: &uid, Description: &ops, Metadata: &map[string]string{"mark": ops}, Secret: &secret,
		FilterTypes: []string{"message.attempt.exhausted"},
	}, nil))(t)
	headers := svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-Mark": ops}}
	NoError(t, b.OperationalWebhookEndpoint.UpdateHeaders(ctx, made.Id, headers))
	ts.Things = append(ts.Things, Thing{Kind: WatcherKind, refs: []string{made.Id, uid}, org: id, Marks: []string{made.Id, ops, secret}})
	return b
}

func (ts *Tenants) addApplication(t testing.TB, s Service, owner Bearer, name, uid string) {
	t.Helper()
	ctx, own, secret := t.Context(), mark(name), NewSecret()
	app := Must(owner.Application.Create(ctx, svix.ApplicationIn{Name: own, Uid: &uid, Metadata: &map[string]string{"mark": own}}, nil))(t).Id
	b := Bearer{Name: name, Client: NewClient(t, s.URL, s.NewToken(t, owner.Org, "--application", app)), Org: owner.Org, App: app}
	ts.Bearers = append(ts.Bearers, b)
	add := func(kind string, refs []string, marks ...string) {
		ts.Things = append(ts.Things, Thing{Kind: kind, refs: refs, org: owner.Org, app: app, Marks: append(marks, refs[0], own)})
	}
	add("app_id", []string{app, uid})

	r := NewReceiver(t, AnswerText(http.StatusOK, own))
	r.URL, r.Secret, ts.receivers[name] = r.URL+own, secret, r
	endpoint := r.NewEndpointLike(t, b.Client, app, svix.EndpointIn{
		Uid: new(SharedEndpoint), Description: &own, Metadata: &map[string]string{"mark": own}, Headers: &map[string]string{"X-Mark": own},
		FilterTypes: []string{SharedType}, Channels: []string{own},
	})
	add("endpoint_id", []string{endpoint, SharedEndpoint}, secret)
	message := Must(owner.Message.Create(ctx, app, svix.MessageIn{
		EventType: SharedType, EventId: new(SharedEvent), Channels: []string{own}, Tags: []string{own}, Payload: map[string]any{"mark": own},
	}, nil))(t).Id
	add("msg_id", []string{message, SharedEvent})
	add("attempt_id", []string{b.AwaitAttempts(t, app, message, 1)[0].Id})
	ts.addTask(owner.Org, app, Must(b.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: time.Now().Add(-time.Hour)}, nil))(t).Id)
}

func (ts *Tenants) addTask(org, app, id string) {
	ts.Things = append(ts.Things, Thing{Kind: "task_id", refs: []string{id}, org: org, app: app, Marks: []string{id}})
}

// Resolve finds the things that refs in a path of op refer to for b. It stops at the first one that b cannot reach.
func (ts *Tenants) Resolve(b Bearer, op Operation, refs []string) []Thing {
	var found []Thing
	for i, kind := range op.Params {
		n := slices.IndexFunc(ts.Things, func(th Thing) bool {
			return th.Kind == kind && slices.Contains(th.refs, refs[i]) && b.reaches(th) && (i == 0 || th.app == found[0].app)
		})
		if n < 0 {
			break
		}
		found = append(found, ts.Things[n])
	}
	return found
}

// Names returns all combinations of the tenants' names that fit a path of op.
func (ts *Tenants) Names(op Operation) [][]string {
	all := [][]string{nil}
	for _, kind := range op.Params {
		var refs []string
		for _, th := range ts.Things {
			if th.Kind == kind {
				refs = append(refs, th.refs...)
			}
		}
		slices.Sort(refs)
		refs = slices.Compact(refs)
		var longer [][]string
		for _, begun := range all {
			for _, ref := range refs {
				longer = append(longer, append(slices.Clip(begun), ref))
			}
		}
		all = longer
	}
	return all
}

// IDsOf returns the ids of things.
func IDsOf(things []Thing) []string {
	var refs []string
	for _, th := range things {
		refs = append(refs, th.refs[0])
	}
	return refs
}

// Named returns the bearer with the given name.
func (ts *Tenants) Named(name string) Bearer {
	return ts.Bearers[slices.IndexFunc(ts.Bearers, func(b Bearer) bool { return b.Name == name })]
}

// Send makes a request, and fails if the answer contains anything that the bearer may not see.
func (ts *Tenants) Send(t testing.TB, b Bearer, method, path, body string, headers ...string) Response {
	t.Helper()
	r := Must(b.sendWith(t.Context(), method, path, body, headers...))(t)
	ts.wantNothingForeign(t, b, method+" "+path+" "+body, r)
	return r
}

// wantNothingForeign fails if the answer contains marks of others, except those in the request.
func (ts *Tenants) wantNothingForeign(t testing.TB, b Bearer, request string, r Response) {
	t.Helper()
	text := fmt.Sprint(r.Header) + string(r.Body)
	for _, th := range ts.Things {
		for _, foreign := range th.Marks {
			if !b.reaches(th) && strings.Contains(text, foreign) && !strings.Contains(request, foreign) {
				t.Errorf("%s: %s: the answer holds %q of another's %s: %s", b.Name, request, foreign, th.Kind, text)
			}
		}
	}
}

// WantReceivedNothingForeign fails if an application's endpoint received anything that belongs to another tenant.
func (ts *Tenants) WantReceivedNothingForeign(t testing.TB) {
	t.Helper()
	for name, r := range ts.receivers {
		b := ts.Named(name)
		for _, a := range r.All() {
			ts.wantNothingForeign(t, b, "a webhook", Response{Header: a.Header, Body: a.Body})
		}
	}
}

// ThingID returns the id of a thing that belongs to the named application or organisation.
func (ts *Tenants) ThingID(name, kind string) string {
	b := ts.Named(name)
	n := slices.IndexFunc(ts.Things, func(th Thing) bool {
		return th.Kind == kind && th.org == b.Org && th.app == b.App && th.refs[0] != SharedType
	})
	return ts.Things[n].refs[0]
}
