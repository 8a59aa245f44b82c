package core

import (
	"context"
)

// HealthGet tells whether the service can do its work.
func (s *Service) HealthGet(ctx context.Context) error { return s.store.Ping(ctx) }
