package e2e

import (
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

func TestApplicationTokenReachesItsApplicationAlone(t *testing.T) {
	t.Parallel()
	s, ctx, org := shared(t), t.Context(), "org_"+random()
	owner := newClient(t, s.url, s.token(t, org))
	own, other := owner.application(t), owner.application(t)
	message := owner.message(t, own)
	customer := newClient(t, s.url, s.token(t, org, "--application", own))

	// What a customer may do with its own application.
	if got := must(customer.Application.Get(ctx, own))(t); got.Id != own {
		t.Errorf("got %s, want %s", got.Id, own)
	}
	endpoint := must(customer.Endpoint.Create(ctx, own, svix.EndpointIn{Url: "https://example.com/"}, nil))(t)
	must(customer.Endpoint.GetSecret(ctx, own, endpoint.Id))(t)
	must(customer.Endpoint.Patch(ctx, own, endpoint.Id, svix.EndpointPatch{Description: new("Mine")}))(t)
	must(customer.Message.Get(ctx, own, message, nil))(t)
	must(customer.MessageAttempt.ListByMsg(ctx, own, message, nil))(t)
	must(customer.EventType.List(ctx, nil))(t)
	done(t, customer.Endpoint.Delete(ctx, own, endpoint.Id))

	// What only the organisation may.
	const forbidden = "insufficient access"
	_, err := customer.Application.List(ctx, nil)
	refused(t, err, 403, forbidden)
	_, err = customer.Application.Create(ctx, svix.ApplicationIn{Name: "Another"}, nil)
	refused(t, err, 403, forbidden)
	_, err = customer.Application.Update(ctx, own, svix.ApplicationIn{Name: "Renamed"})
	refused(t, err, 403, forbidden)
	refused(t, customer.Application.Delete(ctx, own), 403, forbidden)
	_, err = customer.Message.Create(ctx, own, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
	refused(t, err, 403, forbidden)
	_, err = customer.EventType.Create(ctx, svix.EventTypeIn{Name: "a", Description: "A"}, nil)
	refused(t, err, 403, forbidden)

	// Its neighbour is not there at all.
	_, err = customer.Application.Get(ctx, other)
	refused(t, err, 404, "not_found")
	_, err = customer.Endpoint.List(ctx, other, nil)
	refused(t, err, 404, "not_found")
	_, err = customer.Endpoint.Create(ctx, other, svix.EndpointIn{Url: "https://example.com/"}, nil)
	refused(t, err, 404, "not_found")
}

func TestOrganisationsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	s, ctx := shared(t), t.Context()
	owner, stranger := newClient(t, s.url, s.token(t, "org_"+random())), newClient(t, s.url, s.token(t, "org_"+random()))
	uid := "acme-" + random()
	app := must(owner.Application.Create(ctx, svix.ApplicationIn{Name: "Acme", Uid: &uid}, nil))(t).Id
	endpoint := must(owner.Endpoint.Create(ctx, app, svix.EndpointIn{Url: "https://example.com/"}, nil))(t).Id
	message, eventType := owner.message(t, app), owner.eventType(t)

	for _, ref := range []string{app, uid} {
		_, err := stranger.Application.Get(ctx, ref)
		refused(t, err, 404, "not_found")
		_, err = stranger.Application.Patch(ctx, ref, svix.ApplicationPatch{Name: new("Taken")})
		refused(t, err, 404, "not_found")
		refused(t, stranger.Application.Delete(ctx, ref), 404, "not_found")
		_, err = stranger.Endpoint.List(ctx, ref, nil)
		refused(t, err, 404, "not_found")
		_, err = stranger.Endpoint.GetSecret(ctx, ref, endpoint)
		refused(t, err, 404, "not_found")
		_, err = stranger.Message.Create(ctx, ref, svix.MessageIn{EventType: "a", Payload: map[string]any{}}, nil)
		refused(t, err, 404, "not_found")
		_, err = stranger.Message.Get(ctx, ref, message, nil)
		refused(t, err, 404, "not_found")
		_, err = stranger.MessageAttempt.ListByMsg(ctx, ref, message, nil)
		refused(t, err, 404, "not_found")
		_, err = stranger.MessageAttempt.ListByEndpoint(ctx, ref, endpoint, nil)
		refused(t, err, 404, "not_found")
	}
	_, err := stranger.EventType.Get(ctx, eventType)
	refused(t, err, 404, "not_found")

	// Nor does a thing of the owner's show through an application of the stranger's.
	mine := stranger.application(t)
	_, err = stranger.Endpoint.Get(ctx, mine, endpoint)
	refused(t, err, 404, "not_found")
	_, err = stranger.Message.Get(ctx, mine, message, nil)
	refused(t, err, 404, "not_found")
	if apps := must(stranger.Application.List(ctx, nil))(t).Data; len(apps) != 1 || apps[0].Id != mine {
		t.Errorf("the stranger's list has %d applications, want its own", len(apps))
	}
	must(stranger.Application.Create(ctx, svix.ApplicationIn{Name: "Acme", Uid: &uid}, nil))(t) // a uid is the organisation's own
	if got := must(owner.Application.Get(ctx, uid))(t); got.Id != app || got.Name != "Acme" {
		t.Errorf("the owner's application is now %+v", got)
	}
}

func TestBadTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := shared(t)
	good := s.tenant(t).token
	header, rest, _ := strings.Cut(good, ".")
	for name, token := range map[string]string{
		"nothing":          "",
		"no token":         "token",
		"another secret's": foreignToken(t),
		"no signature":     good[:strings.LastIndexByte(good, '.')+1],
		"no algorithm":     "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + rest,
		"cut off":          header + "." + rest[:len(rest)-1],
	} {
		c := newClient(t, s.url, token)
		_, err := c.Application.List(t.Context(), nil)
		if refused(t, err, 401, "authentication_failed"); t.Failed() {
			t.Fatal("with", name)
		}
	}
}

// foreignToken is one that another installation would accept; for a deployment, any is.
func foreignToken(t testing.TB) string {
	t.Helper()
	if deployment() != "" {
		return "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcmdfMSJ9.c2lnbmVkIGJ5IG5vYm9keSBhdCBhbGw"
	}
	return service{settings: []string{"POSTRIDER_JWT_SECRET=a-secret-of-another-installation"}}.token(t, "org_"+random())
}
