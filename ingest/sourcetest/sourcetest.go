// Package sourcetest is the conformance suite for message sources: it tests on a real adapter and its broker what the
// run loop relies on. The adapter's test provides the broker, which may be real, embedded or a fake. The package knows
// no broker, and stores messages in memory unless it is given a sink.
package sourcetest

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// Broker is a broker with one place that messages are taken from, and another for dead letters, both new.
type Broker interface {
	// Source makes a consumer of that place, which has connected to nothing yet. All are of one group.
	Source(t testing.TB) ingest.Source
	// Produce publishes messages in this order, and returns when the broker has them.
	Produce(t testing.TB, messages ...Produced)
	// DeadLetters are those that were put aside so far.
	DeadLetters(t testing.TB) []DeadLetter
	// Remake deletes the place with all that is in it, and makes it again under its name, with these
	// messages in it.
	Remake(t testing.TB, messages ...Produced)
	// Widen adds a part of the place that consumers do not know yet (a partition, message group, subject
	// or binding) and publishes messages to it at once.
	Widen(t testing.TB, messages ...Produced)
	// Odd is messages with what this broker's types allow and nobody expects.
	Odd(t testing.TB) []Odd
	// CloseDeadLetters makes it impossible to put dead letters aside until it is undone. It skips the test
	// where that cannot be done.
	CloseDeadLetters(t testing.TB) (reopen func())
	// Break ends all connections of consumers and lets nobody connect, until Mend.
	Break(t testing.TB)
	Mend(t testing.TB)
}

// Produced is a message to publish.
type Produced struct {
	Group   string // messages of one group are to be stored in order
	Body    string
	Headers map[string]string
}

// Odd is one odd message. If its body is [OddBody] of its name it may be stored; any may be refused.
type Odd struct {
	Name   string
	Send   func(t testing.TB) // publishes it, and returns when the broker has it
	Hidden bool               // consumers never see it, as what belongs to an aborted transaction
}

// DeadLetter is a message that was put aside.
type DeadLetter struct {
	Body   string
	Reason string
}

// Suite is the suite for one adapter.
type Suite struct {
	Broker func(t testing.TB) Broker

	// HoldsFor is how long this broker waits for a batch before it hands it out again, unless it is told
	// that the batch is still worked on; 0: as long as the connection lasts.
	HoldsFor time.Duration

	// What is special about the broker:
	Unordered bool // it keeps no order
	Solo      bool // it keeps one only as long as one consumer takes its messages
	Readable  bool // it holds no message that cannot be read

	// Instead of memory and the format json:
	Sink   func(t testing.TB, b Broker) ingest.Sink
	Decode ingest.Decoder
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	whole := s.complete(t)
	for name, test := range map[string]func(*testing.T, Suite){
		"ChecksWhatItNeeds":              checks,
		"KeepsTheOrder":                  order,
		"AcknowledgesWhatIsStored":       acknowledges,
		"HandsOutAgainWhatIsNotSettled":  redelivers,
		"SettlesOneByOne":                settles,
		"PutsPoisonAside":                poison,
		"TakesNoMoreThanItCanStore":      backPressure,
		"KeepsWhatIsWorkedOn":            extends,
		"StopsInTheMiddle":               shutdown,
		"ReconnectsAndLosesNothing":      reconnect,
		"SharesAmongConsumersThatChange": rebalance,
		"CarriesTheTrace":                carriesTrace,
		"IsMadeAgainWithABatchInHand":    remade,
		"IsMadeAgainWhileItIsAwaited":    remadeIdle,
		"TakesWhatArrivesInANewPart":     widened,
		"GoesOnBehindOddMessages":        odd,
		"WaitsForThePlaceOfDeadLetters":  waitsForDeadLetters,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, whole)
		})
	}
}

// complete is the suite with a decoder.
func (s Suite) complete(t *testing.T) Suite {
	t.Helper()
	complete := s
	if s.Decode == nil {
		decode, err := ingest.Format{}.Decoder(testOrg)
		if err != nil {
			t.Fatal(err)
		}
		complete.Decode = decode
	}
	return complete
}

const testOrg core.OrgID = "org_test"
