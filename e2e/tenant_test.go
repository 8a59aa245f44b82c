package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// requestBodies are what each operation that takes a body is sent: something it would do.
func requestBodies() map[string]string {
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	until := time.Now().UTC().Format(time.RFC3339)
	period, aMessage := `{"since":"`+since+`"}`, `{"eventType":"`+sharedType+`","payload":{"by":"intruder"}}`
	const anEndpoint, aType = `{"url":"https://intruder.example/"}`, `{"description":"by an intruder"}`
	return map[string]string{
		"ApplicationCreate": `{"name":"by an intruder"}`, "ApplicationUpdate": `{"name":"by an intruder"}`, "ApplicationPatch": `{"name":"by an intruder"}`,
		"EndpointCreate": anEndpoint, "EndpointUpdate": anEndpoint, "EndpointPatch": anEndpoint,
		"EndpointHeadersUpdate": `{"headers":{"X-By":"intruder"}}`, "EndpointHeadersPatch": `{"headers":{"X-By":"intruder"}}`,
		"EndpointSecretRotate": `{}`, "EndpointRecover": period, "EndpointReplayMissing": period, "EndpointBulkReplay": period,
		"EventTypeCreate": `{"name":"made.by.intruder","description":"by an intruder"}`, "EventTypeUpdate": aType, "EventTypePatch": aType,
		"EventTypeImport": `{"spec":{"openapi":"3.1.0","webhooks":{"by.intruder":{"post":{"description":"imported"}}}}}`,
		"MessageCreate":   aMessage, "MessageCreateMany": `{"messages":[` + aMessage + `]}`, "MessageSendExample": `{"eventType":"` + sharedType + `"}`,
		"MessagePrecheck": `{"eventType":"` + sharedType + `"}`, "MessageExpungeMany": `{"ids":["` + sharedEvent + `"]}`,
		"OperationalWebhookEndpointCreate": anEndpoint, "OperationalWebhookEndpointUpdate": anEndpoint,
		"OperationalWebhookEndpointHeadersUpdate": `{"headers":{"X-By":"intruder"}}`, "OperationalWebhookEndpointSecretRotate": `{}`,
		"AuthAppPortalAccess": `{}`, "AuthExpireAll": `{}`, "StatsUsageApp": `{"since":"` + since + `","until":"` + until + `"}`,
	}
}

// A matrix is each operation of the contract against each bearer and each name that anybody's things
// have.
type matrix struct {
	*tenants
	operations []operation
	bodies     map[string]string
	before     map[string]string // see snapshot
}

// TestTenantsNeitherReadNorChangeEachOther asks the service itself which operations it has, so that it
// cannot forget one.
func TestTenantsNeitherReadNorChangeEachOther(t *testing.T) {
	t.Parallel()
	s := shared(t)
	m := &matrix{tenants: newTenants(t, s), operations: s.contract(t), bodies: requestBodies()}
	for _, op := range m.operations {
		if _, ok := m.bodies[op.id]; ok != op.takesBody {
			t.Errorf("%s takes a body: %t; requestBodies has one: %t", op.id, op.takesBody, ok)
		}
	}
	m.before = m.snapshot(t, "A", "B")
	m.wantMarks(t)
	m.each(func(op operation, b bearer) {
		if op.method == http.MethodGet {
			m.read(t, op, b)
		}
	})
	m.each(func(op operation, b bearer) {
		if op.method != http.MethodGet {
			m.write(t, op, b)
		}
	})
	m.unchanged(t, "A", "B")
	m.permitted(t)
	m.unchanged(t, "A")
	m.receivedNothingForeign(t)
}

// each does something with every operation that needs a token, for all bearers at once.
func (m *matrix) each(do func(operation, bearer)) {
	var group sync.WaitGroup
	for _, b := range m.bearers {
		group.Go(func() {
			for _, op := range m.operations {
				if op.org || op.app {
					do(op, b)
				}
			}
		})
	}
	group.Wait()
}

// admits tells whether an operation is for such tokens at all.
func (op operation) admits(b bearer) bool {
	return b.org != "" && (op.org && b.app == "" || op.app && b.app != "")
}

// snapshot is what every GET tells some organisations of their own things, by organisation and path.
func (m *matrix) snapshot(t testing.TB, names ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range names {
		for _, op := range m.operations {
			b := m.named(name)
			if op.method != http.MethodGet || !op.org {
				continue
			}
			for _, path := range m.own(b, op) {
				found[b.org+" "+path] = string(b.call(t, http.StatusOK, op.method, path, "").body)
			}
		}
	}
	return found
}

// wantMarks checks that who may see a mark does see it: else nobody could see too much.
func (m *matrix) wantMarks(t testing.TB) {
	t.Helper()
	all := strings.Join(slices.Collect(maps.Values(m.before)), "\n")
	for _, th := range m.things {
		for _, mark := range th.marks {
			if !strings.Contains(all, mark) {
				t.Errorf("no answer holds %q of a %s", mark, th.kind)
			}
		}
	}
}

// own are an operation's paths to all that a bearer reaches, by ids.
func (m *matrix) own(b bearer, op operation) []string {
	var paths []string
	for _, refs := range m.names(op) {
		if things := m.resolve(b, op, refs); len(things) == len(refs) {
			paths = append(paths, op.at(idsOf(things)))
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// unchanged compares what organisations see with what they saw at first. The tokens of their
// applications are still good, too.
func (m *matrix) unchanged(t testing.TB, names ...string) {
	t.Helper()
	for at, is := range m.snapshot(t, names...) {
		if was := m.before[at]; is != was {
			t.Errorf("%s was\n%s\nand is now\n%s", at, was, is)
		}
	}
	for _, name := range names {
		for _, b := range m.bearers {
			if b.app != "" && b.org == m.named(name).org {
				wantGood(t, b.app, true, b.client)
			}
		}
	}
}

func (ts *tenants) named(name string) bearer {
	return ts.bearers[slices.IndexFunc(ts.bearers, func(b bearer) bool { return b.name == name })]
}

// read makes all requests to read something. What a bearer may not read is refused, and what it may
// read is what the organisation sees there, by whatever name.
func (m *matrix) read(t testing.TB, op operation, b bearer) {
	t.Helper()
	for _, refs := range m.names(op) {
		things := m.resolve(b, op, refs)
		if !op.admits(b) || len(things) < len(refs) {
			m.wantRefusal(t, op, b, refs)
			continue
		}
		r := m.send(t, b, op.method, op.at(refs), "")
		if want := m.before[b.org+" "+op.at(idsOf(things))]; r.status != http.StatusOK || string(r.body) != want && op.id != "BackgroundTaskList" {
			t.Errorf("%s: %s %s: status %d\n%s\nwant\n%s", b.name, op.method, op.at(refs), r.status, r.body, want)
		}
		if op.pages {
			m.page(t, op, b, op.at(refs))
		}
	}
}

// page goes on reading a list from where anybody's pages of such a list began and ended.
func (m *matrix) page(t testing.TB, op operation, b bearer, path string) {
	t.Helper()
	for at, body := range m.before {
		_, of, _ := strings.Cut(at, " ")
		var list struct{ Iterator, PrevIterator string }
		if !op.serves(op.method, of) || json.Unmarshal([]byte(body), &list) != nil {
			continue
		}
		for _, iterator := range []string{list.Iterator, list.PrevIterator, strings.TrimPrefix(list.PrevIterator, "-"), "-" + list.Iterator} {
			r := m.send(t, b, op.method, path+"?limit=250&iterator="+iterator, "")
			if r.status != http.StatusOK {
				t.Errorf("%s: %s after %s: status %d: %s", b.name, path, iterator, r.status, r.body)
			}
		}
	}
}

// write makes all requests to change something that a bearer may not change. A PUT to a name that it
// knows nothing by makes something of its own, which is taken away again.
func (m *matrix) write(t testing.TB, op operation, b bearer) {
	t.Helper()
	for _, refs := range m.names(op) {
		reached := len(m.resolve(b, op, refs))
		makes := op.method == http.MethodPut && strings.HasSuffix(op.path, "}") && reached == len(refs)-1
		switch {
		case !op.admits(b) || reached < len(refs) && !makes:
			m.wantRefusal(t, op, b, refs)
		case makes:
			r := m.send(t, b, op.method, op.at(refs), m.bodies[op.id])
			var made struct{ ID, Name string }
			if r.decode(t, &made); r.status != http.StatusCreated || slices.Contains(refs, made.ID) {
				t.Errorf("%s: %s %s: status %d: %s", b.name, op.method, op.at(refs), r.status, r.body)
			}
			mine := op.at(append(slices.Clone(refs[:reached]), cmp.Or(made.ID, made.Name)))
			b.call(t, http.StatusNoContent, http.MethodDelete, mine+"?expunge=true", "")
		}
	}
}

func (m *matrix) wantRefusal(t testing.TB, op operation, b bearer, refs []string) {
	t.Helper()
	r := m.send(t, b, op.method, op.at(refs), m.bodies[op.id])
	want := []int{http.StatusForbidden, http.StatusNotFound}
	switch {
	case b.org == "":
		want = []int{http.StatusUnauthorized}
	case op.id == "AuthLogout":
		want = []int{http.StatusBadRequest} // a token of an organisation cannot be ended, not even by itself
	}
	if !slices.Contains(want, r.status) {
		t.Errorf("%s: %s %s: status %d, want one of %d: %s", b.name, op.method, op.at(refs), r.status, want, r.body)
	}
}

// send makes a request whose answer must hold nothing that the bearer may not see.
func (ts *tenants) send(t testing.TB, b bearer, method, path, body string, headers ...string) response {
	t.Helper()
	r := must(b.sendWith(t.Context(), method, path, body, headers...))(t)
	ts.wantNothingForeign(t, b, method+" "+path+" "+body, r)
	return r
}

// wantNothingForeign looks for marks of others, except where the request named them.
func (ts *tenants) wantNothingForeign(t testing.TB, b bearer, request string, r response) {
	t.Helper()
	text := fmt.Sprint(r.header) + string(r.body)
	for _, th := range ts.things {
		for _, foreign := range th.marks {
			if !b.reaches(th) && strings.Contains(text, foreign) && !strings.Contains(request, foreign) {
				t.Errorf("%s: %s: the answer holds %q of another's %s: %s", b.name, request, foreign, th.kind, text)
			}
		}
	}
}

// receivedNothingForeign: nothing was sent to an application's endpoint that is not its own.
func (ts *tenants) receivedNothingForeign(t testing.TB) {
	t.Helper()
	for name, r := range ts.receivers {
		b := ts.named(name)
		for _, a := range r.all() {
			ts.wantNothingForeign(t, b, "a webhook", response{header: a.header, body: a.body})
		}
	}
}

// permitted makes the requests that were refused once more, for B's own things: they are all good, so
// that it was for the bearer alone that they were refused. With the key that a POST succeeded with,
// strangers are refused as before.
func (m *matrix) permitted(t testing.TB) {
	t.Helper()
	for _, op := range inOrder(m.operations) {
		b := m.named("B")
		if op.app && !op.org {
			b = m.named("b1")
		}
		key, path, body := "Idempotency-Key: "+op.id, m.own(b, op)[0], m.bodies[op.id]
		if r := m.send(t, b, op.method, path, body, key); r.status < 200 || r.status > 299 {
			t.Errorf("%s %s: status %d: %s", op.method, path, r.status, r.body)
		}
		if op.method != http.MethodPost || len(op.params) == 0 {
			continue
		}
		for _, name := range []string{"A", "a1", "nobody"} {
			if r := m.send(t, m.named(name), op.method, path, body, key); r.status < 401 || r.status > 404 {
				t.Errorf("%s: %s with another's key: status %d: %s", name, path, r.status, r.body)
			}
		}
	}
}

// inOrder puts operations last that leave nothing for others to work on.
func inOrder(operations []operation) []operation {
	return slices.SortedFunc(slices.Values(operations), func(a, b operation) int {
		return cmp.Or(cmp.Compare(a.ends(), b.ends()), -cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.id, b.id))
	})
}

// ends ranks operations by how much they end.
func (op operation) ends() int {
	switch {
	case op.method == http.MethodDelete, op.id == "AuthExpireAll":
		return 2
	case strings.Contains(op.id, "Expunge"), op.id == "AuthLogout":
		return 1
	}
	return 0
}

// sendWith is send with more headers.
func (c client) sendWith(ctx context.Context, method, path, body string, headers ...string) (response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	return readResponse(httpClient.Do(request))
}
