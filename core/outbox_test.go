package core_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

// newOutbox returns the use cases of sources on a store whose outbox has messages 1 to n, and the messages.
func newOutbox(n int) (*core.Ingest, *coretest.Store, []core.IngestIn) {
	_, store := newService(core.EndpointRules{})
	var ins []core.IngestIn
	for i := range n {
		key := core.OutboxKey{ID: int64(i + 1), TxID: 700}
		store.Outbox = append(store.Outbox, key)
		ins = append(ins, core.IngestIn{
			OrgID: "org_a", AppRef: "acme", Position: key.Position(),
			MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte("{}")},
		})
	}
	return core.NewIngest(store, coretest.Inserter{Store: store}, func() time.Time { return now }), store, ins
}

func letters(store *coretest.Store) (ids []int64) {
	for _, letter := range store.Letters {
		ids = append(ids, letter.ID)
	}
	return ids
}

func TestOutboxIngestPutsPoisonAside(t *testing.T) {
	t.Parallel()
	ingest, store, ins := newOutbox(5)
	ins[1].EventType = "a b"
	ins[2].AppRef = "nobody"
	ins[3].Err = core.Invalid("unreadable", "body")
	for i, o := range ingest.OutboxIngestMany(t.Context(), ins) {
		if bad := i >= 1 && i <= 3; (o.Err != nil) != bad || o.Again() || o.Known {
			t.Errorf("message %d: %+v", i+1, o)
		}
	}
	if len(store.Messages) != 2 || len(store.Outbox) != 0 || !slices.Equal(letters(store), []int64{2, 3, 4}) {
		t.Errorf("%d messages, %d left, letters %+v", len(store.Messages), len(store.Outbox), store.Letters)
	}
	if slices.ContainsFunc(store.Messages, func(m core.NewMessage) bool { return m.KeyHash != nil }) {
		t.Error("a message has an idempotency key, which costs a row; the outbox holds each message only once")
	}
	if want := "Validation error; unreadable"; len(store.Letters) == 3 && store.Letters[2].Reason != want {
		t.Errorf("the reason is %s, want %s", store.Letters[2].Reason, want)
	}
}

func TestOutboxIngestKnowsWhatAnotherProcessTook(t *testing.T) {
	t.Parallel()
	ingest, store, ins := newOutbox(3)
	store.Outbox[1].TxID = 900 // another message, which got the id after a TRUNCATE
	outcomes := ingest.OutboxIngestMany(t.Context(), ins)
	for i, o := range outcomes {
		if o.Known != (i == 1) || o.Err != nil {
			t.Errorf("message %d: %+v", i+1, o)
		}
	}
	if len(store.Messages) != 2 || len(store.Outbox) != 1 || store.Outbox[0].TxID != 900 {
		t.Errorf("%d messages, left %+v", len(store.Messages), store.Outbox)
	}
}

// The same event may have been sent over REST. A different message with its event id must not be lost silently.
func TestOutboxIngestComparesMessagesOfOneEventID(t *testing.T) {
	t.Parallel()
	ingest, store, ins := newOutbox(2)
	store.Messages = []core.NewMessage{{Message: core.Message{
		AppID: "app_1", ID: sentMessage, EventID: new("e"), EventType: "order.placed", Payload: new("{}"),
	}}}
	ins[0].EventID, ins[1].EventID = new("e"), new("e")
	ins[1].Payload = []byte(`{"n":1}`)
	outcomes := ingest.OutboxIngestMany(t.Context(), ins)
	if !outcomes[0].Known || outcomes[0].Err != nil || outcomes[0].Message.ID != sentMessage {
		t.Errorf("the same message: %+v", outcomes[0])
	}
	if wantError(t, outcomes[1].Err, core.KindConflict, "conflict"); !slices.Equal(letters(store), []int64{2}) || len(store.Messages) != 1 {
		t.Errorf("%d messages, letters %+v", len(store.Messages), store.Letters)
	}
}

func TestOutboxIngestRetriesWhatIsNotTheMessagesFault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault   func(*coretest.Store)
		ids     []int64 // of the messages that are stored
		retried []bool
	}{
		"statement fails": {
			func(s *coretest.Store) { s.UnitErr = func([]core.NewMessage) error { return errors.New("broken") } },
			nil, []bool{true, true, true, true},
		},
		"one message fails": {
			func(s *coretest.Store) {
				s.MessageErr = func(m core.NewMessage) error {
					if m.EventType == "heavy" {
						return &core.Error{Kind: core.KindUnavailable}
					}
					return nil
				}
			}, nil, []bool{true, true, true, true},
		},
		"one message exhausts the database": {
			func(s *coretest.Store) { s.UnitErr = onHeavy(core.Exhausted(nil)) },
			[]int64{1, 2}, []bool{false, false, true, true},
		},
		"one message is refused by the database": {
			func(s *coretest.Store) { s.UnitErr = onHeavy(core.Refused("a rule", nil)) },
			[]int64{1, 2, 4}, []bool{false, false, false, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ingest, store, ins := newOutbox(4)
			ins[2].EventType = "heavy"
			test.fault(store)
			for i, o := range ingest.OutboxIngestMany(t.Context(), ins) {
				if o.Again() != test.retried[i] || (o.Err == nil) != slices.Contains(test.ids, int64(i+1)) {
					t.Errorf("message %d: %+v", i+1, o)
				}
			}
			if len(store.Messages) != len(test.ids) || len(store.Outbox) != 4-len(test.ids) || store.Letters != nil {
				t.Errorf("%d messages, left %+v, letters %+v", len(store.Messages), store.Outbox, store.Letters)
			}
		})
	}
}

// onHeavy returns err for units of work with a heavy message.
func onHeavy(err error) func([]core.NewMessage) error {
	return func(messages []core.NewMessage) error {
		if slices.ContainsFunc(messages, func(m core.NewMessage) bool { return m.EventType == "heavy" }) {
			return err
		}
		return nil
	}
}

func TestOutboxIngestNeedsAPosition(t *testing.T) {
	t.Parallel()
	for _, position := range []string{"", "1", "a/700", "1/b", "1/-1"} {
		ingest, store, ins := newOutbox(1)
		ins[0].Position = position
		if o := ingest.OutboxIngestMany(t.Context(), ins)[0]; o.Err == nil || len(store.Messages) != 0 {
			t.Errorf("%q: %+v", position, o)
		}
	}
}
