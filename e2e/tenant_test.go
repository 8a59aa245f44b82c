package e2e

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/e2e/rig"
)

// requestBodies returns a valid body for each operation that takes one.
func requestBodies() map[string]string {
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	until := time.Now().UTC().Format(time.RFC3339)
	period, aMessage := `{"since":"`+since+`"}`, `{"eventType":"`+rig.SharedType+`","payload":{"by":"intruder"}}`
	const anEndpoint, aType = `{"url":"https://intruder.example/"}`, `{"description":"by an intruder"}`
	return map[string]string{
		"ApplicationCreate": `{"name":"by an intruder"}`, "ApplicationUpdate": `{"name":"by an intruder"}`, "ApplicationPatch": `{"name":"by an intruder"}`,
		"EndpointCreate": anEndpoint, "EndpointUpdate": anEndpoint, "EndpointPatch": anEndpoint,
		"EndpointHeadersUpdate": `{"headers":{"X-By":"intruder"}}`, "EndpointHeadersPatch": `{"headers":{"X-By":"intruder"}}`,
		"EndpointSecretRotate": `{}`, "EndpointRecover": period, "EndpointReplayMissing": period, "EndpointBulkReplay": period,
		"EventTypeCreate": `{"name":"made.by.intruder","description":"by an intruder"}`, "EventTypeUpdate": aType, "EventTypePatch": aType,
		"EventTypeImport": `{"spec":{"openapi":"3.1.0","webhooks":{"by.intruder":{"post":{"description":"imported"}}}}}`,
		"MessageCreate":   aMessage, "MessageCreateMany": `{"messages":[` + aMessage + `]}`, "MessageSendExample": `{"eventType":"` + rig.SharedType + `"}`,
		"MessagePrecheck": `{"eventType":"` + rig.SharedType + `"}`, "MessageExpungeMany": `{"ids":["` + rig.SharedEvent + `"]}`,
		"OperationalWebhookEndpointCreate": anEndpoint, "OperationalWebhookEndpointUpdate": anEndpoint,
		"OperationalWebhookEndpointHeadersUpdate": `{"headers":{"X-By":"intruder"}}`, "OperationalWebhookEndpointSecretRotate": `{}`,
		"AuthAppPortalAccess": `{}`, "AuthExpireAll": `{}`, "StatsUsageApp": `{"since":"` + since + `","until":"` + until + `"}`,
	}
}

// A matrix combines each operation of the contract with each bearer and each name that any tenant's things have.
type matrix struct {
	*rig.Tenants
	operations []rig.Operation
	bodies     map[string]string
	before     map[string]string // see snapshot
}

// TestTenantsNeitherReadNorChangeEachOther gets the list of operations from the service itself, so that it cannot
// miss one.
func TestTenantsNeitherReadNorChangeEachOther(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	m := &matrix{Tenants: rig.NewTenants(t, s), operations: s.Operations(t), bodies: requestBodies()}
	for _, op := range m.operations {
		if _, ok := m.bodies[op.ID]; ok != op.TakesBody {
			t.Errorf("%s takes a body: %t; requestBodies has one: %t", op.ID, op.TakesBody, ok)
		}
	}
	m.before = m.snapshot(t, "A", "B")
	m.wantMarks(t)
	m.each(func(op rig.Operation, b rig.Bearer) {
		if op.Method == http.MethodGet {
			m.read(t, op, b)
		}
	})
	m.each(func(op rig.Operation, b rig.Bearer) {
		if op.Method != http.MethodGet {
			m.write(t, op, b)
		}
	})
	m.unchanged(t, "A", "B")
	m.permitted(t)
	m.unchanged(t, "A")
	m.WantReceivedNothingForeign(t)
}

// each calls do for every operation that needs a token, for all bearers concurrently.
func (m *matrix) each(do func(rig.Operation, rig.Bearer)) {
	var group sync.WaitGroup
	for _, b := range m.Bearers {
		group.Go(func() {
			for _, op := range m.operations {
				if op.Org || op.App {
					do(op, b)
				}
			}
		})
	}
	group.Wait()
}

// snapshot returns the answers to all GET requests of the named organisations for their own things, by organisation
// and path.
func (m *matrix) snapshot(t testing.TB, names ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range names {
		for _, op := range m.operations {
			b := m.Named(name)
			if op.Method != http.MethodGet || !op.Org {
				continue
			}
			for _, path := range m.own(b, op) {
				found[b.Org+" "+path] = string(b.Call(t, http.StatusOK, op.Method, path, "").Body)
			}
		}
	}
	return found
}

// wantMarks checks that the bearers entitled to see a mark do see it. Otherwise the test could not detect a leak.
func (m *matrix) wantMarks(t testing.TB) {
	t.Helper()
	all := strings.Join(slices.Collect(maps.Values(m.before)), "\n")
	for _, th := range m.Things {
		for _, mark := range th.Marks {
			if !strings.Contains(all, mark) {
				t.Errorf("no answer holds %q of a %s", mark, th.Kind)
			}
		}
	}
}

// own returns an operation's paths, by ids, to everything that a bearer can reach.
func (m *matrix) own(b rig.Bearer, op rig.Operation) []string {
	var paths []string
	for _, refs := range m.Names(op) {
		if things := m.Resolve(b, op, refs); len(things) == len(refs) {
			paths = append(paths, op.At(rig.IDsOf(things)))
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// unchanged compares what organisations see with the first snapshot, and checks that their applications' tokens are
// still valid.
func (m *matrix) unchanged(t testing.TB, names ...string) {
	t.Helper()
	for at, is := range m.snapshot(t, names...) {
		if was := m.before[at]; is != was {
			t.Errorf("%s was\n%s\nand is now\n%s", at, was, is)
		}
	}
	for _, name := range names {
		for _, b := range m.Bearers {
			if b.App != "" && b.Org == m.Named(name).Org {
				wantGood(t, b.App, true, b.Client)
			}
		}
	}
}

// read makes all requests of a read operation. What a bearer may not read must be refused. What it may read must
// equal what the organisation sees there, whatever name is used.
func (m *matrix) read(t testing.TB, op rig.Operation, b rig.Bearer) {
	t.Helper()
	for _, refs := range m.Names(op) {
		things := m.Resolve(b, op, refs)
		if !op.Admits(b) || len(things) < len(refs) {
			m.wantRefusal(t, op, b, refs)
			continue
		}
		r := m.Send(t, b, op.Method, op.At(refs), "")
		if want := m.before[b.Org+" "+op.At(rig.IDsOf(things))]; r.Status != http.StatusOK || string(r.Body) != want && op.ID != "BackgroundTaskList" {
			t.Errorf("%s: %s %s: status %d\n%s\nwant\n%s", b.Name, op.Method, op.At(refs), r.Status, r.Body, want)
		}
		if op.Pages {
			m.page(t, op, b, op.At(refs))
		}
	}
}

// page continues a list from the first and last positions of any tenant's pages of such a list.
func (m *matrix) page(t testing.TB, op rig.Operation, b rig.Bearer, path string) {
	t.Helper()
	for at, body := range m.before {
		_, of, _ := strings.Cut(at, " ")
		var list struct{ Iterator, PrevIterator string }
		if !op.Serves(op.Method, of) || json.Unmarshal([]byte(body), &list) != nil {
			continue
		}
		for _, iterator := range []string{list.Iterator, list.PrevIterator, strings.TrimPrefix(list.PrevIterator, "-"), "-" + list.Iterator} {
			r := m.Send(t, b, op.Method, path+"?limit=250&iterator="+iterator, "")
			if r.Status != http.StatusOK {
				t.Errorf("%s: %s after %s: status %d: %s", b.Name, path, iterator, r.Status, r.Body)
			}
		}
	}
}

// write makes all requests for a change that the bearer is not allowed to make. A PUT to a name that the bearer does
// not have creates something of its own, which is then deleted.
func (m *matrix) write(t testing.TB, op rig.Operation, b rig.Bearer) {
	t.Helper()
	for _, refs := range m.Names(op) {
		reached := len(m.Resolve(b, op, refs))
		makes := op.Method == http.MethodPut && strings.HasSuffix(op.Path, "}") && reached == len(refs)-1
		switch {
		case !op.Admits(b) || reached < len(refs) && !makes:
			m.wantRefusal(t, op, b, refs)
		case makes:
			r := m.Send(t, b, op.Method, op.At(refs), m.bodies[op.ID])
			var made struct{ ID, Name string }
			if r.Decode(t, &made); r.Status != http.StatusCreated || slices.Contains(refs, made.ID) {
				t.Errorf("%s: %s %s: status %d: %s", b.Name, op.Method, op.At(refs), r.Status, r.Body)
			}
			mine := op.At(append(slices.Clone(refs[:reached]), cmp.Or(made.ID, made.Name)))
			b.Call(t, http.StatusNoContent, http.MethodDelete, mine+"?expunge=true", "")
		}
	}
}

func (m *matrix) wantRefusal(t testing.TB, op rig.Operation, b rig.Bearer, refs []string) {
	t.Helper()
	r := m.Send(t, b, op.Method, op.At(refs), m.bodies[op.ID])
	want := []int{http.StatusForbidden, http.StatusNotFound}
	switch {
	case b.Org == "":
		want = []int{http.StatusUnauthorized}
	case op.ID == "AuthLogout":
		want = []int{http.StatusBadRequest} // a logout cannot end an organisation's token, not even its own
	}
	if !slices.Contains(want, r.Status) {
		t.Errorf("%s: %s %s: status %d, want one of %d: %s", b.Name, op.Method, op.At(refs), r.Status, want, r.Body)
	}
}

// permitted repeats the refused requests for B's own things. All of them succeed, which shows that only the bearer
// was the reason for the refusals. With the key of a successful POST, strangers are still refused.
func (m *matrix) permitted(t testing.TB) {
	t.Helper()
	for _, op := range inOrder(m.operations) {
		b := m.Named("B")
		if op.App && !op.Org {
			b = m.Named("b1")
		}
		key, path, body := "Idempotency-Key: "+op.ID, m.own(b, op)[0], m.bodies[op.ID]
		if r := m.Send(t, b, op.Method, path, body, key); r.Status < 200 || r.Status > 299 {
			t.Errorf("%s %s: status %d: %s", op.Method, path, r.Status, r.Body)
		}
		if op.Method != http.MethodPost || len(op.Params) == 0 {
			continue
		}
		for _, name := range []string{"A", "a1", "nobody"} {
			if r := m.Send(t, m.Named(name), op.Method, path, body, key); r.Status < 401 || r.Status > 404 {
				t.Errorf("%s: %s with another's key: status %d: %s", name, path, r.Status, r.Body)
			}
		}
	}
}

// inOrder puts operations that leave nothing for others to work on last.
func inOrder(operations []rig.Operation) []rig.Operation {
	return slices.SortedFunc(slices.Values(operations), func(a, b rig.Operation) int {
		return cmp.Or(cmp.Compare(a.Ends(), b.Ends()), -cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(a.ID, b.ID))
	})
}
