// Package rabbitmqtest runs RabbitMQ in containers for tests. It does not know what they test.
package rabbitmqtest

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/testcontainers/testcontainers-go"
)

// Port is the port of AMQP.
const Port = "5672/tcp"

// Run starts a server of E2E_RABBITMQ_IMAGE, or of a public image, which may not let anybody in yet. It labels the container
// with E2E_LABEL, by which it can be found after a test was killed. Like testcontainers.Run, it may return a container beside
// an error.
func Run(ctx context.Context) (testcontainers.Container, error) {
	options := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(Port),
		// Idle schedulers of Erlang would keep a processor busy, to react a little sooner.
		testcontainers.WithEnv(map[string]string{"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none"}),
	}
	if name, value, found := strings.Cut(os.Getenv("E2E_LABEL"), "="); found {
		options = append(options, testcontainers.WithLabels(map[string]string{name: value}))
	}
	return testcontainers.Run(ctx, cmp.Or(os.Getenv("E2E_RABBITMQ_IMAGE"), "rabbitmq:4"), options...)
}
