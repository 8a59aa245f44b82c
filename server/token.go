package server

import (
	"context"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/wire"
)

// portalURL is the URL that existing servers return. The page says what there is instead of a portal. Clients require
// the field, and we have no page of our own to send a customer to.
const portalURL = "https://docs.svix.com/app-portal/oss"

func (h *handlers) AuthAppPortalAccess(ctx context.Context, r AuthAppPortalAccessRequestObject) (AuthAppPortalAccessResponseObject, error) {
	b := r.Body
	var capabilities []core.Capability
	if b.Capabilities != nil {
		capabilities = []core.Capability{} // an empty list differs from an absent one
	}
	for _, name := range wire.Set(b.Capabilities) { // without duplicates: a body has room for many
		capabilities = append(capabilities, core.Capability(name))
	}
	var application *core.ApplicationIn
	if b.Application != nil {
		app, err := applicationIn(*b.Application, []string{"application"})
		if err != nil {
			return nil, err
		}
		application = &app
	}
	token, err := h.service.AuthAppPortalAccess(ctx, scopeOf(ctx), r.AppID, core.AppPortalAccessIn{
		FeatureFlags: wire.Set(b.FeatureFlags), Capabilities: capabilities, ReadOnly: orZero(b.ReadOnly),
		SessionID: b.SessionID, Seconds: or(b.Expiry, core.PortalSecondsDefault), Application: application,
	})
	return AuthAppPortalAccess200JSONResponse{URL: portalURL, Token: token}, err
}

func (h *handlers) AuthDashboardAccess(ctx context.Context, r AuthDashboardAccessRequestObject) (AuthDashboardAccessResponseObject, error) {
	token, err := h.service.AuthDashboardAccess(ctx, scopeOf(ctx), r.AppID)
	return AuthDashboardAccess200JSONResponse{URL: portalURL, Token: token}, err
}

func (h *handlers) AuthLogout(ctx context.Context, _ AuthLogoutRequestObject) (AuthLogoutResponseObject, error) {
	return AuthLogout204Response{}, h.service.AuthLogout(ctx, callOf(ctx).token)
}

func (h *handlers) AuthExpireAll(ctx context.Context, r AuthExpireAllRequestObject) (AuthExpireAllResponseObject, error) {
	in := core.AuthExpireAllIn{Seconds: orZero(r.Body.Expiry), SessionIDs: wire.Set(r.Body.SessionIds)}
	return AuthExpireAll204Response{}, h.service.AuthExpireAll(ctx, scopeOf(ctx), r.AppID, in)
}
