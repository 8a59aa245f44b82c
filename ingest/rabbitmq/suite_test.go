package rabbitmq

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

func TestConformanceOfQuorumQueues(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{Broker: patient(t, quorum), Solo: true}.Run(t)
}

func TestConformanceOfClassicQueues(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{Broker: patient(t, classic), Solo: true}.Run(t)
}

// patient returns brokers whose connections are restored once the server has noticed that they were gone.
func patient(t testing.TB, arguments amqp.Table) func(testing.TB) sourcetest.Broker {
	t.Helper()
	s := theServer(t)
	return func(t testing.TB) sourcetest.Broker {
		t.Helper()
		return restless{newBroker(t, s, arguments)}
	}
}

// restless is a broker whose consumers soon subscribe again.
type restless struct{ *broker }

func (b restless) Source(t testing.TB) ingest.Source {
	t.Helper()
	s := b.source(t)
	s.silence = time.Second
	return s
}

// hasty is a broker whose connections are restored before that.
type hasty struct{ restless }

func (b hasty) Break(testing.TB) { b.proxy.Break() }

func TestConformanceWithASingleActiveConsumer(t *testing.T) {
	t.Parallel()
	s := theServer(t)
	sourcetest.Suite{Broker: func(t testing.TB) sourcetest.Broker {
		t.Helper()
		return hasty{restless{newBroker(t, s, single)}}
	}}.Run(t)
}
