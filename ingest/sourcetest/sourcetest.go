// Package sourcetest is the conformance suite for message sources: it runs a real adapter against its broker and
// tests what the run loop relies on. The adapter's test provides the broker, which may be real, embedded or a fake.
// The package knows no broker, and stores messages in memory unless it is given a sink.
package sourcetest

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/ingest"
)

// Broker is a broker with one place that messages are received from, and another for dead letters. Both start empty.
type Broker interface {
	// Source returns a consumer of that place, not connected yet. All consumers belong to one group.
	Source(t testing.TB) ingest.Source
	// Produce publishes messages in this order, and returns when the broker has stored them.
	Produce(t testing.TB, messages ...Produced)
	// DeadLetters returns the dead letters stored so far.
	DeadLetters(t testing.TB) []DeadLetter
	// Remake deletes the place with its contents, and recreates it under the same name with these messages.
	Remake(t testing.TB, messages ...Produced)
	// Widen adds a part of the place that consumers do not know yet (a partition, message group, subject or binding)
	// and publishes messages to it at once.
	Widen(t testing.TB, messages ...Produced)
	// Odd returns messages that this broker's types allow but nobody expects.
	Odd(t testing.TB) []Odd
	// CloseDeadLetters makes storing dead letters fail until reopen is called. It skips the test on brokers where
	// that is not possible.
	CloseDeadLetters(t testing.TB) (reopen func())
	// Break closes all connections of consumers and rejects new ones, until Mend.
	Break(t testing.TB)
	Mend(t testing.TB)
}

// Produced is a message to publish.
type Produced struct {
	Group   string // messages of one group must be stored in order
	Body    string
	Headers map[string]string
}

// Odd is one odd message. If its body is the [OddBody] for its name, it may be stored; any odd message may be
// refused.
type Odd struct {
	Name   string
	Send   func(t testing.TB) // publishes it, and returns when the broker has stored it
	Hidden bool               // consumers never see it, such as a message of an aborted transaction
}

// DeadLetter is a stored dead letter.
type DeadLetter struct {
	Body   string
	Reason string
}

// Suite is the suite for one adapter.
type Suite struct {
	Broker func(t testing.TB) Broker

	// HoldsFor is how long the broker waits for a batch before it redelivers it, unless the batch is extended; 0: as
	// long as the connection lasts.
	HoldsFor time.Duration

	// Properties of the broker:
	Unordered bool // it does not keep order
	Solo      bool // it keeps order only with a single consumer
	Readable  bool // it cannot hold unreadable messages
	Uncounted bool // it does not tell how many dead letters there are

	// Replacements for the in-memory sink and the json format:
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
		"TellsHowManyMessagesThereAre":   depth,
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

// complete returns the suite with its decoder set.
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
