package telemetry

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Process describes the process to those who read its metrics and traces.
type Process struct {
	Version   string
	Component string // the command that runs it, such as "api"
}

// instanceID tells this process from all others, as the semantic conventions want it: random, and the same for all
// signals.
var instanceID = uuid.NewString()

// resource returns the attributes of all metrics and spans. Those from the environment override ours.
func (p Process) resource(ctx context.Context) (*resource.Resource, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(
			attribute.String("service.name", "postrider"), attribute.String("service.version", p.Version),
			attribute.String("service.instance.id", instanceID), attribute.String("postrider.component", p.Component),
		),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}
