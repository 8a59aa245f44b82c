package e2e

import (
	"net/http"
	"slices"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// A thing is what a path can name: an application, an endpoint, a message...
type thing struct {
	kind     string   // as the contract's paths call it
	refs     []string // its id, and how else it is called: the same in all tenants, wherever that can be
	org, app string   // whose it is; without an app, the organisation's
	marks    []string // what is in it and in nothing else
}

// A bearer is a client with a token of an organisation, of an application, or with none.
type bearer struct {
	name string
	client
	org, app string
}

// reaches tells whether a bearer may see a thing. An organisation's event types are for its customers.
func (b bearer) reaches(th thing) bool {
	return b.org == th.org && (b.app == "" || b.app == th.app || th.kind == "event_type_name")
}

// tenants are two organisations: A with the applications a1 and a2, and B with b1. All that can be
// called alike in them is called alike, and whatever can hold a text of theirs holds a mark.
type tenants struct {
	bearers   []bearer // A, B, a1, a2, b1, and one without a token
	things    []thing
	receivers map[string]*receiver // of the applications, by name
}

const sharedType, sharedApp, sharedEndpoint, sharedEvent, sharedWatcher = "order.made", "first", "hook", "event-1", "ops"

func newTenants(t testing.TB, s service) *tenants {
	t.Helper()
	ts := &tenants{receivers: map[string]*receiver{}}
	orgA, orgB := ts.addOrganisation(t, s, "A"), ts.addOrganisation(t, s, "B")
	ts.addApplication(t, s, orgA, "a1", sharedApp)
	ts.addApplication(t, s, orgA, "a2", "second")
	ts.addApplication(t, s, orgB, "b1", sharedApp)
	for _, owner := range []bearer{orgA, orgB} {
		ts.addTask(owner.org, "", must(owner.Statistics.AggregateEventTypes(t.Context()))(t).Id)
	}
	for _, th := range ts.things {
		if th.kind == "task_id" { // they start within a second, all of them
			ts.bearers[slices.IndexFunc(ts.bearers, func(b bearer) bool { return b.reaches(th) })].finished(t, th.refs[0])
		}
	}
	ts.bearers = append(ts.bearers, bearer{name: "nobody", client: newClient(t, s.url, "")})
	return ts
}

// mark is a text that nobody else has.
func mark(name string) string { return "mark-" + name + "-" + random() }

func (ts *tenants) addOrganisation(t testing.TB, s service, name string) bearer {
	t.Helper()
	id, ctx := "org_"+random(), t.Context()
	b := bearer{name: name, client: newClient(t, s.url, s.token(t, id)), org: id}
	ts.bearers = append(ts.bearers, b)

	own := mark(name)
	schemas := map[string]any{"1": map[string]any{"type": "object", "title": own, "examples": []any{map[string]any{"mark": own}}}}
	for _, ref := range []string{sharedType, "only-in." + random()} {
		in := svix.EventTypeIn{Name: ref, Description: own, GroupName: &own, Schemas: &schemas}
		must(b.EventType.Create(ctx, in, nil))(t)
		ts.things = append(ts.things, thing{kind: "event_type_name", refs: []string{ref}, org: id, marks: []string{own}})
	}

	ops, secret, uid := mark(name), newSecret(), sharedWatcher
	made := must(b.OperationalWebhookEndpoint.Create(ctx, svix.OperationalWebhookEndpointIn{
		Url: "https://example.com/" + ops, Uid: &uid, Description: &ops, Metadata: &map[string]string{"mark": ops}, Secret: &secret,
		FilterTypes: []string{"message.attempt.exhausted"},
	}, nil))(t)
	headers := svix.OperationalWebhookEndpointHeadersIn{Headers: map[string]string{"X-Mark": ops}}
	done(t, b.OperationalWebhookEndpoint.UpdateHeaders(ctx, made.Id, headers))
	ts.things = append(ts.things, thing{kind: watcher, refs: []string{made.Id, uid}, org: id, marks: []string{made.Id, ops, secret}})
	return b
}

func (ts *tenants) addApplication(t testing.TB, s service, owner bearer, name, uid string) {
	t.Helper()
	ctx, own, secret := t.Context(), mark(name), newSecret()
	app := must(owner.Application.Create(ctx, svix.ApplicationIn{Name: own, Uid: &uid, Metadata: &map[string]string{"mark": own}}, nil))(t).Id
	b := bearer{name: name, client: newClient(t, s.url, s.token(t, owner.org, "--application", app)), org: owner.org, app: app}
	ts.bearers = append(ts.bearers, b)
	add := func(kind string, refs []string, marks ...string) {
		ts.things = append(ts.things, thing{kind: kind, refs: refs, org: owner.org, app: app, marks: append(marks, refs[0], own)})
	}
	add("app_id", []string{app, uid})

	r := newReceiver(t, answerText(http.StatusOK, own))
	r.url, r.secret, ts.receivers[name] = r.url+own, secret, r
	endpoint := r.endpointLike(t, b.client, app, svix.EndpointIn{
		Uid: new(sharedEndpoint), Description: &own, Metadata: &map[string]string{"mark": own}, Headers: &map[string]string{"X-Mark": own},
		FilterTypes: []string{sharedType}, Channels: []string{own},
	})
	add("endpoint_id", []string{endpoint, sharedEndpoint}, secret)
	message := must(owner.Message.Create(ctx, app, svix.MessageIn{
		EventType: sharedType, EventId: new(sharedEvent), Channels: []string{own}, Tags: []string{own}, Payload: map[string]any{"mark": own},
	}, nil))(t).Id
	add("msg_id", []string{message, sharedEvent})
	add("attempt_id", []string{b.attempts(t, app, message, 1)[0].Id})
	ts.addTask(owner.org, app, must(b.Endpoint.ReplayMissing(ctx, app, endpoint, svix.ReplayIn{Since: time.Now().Add(-time.Hour)}, nil))(t).Id)
}

func (ts *tenants) addTask(org, app, id string) {
	ts.things = append(ts.things, thing{kind: "task_id", refs: []string{id}, org: org, app: app, marks: []string{id}})
}

// resolve finds what b means by these names in a path of op: all of them, or as many from the left as
// name what b may reach.
func (ts *tenants) resolve(b bearer, op operation, refs []string) []thing {
	var found []thing
	for i, kind := range op.params {
		n := slices.IndexFunc(ts.things, func(th thing) bool {
			return th.kind == kind && slices.Contains(th.refs, refs[i]) && b.reaches(th) && (i == 0 || th.app == found[0].app)
		})
		if n < 0 {
			break
		}
		found = append(found, ts.things[n])
	}
	return found
}

// names are all ways to fill in a path of op, with whatever is there of anybody's.
func (ts *tenants) names(op operation) [][]string {
	all := [][]string{nil}
	for _, kind := range op.params {
		var refs []string
		for _, th := range ts.things {
			if th.kind == kind {
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

// idsOf are the names of things by which nothing else is called.
func idsOf(things []thing) []string {
	var refs []string
	for _, th := range things {
		refs = append(refs, th.refs[0])
	}
	return refs
}
