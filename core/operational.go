package core

import "context"

// Operational webhooks tell an organisation what happens to its webhooks. Their destinations are ordinary endpoints
// of an ordinary application, so they are stored, signed, sent and retried like all others. These applications
// belong to a reserved organisation that no token can be issued for. The uid of each is the id of the organisation
// it serves. Requests reach it only by that uid, which is taken from the token and from nowhere else.

// OperationalOrg is the reserved organisation. It is two characters longer than a generated id, so no generated id
// can equal it.
const OperationalOrg OrgID = "org_00000000000OperationalWebhook"

// operational returns the scope and the application of the operational-webhook endpoints of the token's
// organisation. The application may not exist yet; then there are no endpoints.
func (s Scope) operational() (scope Scope, appRef string, err error) {
	if err := s.org(); err != nil {
		return Scope{}, "", err
	}
	return Scope{OrgID: OperationalOrg}, string(s.OrgID), nil
}

// operationalReady is operational, but creates the application if it does not exist. It validates in first, so that a
// rejected request leaves nothing behind.
func (s *Service) operationalReady(ctx context.Context, scope Scope, in EndpointIn) (Scope, string, error) {
	inner, ref, err := scope.operational()
	if err != nil {
		return inner, ref, err
	}
	if err := s.rules.validate(&in, ""); err != nil {
		return inner, ref, err
	}
	if err := eventTypesExist(ctx, s.store, inner.OrgID, in.EventTypes); err != nil {
		return inner, ref, err
	}
	// ApplicationCreate cannot be used here: an organisation's id may have characters that a uid may not.
	_, _, err = s.applicationGetOrInsert(ctx, inner.OrgID, ApplicationIn{UID: &ref, Name: ref})
	return inner, ref, err
}

// OperationalWebhookEndpointCreate creates an operational-webhook endpoint.
func (s *Service) OperationalWebhookEndpointCreate(ctx context.Context, scope Scope, in EndpointIn) (Endpoint, error) {
	inner, app, err := s.operationalReady(ctx, scope, in)
	if err != nil {
		return Endpoint{}, err
	}
	return s.EndpointCreate(ctx, inner, app, in)
}

// OperationalWebhookEndpointGet finds an operational-webhook endpoint by id or uid.
func (s *Service) OperationalWebhookEndpointGet(ctx context.Context, scope Scope, ref string) (Endpoint, error) {
	inner, app, err := scope.operational()
	if err != nil {
		return Endpoint{}, err
	}
	return s.EndpointGet(ctx, inner, app, ref)
}

// OperationalWebhookEndpointList lists the organisation's operational-webhook endpoints in id order.
func (s *Service) OperationalWebhookEndpointList(ctx context.Context, scope Scope, page Page) (List[Endpoint], error) {
	inner, app, err := scope.operational()
	if err != nil {
		return List[Endpoint]{}, err
	}
	l, err := s.EndpointList(ctx, inner, app, page)
	if IsKind(err, KindNotFound) { // it has never created one
		return List[Endpoint]{Done: true}, nil
	}
	return l, err
}

// OperationalWebhookEndpointUpdate replaces all fields of an operational-webhook endpoint that a client can set,
// except its secret and headers, or creates the endpoint if ref matches none.
func (s *Service) OperationalWebhookEndpointUpdate(ctx context.Context, scope Scope, ref string, in EndpointIn) (Endpoint, Created, error) {
	if isMasked(in.URL) { // only the stored URL shows whether the mask is right
		return s.operationalWebhookEndpointRead(ctx, scope, ref, in)
	}
	inner, app, err := s.operationalReady(ctx, scope, in)
	if err != nil {
		return Endpoint{}, false, err
	}
	return s.EndpointUpdate(ctx, inner, app, ref, in)
}

// operationalWebhookEndpointRead handles an update whose URL is masked, as a client reads it. A masked URL cannot
// create an endpoint, so the application is not created first.
func (s *Service) operationalWebhookEndpointRead(ctx context.Context, scope Scope, ref string, in EndpointIn) (Endpoint, Created, error) {
	inner, app, err := scope.operational()
	if err != nil {
		return Endpoint{}, false, err
	}
	e, created, err := s.EndpointUpdate(ctx, inner, app, ref, in)
	if IsKind(err, KindNotFound) {
		err = Invalid(errURLMasked.Error(), "body", "url")
	}
	return e, created, err
}

// OperationalWebhookEndpointDelete deletes an operational-webhook endpoint and its pending deliveries.
func (s *Service) OperationalWebhookEndpointDelete(ctx context.Context, scope Scope, ref string) error {
	inner, app, err := scope.operational()
	if err != nil {
		return err
	}
	return s.EndpointDelete(ctx, inner, app, ref)
}

// OperationalWebhookEndpointHeadersGet is EndpointHeadersGet for an operational-webhook endpoint.
func (s *Service) OperationalWebhookEndpointHeadersGet(ctx context.Context, scope Scope, ref string) (shown Headers, sensitive []string, err error) {
	inner, app, err := scope.operational()
	if err != nil {
		return nil, nil, err
	}
	return s.EndpointHeadersGet(ctx, inner, app, ref)
}

// OperationalWebhookEndpointHeadersUpdate is EndpointHeadersUpdate for an operational-webhook endpoint.
func (s *Service) OperationalWebhookEndpointHeadersUpdate(ctx context.Context, scope Scope, ref string, headers Headers) error {
	inner, app, err := scope.operational()
	if err != nil {
		return err
	}
	return s.EndpointHeadersUpdate(ctx, inner, app, ref, headers)
}

// OperationalWebhookEndpointSecretGet returns the secret of an operational-webhook endpoint, which it finds by id or
// uid.
func (s *Service) OperationalWebhookEndpointSecretGet(ctx context.Context, scope Scope, ref string) (Secret, error) {
	inner, app, err := scope.operational()
	if err != nil {
		return Secret{}, err
	}
	return s.EndpointSecretGet(ctx, inner, app, ref)
}

// OperationalWebhookEndpointSecretRotate is EndpointSecretRotate for an operational-webhook endpoint.
func (s *Service) OperationalWebhookEndpointSecretRotate(ctx context.Context, scope Scope, ref string, in SecretRotateIn) error {
	inner, app, err := scope.operational()
	if err != nil {
		return err
	}
	_, err = s.EndpointSecretRotate(ctx, inner, app, ref, in)
	return err
}
