package coretest

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
)

// DeliveryDropByEndpoint implements [core.Tx].
func (s *Store) DeliveryDropByEndpoint(_ context.Context, _ core.AppID, id core.EndpointID) (int64, error) {
	s.Dropped = append(s.Dropped, id)
	return 0, nil
}

// DeliveryInsert implements [core.Tx].
func (s *Store) DeliveryInsert(_ context.Context, app core.AppID, message core.MessageID, endpoint core.EndpointID, _ time.Time) error {
	s.Deliveries = append(s.Deliveries, core.Delivery{AppID: app, MessageID: message, EndpointID: endpoint})
	return nil
}

// DeliveryResend implements [core.Tx].
func (s *Store) DeliveryResend(_ context.Context, app core.AppID, message core.MessageID, endpoint core.EndpointID, _ time.Time) error {
	s.Deliveries = append(s.Deliveries, core.Delivery{AppID: app, MessageID: message, EndpointID: endpoint, Manual: true})
	return nil
}
