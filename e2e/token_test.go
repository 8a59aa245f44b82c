package e2e

import (
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/postrider/postrider/e2e/rig"
)

func TestTokenOfApplicationReachesItAlone(t *testing.T) {
	t.Parallel()
	s, ctx, org := rig.Shared(t), t.Context(), "org_"+rig.Random()
	owner := rig.NewClient(t, s.URL, s.NewToken(t, org))
	own, other := owner.NewApplication(t), owner.NewApplication(t)
	message := owner.SendMessage(t, own)
	customer := rig.NewClient(t, s.URL, s.NewToken(t, org, "--application", own))

	// A customer may do this with its own application.
	if got := rig.Must(customer.Application.Get(ctx, own))(t); got.Id != own {
		t.Errorf("got %s, want %s", got.Id, own)
	}
	endpoint := rig.Must(customer.Endpoint.Create(ctx, own, svix.EndpointIn{Url: "https://example.com/"}, nil))(t)
	rig.Must(customer.Endpoint.GetSecret(ctx, own, endpoint.Id))(t)
	rig.Must(customer.Endpoint.Patch(ctx, own, endpoint.Id, svix.EndpointPatch{Description: new("Mine")}))(t)
	rig.Must(customer.Message.Get(ctx, own, message, nil))(t)
	rig.Must(customer.MessageAttempt.ListByMsg(ctx, own, message, nil))(t)
	rig.Must(customer.EventType.List(ctx, nil))(t)
	rig.NoError(t, customer.Endpoint.Delete(ctx, own, endpoint.Id))

	// Only the organisation may do this.
	const forbidden = "insufficient access"
	_, err := customer.Application.List(ctx, nil)
	rig.WantRefused(t, err, 403, forbidden)
	_, err = customer.Application.Create(ctx, svix.ApplicationIn{Name: "Another"}, nil)
	rig.WantRefused(t, err, 403, forbidden)
	_, err = customer.Application.Update(ctx, own, svix.ApplicationIn{Name: "Renamed"})
	rig.WantRefused(t, err, 403, forbidden)
	rig.WantRefused(t, customer.Application.Delete(ctx, own), 403, forbidden)
	_, err = customer.Message.Create(ctx, own, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
	rig.WantRefused(t, err, 403, forbidden)
	_, err = customer.EventType.Create(ctx, svix.EventTypeIn{Name: "a", Description: "A"}, nil)
	rig.WantRefused(t, err, 403, forbidden)

	// To the customer, its neighbour's application does not exist.
	_, err = customer.Application.Get(ctx, other)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = customer.Endpoint.List(ctx, other, nil)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = customer.Endpoint.Create(ctx, other, svix.EndpointIn{Url: "https://example.com/"}, nil)
	rig.WantRefused(t, err, 404, "not_found")
}

func TestTenantOrganisationsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	s, ctx := rig.Shared(t), t.Context()
	owner, stranger := rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random())), rig.NewClient(t, s.URL, s.NewToken(t, "org_"+rig.Random()))
	uid := "acme-" + rig.Random()
	app := rig.Must(owner.Application.Create(ctx, svix.ApplicationIn{Name: "Acme", Uid: &uid}, nil))(t).Id
	endpoint := rig.Must(owner.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	message, eventType := owner.SendMessage(t, app), owner.NewEventType(t)

	for _, ref := range []string{app, uid} {
		_, err := stranger.Application.Get(ctx, ref)
		rig.WantRefused(t, err, 404, "not_found")
		_, err = stranger.Application.Patch(ctx, ref, svix.ApplicationPatch{Name: new("Taken")})
		rig.WantRefused(t, err, 404, "not_found")
		rig.WantRefused(t, stranger.Application.Delete(ctx, ref), 404, "not_found")
		_, err = stranger.Endpoint.List(ctx, ref, nil)
		rig.WantRefused(t, err, 404, "not_found")
		_, err = stranger.Endpoint.GetSecret(ctx, ref, endpoint)
		rig.WantRefused(t, err, 404, "not_found")
		_, err = stranger.Message.Create(ctx, ref, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
		rig.WantRefused(t, err, 404, "not_found")
		_, err = stranger.Message.Get(ctx, ref, message, nil)
		rig.WantRefused(t, err, 404, "not_found")
		_, err = stranger.MessageAttempt.ListByMsg(ctx, ref, message, nil)
		rig.WantRefused(t, err, 404, "not_found")
		_, err = stranger.MessageAttempt.ListByEndpoint(ctx, ref, endpoint, nil)
		rig.WantRefused(t, err, 404, "not_found")
	}
	_, err := stranger.EventType.Get(ctx, eventType)
	rig.WantRefused(t, err, 404, "not_found")

	// Nor are the owner's things visible through the stranger's application.
	mine := stranger.NewApplication(t)
	_, err = stranger.Endpoint.Get(ctx, mine, endpoint)
	rig.WantRefused(t, err, 404, "not_found")
	_, err = stranger.Message.Get(ctx, mine, message, nil)
	rig.WantRefused(t, err, 404, "not_found")
	if apps := rig.Must(stranger.Application.List(ctx, nil))(t).Data; len(apps) != 1 || apps[0].Id != mine {
		t.Errorf("the stranger's list has %d applications, want its own", len(apps))
	}
	rig.Must(stranger.Application.Create(ctx, svix.ApplicationIn{Name: "Acme", Uid: &uid}, nil))(t) // uids are separate for each organisation
	if got := rig.Must(owner.Application.Get(ctx, uid))(t); got.Id != app || got.Name != "Acme" {
		t.Errorf("the owner's application is now %+v", got)
	}
}

func TestTokenBadIsRefused(t *testing.T) {
	t.Parallel()
	s := rig.Shared(t)
	good := s.NewTenant(t).Token
	header, rest, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"nothing":          "",
		"no token":         "token",
		"another secret's": foreignToken(t),
		"no signature":     good[:strings.LastIndexByte(good, '.')+1],
		"no algorithm":     "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + rest,
		"cut off":          header + "." + rest[:len(rest)-1],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := rig.NewClient(t, s.URL, token)
			_, err := c.Application.List(t.Context(), nil)
			rig.WantRefused(t, err, 401, "authentication_failed")
		})
	}
}

// foreignToken returns a token that another installation would accept. For a deployment, any token will do.
func foreignToken(t testing.TB) string {
	t.Helper()
	if rig.Deployment() != "" {
		return "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcmdfMSJ9.c2lnbmVkIGJ5IG5vYm9keSBhdCBhbGw"
	}
	return rig.Service{Settings: []string{"POSTRIDER_JWT_SECRET=a-secret-of-another-installation"}}.NewToken(t, "org_"+rig.Random())
}
