package nats

import (
	"testing"

	"github.com/postrider/postrider/ingest/sourcetest"
)

// Solo is not set: a server would share out a stream without any order, but our consumers take turns.

func TestConformanceWhileTheServerRestarts(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{
		Broker: func(t testing.TB) sourcetest.Broker {
			t.Helper()
			return newBroker(t)
		},
		HoldsFor: holdsFor,
	}.Run(t)
}

// cutBroker is a broker whose connections break while the server continues to deliver to them.
type cutBroker struct{ *broker }

func (b cutBroker) Break(testing.TB) { b.proxy.Break() }
func (b cutBroker) Mend(testing.TB)  { b.proxy.Mend() }

func TestConformanceWhileConnectionsBreak(t *testing.T) {
	t.Parallel()
	sourcetest.Suite{
		Broker: func(t testing.TB) sourcetest.Broker {
			t.Helper()
			return cutBroker{newBroker(t)}
		},
		HoldsFor: holdsFor,
	}.Run(t)
}
