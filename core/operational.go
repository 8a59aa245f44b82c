package core

import "context"

// Operational webhooks tell an organisation what becomes of its own webhooks. Where it wants them are
// ordinary endpoints of an ordinary application, so that they are stored, signed, sent and retried like
// all others. These applications belong to a reserved organisation that no token can be for, and each
// has as its uid the id of the organisation that it serves: whoever comes here comes by that uid, which
// is taken from the token and from nowhere else.

// OperationalOrg is the reserved organisation. It has two characters more than an id that was
// generated, so none ever comes to be the same.
const OperationalOrg OrgID = "org_00000000000OperationalWebhook"

// operational is the scope and the application in which the operational-webhook endpoints of the
// token's organisation are. The application may not exist yet: then there are none.
func (s Scope) operational() (scope Scope, appRef string, err error) {
	if err := s.org(); err != nil {
		return Scope{}, "", err
	}
	return Scope{OrgID: OperationalOrg}, string(s.OrgID), nil
}

// operationalReady is operational, and makes the application if it does not exist. What in says must
// be right by then: a request that is refused leaves nothing behind.
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
	// Not by ApplicationCreate: an organisation's id may have characters that a uid may not.
	_, _, err = s.applicationGetOrInsert(ctx, inner.OrgID, ApplicationIn{UID: &ref, Name: ref})
	return inner, ref, err
}

// OperationalWebhookEndpointCreate makes an operational-webhook endpoint.
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

// OperationalWebhookEndpointList lists the organisation's operational-webhook endpoints in order of
// their ids.
func (s *Service) OperationalWebhookEndpointList(ctx context.Context, scope Scope, page Page) (List[Endpoint], error) {
	inner, app, err := scope.operational()
	if err != nil {
		return List[Endpoint]{}, err
	}
	l, err := s.EndpointList(ctx, inner, app, page)
	if IsKind(err, KindNotFound) { // it never made one
		return List[Endpoint]{Done: true}, nil
	}
	return l, err
}

// OperationalWebhookEndpointUpdate replaces what a client can say of an operational-webhook endpoint,
// but for its secret and headers, or makes it when ref names none.
func (s *Service) OperationalWebhookEndpointUpdate(ctx context.Context, scope Scope, ref string, in EndpointIn) (Endpoint, Created, error) {
	if isMasked(in.URL) { // it is known only beside the stored one whether that is right
		return s.operationalWebhookEndpointRead(ctx, scope, ref, in)
	}
	inner, app, err := s.operationalReady(ctx, scope, in)
	if err != nil {
		return Endpoint{}, false, err
	}
	return s.EndpointUpdate(ctx, inner, app, ref, in)
}

// operationalWebhookEndpointRead replaces what was read before, with its URL masked. To make an endpoint of that is
// refused, and so is no reason to make the application first.
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

// OperationalWebhookEndpointDelete deletes an operational-webhook endpoint and what is still owed to
// it.
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

// OperationalWebhookEndpointSecretGet finds the secret of an operational-webhook endpoint by its id or
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
