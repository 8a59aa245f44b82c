package store

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

const playURL, otherURL = "https://play.svix.com/in/e_abc/", "https://example.com/play.svix.com/"

func TestApplicationsAreLeftOutByTheirEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disabled := func(e *core.Endpoint) { e.Disabled = true }
	at := func(url string) func(*core.Endpoint) { return func(e *core.Endpoint) { e.URL = url } }
	for _, app := range []struct {
		name      string
		endpoints []func(*core.Endpoint)
	}{
		{"disabled", []func(*core.Endpoint){disabled, disabled}},
		{"half disabled", []func(*core.Endpoint){disabled, nil}},
		{"only play", []func(*core.Endpoint){at(playURL), at("http://play.svix.com:8080/in/")}},
		{"play and other", []func(*core.Endpoint){at(playURL), at(otherURL)}},
		{"disabled play", []func(*core.Endpoint){func(e *core.Endpoint) { e.URL, e.Disabled = playURL, true }}},
		{"deleted", []func(*core.Endpoint){nil}},
	} {
		w.app = w.addApplication(testOrg, strings.ReplaceAll(app.name, " ", "-"))
		for _, change := range app.endpoints {
			w.addEndpoint(change)
		}
	}
	w.exec("UPDATE endpoint SET deleted_at = now() WHERE app_id = $1", w.app.ID)
	all := []string{"acme", "disabled", "half-disabled", "only-play", "play-and-other", "disabled-play", "deleted"}
	for name, test := range map[string]struct {
		filter core.ApplicationFilter
		out    []string
	}{
		"none":             {core.ApplicationFilter{}, nil},
		"no endpoints":     {core.ApplicationFilter{NoEndpoints: true}, []string{"acme", "deleted"}},
		"disabled":         {core.ApplicationFilter{DisabledEndpoints: true}, []string{"disabled", "disabled-play"}},
		"play":             {core.ApplicationFilter{PlayEndpoints: true}, []string{"only-play", "disabled-play"}},
		"none or disabled": {core.ApplicationFilter{NoEndpoints: true, DisabledEndpoints: true}, []string{"acme", "deleted", "disabled", "disabled-play"}},
		"all":              {core.ApplicationFilter{NoEndpoints: true, DisabledEndpoints: true, PlayEndpoints: true}, []string{"acme", "deleted", "disabled", "disabled-play", "only-play"}},
	} {
		l, err := w.service().ApplicationList(t.Context(), orgScope, test.filter, core.Page{Before: "\x7f", Limit: 50})
		var got []string
		for _, app := range l.Data {
			got = append(got, app.Name)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(test.out, name) })
		if err != nil || !l.Done || !slices.Equal(got, want) {
			t.Errorf("%s: %v, done %t, %v; want %v", name, got, l.Done, err, want)
		}
	}
}

// counting is a store that counts the applications whose endpoints are read.
type counting struct {
	core.Store
	looked *int
}

func (c counting) ApplicationFilterMany(ctx context.Context, filter core.ApplicationFilter, ids []core.AppID) ([]core.AppID, error) {
	*c.looked += len(ids)
	return c.Store.ApplicationFilterMany(ctx, filter, ids)
}

// manyApplications returns applications, ordered by id, that have endpoints only at the given indexes.
func (w *world) manyApplications(n int, places ...int) (matching []string) {
	w.t.Helper()
	w.exec(`
		INSERT INTO application (org_id, id, uid, name, metadata, created_at, updated_at)
		SELECT $1, left($2, 21) || lpad(n::text, 10, '0'), NULL, n::text, '{}', now(), now()
		FROM generate_series(1, $3::int) AS n`, testOrg, core.NewAppID(now().Add(time.Minute)), n)
	ids := value[[]string](w, "SELECT array_agg(id ORDER BY id) FROM application WHERE uid IS NULL")
	for _, place := range places {
		matching = append(matching, ids[place])
		w.app.ID = core.AppID(ids[place])
		w.addEndpoint(nil)
	}
	return matching
}

func TestFilteredListIsPagedInBoundedSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 20_000
	want := w.manyApplications(n, 0, 7_000, 7_001, n-1)
	filter, looked := core.ApplicationFilter{NoEndpoints: true}, 0
	s := w.serviceOn(counting{w.Store, &looked}, time.Now)
	for _, descending := range []bool{false, true} {
		for _, limit := range []int{1, 2, 50} {
			display := slices.Clone(want)
			if descending {
				slices.Reverse(display)
			}
			walk := func(iterator string, back bool) (all []string) {
				for pages := 0; ; pages++ {
					looked = 0
					p, err := core.NewApplicationPage(core.PageIn{Limit: &limit, Iterator: iterator, Descending: descending})
					if err != nil {
						t.Fatal(err)
					}
					l, err := s.ApplicationList(t.Context(), orgScope, filter, p)
					if err != nil || looked > 2_600 || len(l.Data) > limit || pages > 20 {
						t.Fatalf("page %d: %d items, %d looked at, %v", pages, len(l.Data), looked, err)
					}
					var ids []string
					for _, app := range l.Data {
						ids = append(ids, string(app.ID))
					}
					next, previous := l.Next, l.Previous
					if len(ids) > 0 {
						next, previous = or(next, ids[len(ids)-1]), or(previous, ids[0])
					}
					if back {
						all, iterator = append(ids, all...), "-"+previous
					} else {
						all, iterator = append(all, ids...), next
					}
					if l.Done {
						return all
					}
				}
			}
			if got := walk("", false); !slices.Equal(got, display) {
				t.Errorf("by %d, descending %t: %v, want %v", limit, descending, got, display)
			}
			last := display[len(display)-1]
			if got := walk("-"+last, true); !slices.Equal(got, display[:len(display)-1]) {
				t.Errorf("back by %d, descending %t: %v, want %v", limit, descending, got, display[:len(display)-1])
			}
		}
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// Whatever the statistics of the tables say, the filter reads endpoints by their index, and no more of each
// application than necessary.
func TestApplicationFilterReadsLittle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.manyApplications(2_000, 1, 500, 1_999)
	for range 50 {
		w.addEndpoint(func(e *core.Endpoint) { e.Disabled = true })
	}
	// One application has nearly all endpoints, so Postgres assumes that every application has a thousand.
	w.exec(`
		INSERT INTO endpoint (app_id, id, url, description, version, disabled, secret, headers, metadata, created_at, updated_at)
		SELECT $1, 'ep_' || n, 'https://example.com/', '', 1, false, '', '{}', '{}', now(), now()
		FROM generate_series(1, 5000) AS n`, w.addApplication(testOrg, "large").ID)
	var ids []core.AppID
	for _, id := range value[[]string](w, "SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM application ORDER BY id DESC LIMIT 500) AS page") {
		ids = append(ids, core.AppID(id))
	}
	conn, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, looked := range []bool{false, true} {
		if looked {
			w.exec("ANALYZE application, endpoint")
		}
		for _, filter := range []core.ApplicationFilter{{NoEndpoints: true}, {NoEndpoints: true, DisabledEndpoints: true, PlayEndpoints: true}} {
			e := &explained{DBTX: conn}
			kept, err := reader{conn: e}.ApplicationFilterMany(t.Context(), filter, ids)
			if err != nil || len(kept) != 1 || len(e.plans) != 1 {
				t.Fatalf("%v, %v, %d plans", kept, err, len(e.plans))
			}
			planCase{name: "filter", most: 3 + 51}.judge(t, e.plans[0])
		}
	}
}
