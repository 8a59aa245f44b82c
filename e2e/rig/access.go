package rig

import (
	"context"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// PortalAccess returns a client with a new token for a customer.
func (c Client) PortalAccess(t testing.TB, app string, in svix.AppPortalAccessIn) Client {
	t.Helper()
	out := Must(c.Authentication.AppPortalAccess(t.Context(), app, in, nil))(t)
	if !strings.HasPrefix(out.Url, "https://") {
		t.Errorf("url = %q", out.Url)
	}
	return NewClient(t, c.URL, out.Token)
}

// DashboardAccess is the deprecated form of PortalAccess.
func (c Client) DashboardAccess(ctx context.Context, app string) (*svix.DashboardAccessOut, error) {
	return c.Authentication.DashboardAccess(ctx, app, nil) //nolint:staticcheck // it is served as long as the SDK has it
}

// CanRead reports whether the API accepts a client's token.
func (c Client) CanRead(t testing.TB, app string) bool {
	t.Helper()
	r, err := c.Do(t.Context(), "GET", "/api/v1/app/"+app, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 200 && r.Status != 401 {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	return r.Status == 200
}

// ApplicationNames counts the organisation's applications by name.
func (c Client) ApplicationNames(t testing.TB) map[string]int {
	t.Helper()
	names := map[string]int{}
	options := svix.ApplicationListOptions{Limit: new(uint64(250))}
	for {
		page := Must(c.Application.List(t.Context(), &options))(t)
		for _, app := range page.Data {
			names[app.Name]++
		}
		if page.Done {
			return names
		}
		options.Iterator = page.Iterator
	}
}
