package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// foundIn returns the tables that contain a text in any column, as text or as bytes.
func (w *world) foundIn(text string) (tables []string) {
	w.t.Helper()
	all := value[[]string](w, `SELECT array_agg(format('%I.%I', schemaname, tablename) ORDER BY tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if len(all) < 15 {
		w.t.Fatalf("there are only the tables %v", all)
	}
	for _, table := range all {
		if value[bool](w, "SELECT EXISTS (SELECT FROM "+table+" AS found WHERE strpos(found::text, $1) > 0 OR strpos(found::text, $2) > 0)",
			text, hex.EncodeToString([]byte(text))) {
			tables = append(tables, table)
		}
	}
	return tables
}

// marker is part of every header's value and every userinfo that writeCredentials writes.
const marker = "m4rk3d"

func markedURL(host string) string {
	return "https://" + marker + ":" + marker + "%20word@" + host + "/"
}

// writeCredentials writes headers and userinfo in every possible way and returns the endpoints. It calls check after
// each write, because the next write may seal what that one did not.
func (w *world) writeCredentials(check func()) (endpoints []core.Endpoint) {
	w.t.Helper()
	s, scope, ctx := w.service(), core.Scope{OrgID: testOrg}, w.t.Context()
	in := func(n int) core.EndpointIn {
		return core.EndpointIn{
			URL: markedURL(fmt.Sprintf("host%d.test", n)), Version: 1, UID: new(fmt.Sprintf("uid%d", n)),
			Headers: core.Headers{"Authorization": "Bearer " + marker},
		}
	}
	made := func(e core.Endpoint, err error) string {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		endpoints = append(endpoints, e)
		check()
		return string(e.ID)
	}
	do := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		check()
	}
	made(s.EndpointCreate(ctx, scope, "acme", in(0)))
	put, _, err := s.EndpointUpdate(ctx, scope, "acme", "uid1", in(1))
	made(put, err)
	updated := made(s.EndpointCreate(ctx, scope, "acme", core.EndpointIn{URL: "https://example.test/", Version: 1}))
	_, _, err = s.EndpointUpdate(ctx, scope, "acme", updated, in(2))
	do(err)
	do(s.EndpointHeadersUpdate(ctx, scope, "acme", updated, core.Headers{"X-Key": marker, "X-Other": marker}))
	patched := made(s.EndpointCreate(ctx, scope, "acme", in(3)))
	_, err = s.EndpointPatch(ctx, scope, "acme", patched, func(e *core.EndpointIn) { e.URL = markedURL("host4.test") })
	do(err)
	do(s.EndpointHeadersPatch(ctx, scope, "acme", patched, core.HeadersPatch{Set: core.Headers{"X-Key": marker}}))
	rotated := made(s.EndpointCreate(ctx, scope, "acme", in(5)))
	_, err = s.EndpointSecretRotate(ctx, scope, "acme", rotated, core.SecretRotateIn{})
	do(err)
	_, err = s.EndpointPatch(ctx, scope, "acme", rotated, func(e *core.EndpointIn) { e.Disabled = true })
	do(err)
	_, err = s.EndpointPatch(ctx, scope, "acme", rotated, func(e *core.EndpointIn) { e.Disabled = false })
	do(err)
	deleted := made(s.EndpointCreate(ctx, scope, "acme", in(6)))
	do(s.EndpointDelete(ctx, scope, "acme", deleted))
	ops, err := s.OperationalWebhookEndpointCreate(ctx, scope, in(7))
	made(ops, err)
	do(s.OperationalWebhookEndpointHeadersUpdate(ctx, scope, string(ops.ID), core.Headers{"X-Key": marker}))
	_, _, err = s.OperationalWebhookEndpointUpdate(ctx, scope, "uid7", in(7))
	do(err)
	return endpoints
}

// deliverAll makes each delivery of a message in each of the three ways, and returns how many deliveries had both
// their userinfo and their headers.
func (w *world) deliverAll() (whole int) {
	w.t.Helper()
	handed := &takes{room: room()}
	if _, err := NewMessageInserter(w.Store, handed).MessageInsert(w.t.Context(), w.event(nil)); err != nil {
		w.t.Fatal(err)
	}
	deliveries := handed.taken
	w.exec("UPDATE delivery SET due_at = now() - interval '1 minute'")
	w.sweep(now())
	deliveries = append(deliveries, w.claim(room())...)
	if _, err := NewMessageInserter(w.Store, nil).MessageInsert(w.t.Context(), w.event(nil)); err != nil {
		w.t.Fatal(err)
	}
	deliveries = append(deliveries, w.take(takeRoom(100), now()).Deliveries...)
	for _, d := range deliveries {
		if strings.HasPrefix(d.URL, "https://"+marker+":"+marker+"%20word@host") && strings.Contains(fmt.Sprint(d.Headers), marker) {
			whole++
		}
		r := result(d, time.Time{})
		r.Attempt.URL = core.MaskURL(d.URL) // as senders do
		if _, err := w.queue().DeliveryRecord(w.t.Context(), r); err != nil {
			w.t.Fatal(err)
		}
	}
	return whole
}

// TestDatabaseHoldsNoCredentialsInPlain searches every column of every table for credentials, to find a forgotten way
// of writing them wherever it leads.
func TestDatabaseHoldsNoCredentialsInPlain(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newKeys(t, "a"))
	hidden := func() {
		t.Helper()
		if tables := w.foundIn(marker); len(tables) > 0 {
			t.Errorf("found in %v", tables)
		}
	}
	endpoints := w.writeCredentials(hidden)
	if whole := w.deliverAll(); whole != 3*5 {
		t.Errorf("%d deliveries had the userinfo and the headers", whole)
	}
	hidden()
	for _, made := range endpoints {
		got, err := w.EndpointGet(t.Context(), made.AppID, string(made.ID))
		if core.IsKind(err, core.KindNotFound) {
			continue // it was deleted
		}
		if err != nil || !strings.Contains(got.URL, marker+"%20word@host") || len(got.Headers) == 0 {
			t.Errorf("read %s with %v, %v", got.URL, got.Headers, err)
		}
	}
	list, _, err := w.EndpointList(t.Context(), w.app.ID, core.Page{Limit: 50, Before: "~"})
	if err != nil || len(list) != 5 || !strings.Contains(list[0].URL, marker) {
		t.Errorf("listed %+v, %v", list, err)
	}
	if found := value[int](w, "SELECT count(*) FROM endpoint WHERE starts_with(url, 'https://***@host')"); found != len(endpoints) {
		t.Errorf("%d of %d URLs have a mask", found, len(endpoints))
	}
}

// TestCredentialsOfBeforeAreSealed begins without keys, so that everything is stored in plain text.
func TestCredentialsOfBeforeAreSealed(t *testing.T) {
	t.Parallel()
	plain := newWorld(t)
	endpoints := plain.writeCredentials(func() {})
	if tables := plain.foundIn(marker); fmt.Sprint(tables) != "[postrider.endpoint]" && fmt.Sprint(tables) != "[public.endpoint]" {
		t.Errorf("without keys it is in %v", tables)
	}
	w := plain.with(newKeys(t, "a"))
	if whole := w.deliverAll(); whole != 3*5 {
		t.Errorf("before they are sealed, %d deliveries had the userinfo and the headers", whole)
	}
	if none := w.counts()[""]; none.Headers != 7 || none.Userinfos != 7 || none.Secrets != 8 {
		t.Errorf("of 7 endpoints, counted %+v", none)
	}
	w.reseal(len(endpoints))
	if tables := w.foundIn(marker); len(tables) > 0 {
		t.Errorf("found in %v", tables)
	}
	if counts := w.counts(); len(counts) != 1 || counts[w.keys.hex()].Secrets != 8 {
		t.Errorf("counted %+v", counts)
	}
	ba := plain.with(newKeys(t, "ba"))
	ba.reseal(len(endpoints))
	b := plain.with(newKeys(t, "b"))
	b.worker = nil
	if whole := b.deliverAll(); whole != 3*5 {
		t.Errorf("under the second key, %d deliveries had the userinfo and the headers", whole)
	}
}

// TestHeadersThatChangeWhileTheyAreSealedStay has a client that patches headers again and again.
func TestHeadersThatChangeWhileTheyAreSealedStay(t *testing.T) {
	t.Parallel()
	plain := newWorld(t)
	e := plain.addEndpoint(func(e *core.Endpoint) { e.URL = markedURL("host.test") })
	first, second := plain.with(newKeys(t, "ab")), plain.with(newKeys(t, "ba"))
	stop, stopped := make(chan struct{}), make(chan error, 2)
	for _, w := range []*world{first, second} {
		go func() {
			for {
				select {
				case <-stop:
					stopped <- nil
					return
				default:
				}
				if _, err := w.SecretReseal(t.Context()); err != nil {
					stopped <- err
					return
				}
			}
		}()
	}
	for n := range 100 {
		name := fmt.Sprintf("X-%d", n)
		w := []*world{first, second}[n%2]
		patch := core.HeadersPatch{Set: core.Headers{name: marker}}
		if n > 0 {
			patch.Delete = []string{fmt.Sprintf("X-%d", n-1)}
		}
		if err := w.service().EndpointHeadersPatch(t.Context(), core.Scope{OrgID: testOrg}, "acme", string(e.ID), patch); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	for range 2 {
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
	got, err := first.EndpointGet(t.Context(), e.AppID, string(e.ID))
	want := core.Headers{"X-Team": "billing", "X-99": marker}
	if err != nil || got.URL != e.URL || !maps.Equal(got.Headers, want) || !sameSecret(got.Secret, e.Secret) {
		t.Errorf("%+v became %+v, %v", e, got, err)
	}
}

// TestLargestCredentialsAreSealed has headers of 64 KiB, whose values need two bytes per character in JSON, and
// userinfo of 64 KiB.
func TestLargestCredentialsAreSealed(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newKeys(t, "a"))
	service, scope := w.service(), core.Scope{OrgID: testOrg}
	const host = "@example.test/"
	in := core.EndpointIn{Version: 1, Headers: core.Headers{}}
	in.URL = "https://" + strings.Repeat("a", 65536-len("https://"+host)) + host
	for n := range 100 {
		in.Headers[fmt.Sprintf("x-%03d", n)] = strings.Repeat([]string{`"`, `\`, "\t"}[n%3], 650)
	}
	e, err := service.EndpointCreate(t.Context(), scope, "acme", in)
	if err != nil {
		t.Fatal(err)
	}
	stored := value[int](w, "SELECT octet_length(secret) FROM endpoint")
	if t.Logf("%d bytes are stored", stored); stored < 190_000 || stored > 200_000 {
		t.Error("not as many as the constraint was computed with")
	}
	if err := service.EndpointHeadersPatch(t.Context(), scope, "acme", string(e.ID), core.HeadersPatch{Set: core.Headers{"X-000": `"`}}); err != nil {
		t.Error(err)
	}
	got, err := w.EndpointGet(t.Context(), w.app.ID, string(e.ID))
	if err != nil || got.URL != in.URL || len(got.Headers) != 100 || got.Headers["x-001"] != in.Headers["x-001"] || got.Headers["X-000"] != `"` {
		t.Errorf("read %.40s with %d headers, %v", got.URL, len(got.Headers), err)
	}
}

// TestUserinfoIsCountedWhereItIsSealed compares the userinfo that the database finds with the userinfo that is
// sealed. If they differed, some would never be sealed, or sealing would never end.
func TestUserinfoIsCountedWhereItIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, newKeys(t, "a"))
	for _, url := range []string{
		"https://example.test/", "https://ada:password@example.test/", "https://ada@example.test", "https://:password@example.test/",
		"https://***@example.test/", "https://***:x@example.test/", "https://***@x@example.test/", "https://@example.test/",
		"https://example.test/a@b", "https://example.test?a@b", "https://example.test#a@b", `https:\\ada@example.test\a@b`,
		"https:ada@example.test", "https:\n//\tada@example.test", "https://ada:pass/word@example.test", "https://a\tb@c@example.test",
		"a@b:c", "https://", "",
	} {
		e := w.addEndpoint(func(e *core.Endpoint) { e.Headers = core.Headers{} })
		w.exec("UPDATE endpoint SET url = $1 WHERE id = $2", url, e.ID)
		counted, want := w.counts()[""].Userinfos == 1, plainUserinfo(url) != ""
		if counted != want {
			t.Errorf("%q: counted %t, sealed %t", url, counted, want)
		}
		changed, err := w.SecretReseal(t.Context())
		if (changed == 1) != want || err != nil || w.counts()[""].Userinfos != 0 {
			t.Errorf("%q: sealed %d, %v", url, changed, err)
		}
		if got, err := w.EndpointGet(t.Context(), e.AppID, string(e.ID)); err != nil || got.URL != url {
			t.Errorf("%q became %q, %v", url, got.URL, err)
		}
		w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointDelete(ctx, e.AppID, e.ID, now()) })
	}
}
