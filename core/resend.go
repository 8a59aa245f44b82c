package core

import "context"

// MessageResend makes one attempt to deliver a message to an endpoint once more, whatever came of it
// so far and whether or not the endpoint would get it today. To a disabled endpoint nothing is sent.
func (s *Service) MessageResend(ctx context.Context, scope Scope, appRef, ref, endpointRef string) error {
	if err := scope.may(CapabilityCreateAttempts); err != nil {
		return err
	}
	m, err := s.MessageGet(ctx, scope, appRef, ref)
	if err != nil {
		return err
	}
	e, err := s.Store.EndpointGet(ctx, m.AppID, endpointRef)
	if err != nil {
		return err
	}
	if m.Payload == nil {
		return &Error{
			Kind: KindBadRequest, Code: "missing_payload",
			Message: "Unable to resend message. Payload is missing (probably expired).",
		}
	}
	if e.Disabled {
		return nil
	}
	return s.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		return tx.DeliveryResend(ctx, m.AppID, m.ID, e.ID, s.now())
	})
}
