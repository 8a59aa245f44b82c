package core

import (
	"context"
)

// HealthGet returns an error if the service cannot do its work.
func (s *Service) HealthGet(ctx context.Context) error { return s.store.Ping(ctx) }
