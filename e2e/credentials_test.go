package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	svix "github.com/svix/svix-webhooks/go"
)

// credentialsMarker is part of every password and every header's value of these tests.
const credentialsMarker = "m4rk3d"

// wantStored looks for the marker in every column of every table, as text or as bytes, and wants it in none, or in the
// endpoints alone.
func wantStored(t testing.TB, database string, want ...string) {
	t.Helper()
	ctx := t.Context()
	conn := must(pgx.Connect(ctx, database))(t)
	defer conn.Close(context.WithoutCancel(ctx))
	rows := must(conn.Query(ctx, `SELECT tablename::text, format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY tablename`))(t)
	tables := must(pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Qualified string }]))(t)
	found := []string{}
	for _, table := range tables {
		var there bool
		done(t, conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+table.Qualified+" AS found WHERE strpos(found::text, $1) > 0 OR strpos(found::text, $2) > 0)",
			credentialsMarker, hex.EncodeToString([]byte(credentialsMarker))).Scan(&there))
		if there {
			found = append(found, table.Name)
		}
	}
	if len(tables) < 15 || fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("of %d tables, the marker is in %v, want %v", len(tables), found, want)
	}
}

// guarded is two receivers: of the one the endpoint has a user and password in its URL, of the other a header.
type guarded struct {
	byUser, byHeader             *receiver
	userEndpoint, headerEndpoint string // ids
}

func newGuarded(t testing.TB, c client, app string) guarded {
	t.Helper()
	g := guarded{byUser: newReceiver(t, nil), byHeader: newReceiver(t, nil)}
	url := strings.Replace(g.byUser.url, "://", "://ada:"+credentialsMarker+"%20word@", 1)
	g.userEndpoint = must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url, Secret: &g.byUser.secret}, nil))(t).Id
	g.headerEndpoint = g.byHeader.endpointLike(t, c, app, svix.EndpointIn{
		Headers: &map[string]string{"Authorization": "Bearer " + credentialsMarker},
	})
	return g
}

// wantCalled wants the message at both receivers with what they ask for.
func (g guarded) wantCalled(t testing.TB, message string) {
	t.Helper()
	g.byUser.await(t, message)
	g.byHeader.await(t, message)
	request := http.Request{Header: g.byUser.of(message)[0].header}
	if user, password, ok := request.BasicAuth(); !ok || user != "ada" || password != credentialsMarker+" word" {
		t.Errorf("a receiver was called with %q", request.Header.Get("Authorization"))
	}
	if got := g.byHeader.of(message)[0].header.Get("Authorization"); got != "Bearer "+credentialsMarker {
		t.Errorf("a receiver was called with %q", got)
	}
}

// TestCredentialsAreEncryptedInTheDatabase begins without keys and with endpoints of then.
func TestCredentialsAreEncryptedInTheDatabase(t *testing.T) {
	t.Parallel()
	database := newDatabase(t)
	with := func(keys string) []string {
		return settings(database, "POSTRIDER_SECRET_KEYS="+keys, "POSTRIDER_LOG_LEVEL=debug")
	}
	p := start(t, with(""), "serve")
	c := p.service(t).tenant(t)
	app := c.application(t)
	before := newGuarded(t, c, app)
	wantStored(t, database, "endpoint")
	p.stop(t)

	p = start(t, with(firstKey), "serve")
	c = newClient(t, p.service(t).url, c.token)
	since := newGuarded(t, c, app)
	got := command(t, with(firstKey), "secrets", "status")
	if got.code != 0 || !strings.Contains(got.stdout, "2 secrets, headers of 1 endpoints, credentials in 1 URLs  (not encrypted)") ||
		!strings.Contains(got.stdout, "2 secrets  (the first key)") {
		t.Errorf("status: %+v", got)
	}
	message := c.message(t, app)
	before.wantCalled(t, message)
	since.wantCalled(t, message)
	if got := command(t, with(firstKey), "secrets", "encrypt"); got.code != 0 || !strings.Contains(got.stdout, "secrets of 2 endpoints") {
		t.Errorf("encrypt: %+v", got)
	}
	wantStored(t, database)
	if got := command(t, with(firstKey), "secrets", "status"); got.code != 0 || !strings.HasSuffix(got.stdout, "4 secrets  (the first key)\n") {
		t.Errorf("status: %+v", got)
	}
	changeGuarded(t, c, app, before, since, func() { wantStored(t, database) })
	message = c.message(t, app)
	before.wantCalled(t, message)
	since.wantCalled(t, message)
	if got := since.byHeader.of(message)[0].header.Get("X-Key"); got != credentialsMarker {
		t.Errorf("a receiver was called with the key %q", got)
	}
	for _, endpoint := range []string{before.userEndpoint, before.headerEndpoint, since.userEndpoint, since.headerEndpoint} {
		path := "/api/v1/app/" + app + "/attempt/endpoint/" + endpoint
		await(t, func() string { // so that the attempts are stored
			if !strings.Contains(string(c.call(t, 200, "GET", path, "").body), message) {
				return "no attempt at " + endpoint
			}
			return ""
		})
	}
	wantStored(t, database)
	if log := p.stdout.String() + p.stderr.String(); strings.Contains(log, credentialsMarker) {
		t.Errorf("the log shows a credential: %s", tail(log))
	}
	if got := command(t, with(""), "serve"); got.code != 1 || !strings.Contains(got.stderr, "POSTRIDER_SECRET_KEYS") {
		t.Errorf("without the key: %+v", got)
	}
}

// changeGuarded changes URLs and headers in each way that the API has, and checks after each.
func changeGuarded(t testing.TB, c client, app string, before, since guarded, check func()) {
	t.Helper()
	ctx := t.Context()
	read := must(c.Endpoint.Get(ctx, app, since.userEndpoint))(t)
	must(c.Endpoint.Patch(ctx, app, since.userEndpoint, svix.EndpointPatch{Url: new(read.Url + "other"), Description: new("Renamed")}))(t)
	check()
	must(c.Endpoint.Update(ctx, app, before.userEndpoint, svix.EndpointUpdate{Url: must(c.Endpoint.Get(ctx, app, before.userEndpoint))(t).Url}))(t)
	check()
	headers := map[string]string{"X-Key": credentialsMarker}
	done(t, c.Endpoint.PatchHeaders(ctx, app, since.headerEndpoint, svix.EndpointHeadersPatchIn{Headers: headers}))
	check()
	shown := must(c.Endpoint.GetHeaders(ctx, app, since.headerEndpoint))(t)
	if fmt.Sprint(shown.Headers, shown.Sensitive) != fmt.Sprint(headers, []string{"Authorization"}) {
		t.Errorf("the headers are shown as %+v", shown)
	}
	headers["Authorization"] = "Bearer " + credentialsMarker
	done(t, c.Endpoint.UpdateHeaders(ctx, app, before.headerEndpoint, svix.EndpointHeadersIn{Headers: headers}))
	check()
}
