package core

import "context"

// MessageResend makes one more attempt to deliver a message to an endpoint, whatever the result so far and whether
// or not the endpoint would receive the message today. A disabled endpoint is a conflict.
func (s *Service) MessageResend(ctx context.Context, scope Scope, appRef, ref, endpointRef string) error {
	if err := scope.may(CapabilityCreateAttempts); err != nil {
		return err
	}
	m, err := s.MessageGet(ctx, scope, appRef, ref)
	if err != nil {
		return err
	}
	e, err := s.store.EndpointGet(ctx, m.AppID, endpointRef)
	if err != nil {
		return noEndpoint(err, scope.OrgID, m.AppID, endpointRef)
	}
	if m.Payload == nil {
		return &Error{
			Kind: KindBadRequest, Code: "missing_payload",
			Message: "The message cannot be resent: its payload has expired or was expunged.",
		}
	}
	return s.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		if err := lockEnabled(ctx, tx, e); err != nil {
			return err
		}
		return tx.DeliveryResend(ctx, m.AppID, m.ID, e.ID, s.now())
	})
}

// lockEnabled keeps the endpoint enabled until the unit of work ends. Deliveries created by then are promised to the
// client, but workers drop the deliveries of a disabled endpoint.
func lockEnabled(ctx context.Context, tx Tx, e Endpoint) error {
	locked, err := tx.EndpointLock(ctx, e.AppID, string(e.ID))
	if err != nil {
		return noEndpoint(err, "", e.AppID, string(e.ID))
	}
	if locked.Disabled {
		return EndpointDisabled()
	}
	return nil
}
