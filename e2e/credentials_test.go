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

	"github.com/postrider/postrider/e2e/rig"
)

// credentialsMarker is part of every password and header value in these tests.
const credentialsMarker = "m4rk3d"

// wantStored searches every column of every table for the marker, as text and as bytes, and fails unless exactly the
// wanted tables contain it.
func wantStored(t testing.TB, database string, want ...string) {
	t.Helper()
	ctx := t.Context()
	conn := rig.Must(pgx.Connect(ctx, database))(t)
	defer conn.Close(context.WithoutCancel(ctx))
	rows := rig.Must(conn.Query(ctx, `SELECT tablename::text, format('%I.%I', schemaname, tablename) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY tablename`))(t)
	tables := rig.Must(pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Qualified string }]))(t)
	found := []string{}
	for _, table := range tables {
		var there bool
		rig.NoError(t, conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+table.Qualified+" AS found WHERE strpos(found::text, $1) > 0 OR strpos(found::text, $2) > 0)",
			credentialsMarker, hex.EncodeToString([]byte(credentialsMarker))).Scan(&there))
		if there {
			found = append(found, table.Name)
		}
	}
	if len(tables) < 15 || fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("of %d tables, the marker is in %v, want %v", len(tables), found, want)
	}
}

// guarded is two receivers that require credentials: one endpoint has a user and password in its URL, the other has a
// header.
type guarded struct {
	byUser, byHeader             *rig.Receiver
	userEndpoint, headerEndpoint string // ids
}

func newGuarded(t testing.TB, c rig.Client, app string) guarded {
	t.Helper()
	g := guarded{byUser: rig.NewReceiver(t, nil), byHeader: rig.NewReceiver(t, nil)}
	url := strings.Replace(g.byUser.URL, "://", "://ada:"+credentialsMarker+"%20word@", 1)
	g.userEndpoint = rig.Must(c.Endpoint.Create(t.Context(), app, svix.EndpointIn{Url: url, Secret: &g.byUser.Secret}, nil))(t).Id
	g.headerEndpoint = g.byHeader.NewEndpointLike(t, c, app, svix.EndpointIn{
		Headers: &map[string]string{"Authorization": "Bearer " + credentialsMarker},
	})
	return g
}

// wantCalled fails unless both receivers get the message with their credentials.
func (g guarded) wantCalled(t testing.TB, message string) {
	t.Helper()
	g.byUser.Await(t, message)
	g.byHeader.Await(t, message)
	request := http.Request{Header: g.byUser.Of(message)[0].Header}
	if user, password, ok := request.BasicAuth(); !ok || user != "ada" || password != credentialsMarker+" word" {
		t.Errorf("a receiver was called with %q", request.Header.Get("Authorization"))
	}
	if got := g.byHeader.Of(message)[0].Header.Get("Authorization"); got != "Bearer "+credentialsMarker {
		t.Errorf("a receiver was called with %q", got)
	}
}

// TestCredentialsAreEncryptedAtRest starts without keys, and with endpoints created before there are any.
func TestCredentialsAreEncryptedAtRest(t *testing.T) {
	t.Parallel()
	database := rig.NewDatabase(t)
	with := func(keys string) []string {
		return rig.Settings(database, "POSTRIDER_SECRET_KEYS="+keys, "POSTRIDER_LOG_LEVEL=debug")
	}
	p := rig.Start(t, with(""), "serve")
	c := p.Service(t).NewTenant(t)
	app := c.NewApplication(t)
	before := newGuarded(t, c, app)
	wantStored(t, database, "endpoint")
	p.Stop(t)

	p = rig.Start(t, with(firstKey), "serve")
	c = rig.NewClient(t, p.Service(t).URL, c.Token)
	since := newGuarded(t, c, app)
	got := rig.Command(t, with(firstKey), "secrets", "status")
	if got.Code != 0 || !strings.Contains(got.Stdout, "2 secrets, headers of 1 endpoints, credentials in 1 URLs  (not encrypted)") ||
		!strings.Contains(got.Stdout, "2 secrets  (the first key)") {
		t.Errorf("status: %+v", got)
	}
	message := c.SendMessage(t, app)
	before.wantCalled(t, message)
	since.wantCalled(t, message)
	if got := rig.Command(t, with(firstKey), "secrets", "encrypt"); got.Code != 0 || !strings.Contains(got.Stdout, "secrets of 2 endpoints") {
		t.Errorf("encrypt: %+v", got)
	}
	wantStored(t, database)
	if got := rig.Command(t, with(firstKey), "secrets", "status"); got.Code != 0 || !strings.HasSuffix(got.Stdout, "4 secrets  (the first key)\n") {
		t.Errorf("status: %+v", got)
	}
	changeGuarded(t, c, app, before, since, func() { wantStored(t, database) })
	message = c.SendMessage(t, app)
	before.wantCalled(t, message)
	since.wantCalled(t, message)
	if got := since.byHeader.Of(message)[0].Header.Get("X-Key"); got != credentialsMarker {
		t.Errorf("a receiver was called with the key %q", got)
	}
	for _, endpoint := range []string{before.userEndpoint, before.headerEndpoint, since.userEndpoint, since.headerEndpoint} {
		path := "/api/v1/app/" + app + "/attempt/endpoint/" + endpoint
		rig.Await(t, func() string { // wait until the attempts are stored
			if !strings.Contains(string(c.Call(t, 200, "GET", path, "").Body), message) {
				return "no attempt at " + endpoint
			}
			return ""
		})
	}
	wantStored(t, database)
	if log := p.Stdout.String() + p.Stderr.String(); strings.Contains(log, credentialsMarker) {
		t.Errorf("the log shows a credential: %s", rig.Tail(log))
	}
	if got := rig.Command(t, with(""), "serve"); got.Code != 1 || !strings.Contains(got.Stderr, "POSTRIDER_SECRET_KEYS") {
		t.Errorf("without the key: %+v", got)
	}
}

// changeGuarded changes URLs and headers through every operation of the API that can, and checks after each.
func changeGuarded(t testing.TB, c rig.Client, app string, before, since guarded, check func()) {
	t.Helper()
	ctx := t.Context()
	read := rig.Must(c.Endpoint.Get(ctx, app, since.userEndpoint))(t)
	rig.Must(c.Endpoint.Patch(ctx, app, since.userEndpoint, svix.EndpointPatch{Url: new(read.Url + "other"), Description: new("Renamed")}))(t)
	check()
	rig.Must(c.Endpoint.Update(ctx, app, before.userEndpoint, svix.EndpointUpdate{Url: rig.Must(c.Endpoint.Get(ctx, app, before.userEndpoint))(t).Url}))(t)
	check()
	headers := map[string]string{"X-Key": credentialsMarker}
	rig.NoError(t, c.Endpoint.PatchHeaders(ctx, app, since.headerEndpoint, svix.EndpointHeadersPatchIn{Headers: headers}))
	check()
	shown := rig.Must(c.Endpoint.GetHeaders(ctx, app, since.headerEndpoint))(t)
	if fmt.Sprint(shown.Headers, shown.Sensitive) != fmt.Sprint(headers, []string{"Authorization"}) {
		t.Errorf("the headers are shown as %+v", shown)
	}
	headers["Authorization"] = "Bearer " + credentialsMarker
	rig.NoError(t, c.Endpoint.UpdateHeaders(ctx, app, before.headerEndpoint, svix.EndpointHeadersIn{Headers: headers}))
	check()
}
