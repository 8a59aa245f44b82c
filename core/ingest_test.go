package core

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"
)

// found is a store with one message, and an inserter whose results the test sets.
type found struct {
	Store
	message Message
	calls   [][]NewMessage
	answer  func(call int, m NewMessage) Stored
}

func (f *found) ApplicationGet(context.Context, OrgID, string) (Application, error) {
	return Application{ID: "app_1"}, nil
}

func (f *found) MessageGet(_ context.Context, _ AppID, ref string) (Message, error) {
	if f.message.EventID == nil || ref != *f.message.EventID {
		return Message{}, NotFound()
	}
	return f.message, nil
}

func (f *found) MessageInsert(context.Context, NewMessage) (Message, error) { panic("one by one") }

func (f *found) MessageInsertMany(_ context.Context, messages []NewMessage) []Stored {
	stored := make([]Stored, len(messages))
	for i, m := range messages {
		stored[i] = f.answer(len(f.calls), m)
	}
	f.calls = append(f.calls, messages)
	return stored
}

func (f *found) ingest() *Ingest { return NewIngest(f, f, func() time.Time { return noon }) }

// as is the result for a message that was stored unchanged.
func as(_ int, m NewMessage) Stored { return Stored{Message: m.Message} }

func ingestIn(position string) IngestIn {
	return IngestIn{
		OrgID: "org_a", AppRef: "acme", Source: "orders", Position: position,
		MessageIn: MessageIn{EventType: "order.placed", Payload: []byte(`{"n": 1}`)},
	}
}

func TestBadMessagesOfSourcesAreRefusedAlone(t *testing.T) {
	t.Parallel()
	f := &found{answer: as}
	with := func(change func(*IngestIn)) IngestIn {
		in := ingestIn("7")
		change(&in)
		return in
	}
	outcomes := f.ingest().MessageIngestMany(t.Context(), []IngestIn{
		ingestIn("1"),
		with(func(in *IngestIn) { in.Err = Invalid("unreadable") }),
		with(func(in *IngestIn) { in.OrgID = OperationalOrg }),
		with(func(in *IngestIn) { in.OrgID = "" }),
		with(func(in *IngestIn) { in.AppRef = "" }),
		with(func(in *IngestIn) { in.AppRef = "a\x00b" }),
		with(func(in *IngestIn) { in.EventType = "a b" }),
		with(func(in *IngestIn) { in.Payload = []byte("[]") }),
		with(func(in *IngestIn) { in.Payload = []byte("{\"a\": \"\xff\"}") }),
		with(func(in *IngestIn) { in.Channels = []string{} }),
		ingestIn("2"),
	})
	for i, o := range outcomes {
		good := i == 0 || i == len(outcomes)-1
		if good != (o.Err == nil) || o.Again() || !good && Reason(o.Err) == "" {
			t.Errorf("message %d: %v", i, o.Err)
		}
	}
	if len(f.calls) != 1 || len(f.calls[0]) != 2 || f.calls[0][0].ID >= f.calls[0][1].ID {
		t.Errorf("stored %v, want the two good ones at once and in order", f.calls)
	}
}

// A message with the same name as a stored one is either that message, or a different one that must not be lost.
func TestMessagesThatAreKnown(t *testing.T) {
	t.Parallel()
	stored := Message{ID: "msg_1", EventType: "order.placed", EventID: new("e-1"), Payload: new(`{"n": 1}`)}
	byKey := func(_ int, _ NewMessage) Stored { return Stored{Message: stored} }
	byName := func(_ int, _ NewMessage) Stored { return Stored{Err: Conflict("taken")} }
	expired := stored
	expired.Payload = nil
	for name, test := range map[string]struct {
		answer  func(int, NewMessage) Stored
		there   Message
		eventID *string
		payload string
		known   bool
		kind    Kind
	}{
		"new":                              {as, stored, nil, `{"n": 1}`, false, 0},
		"by its position":                  {byKey, stored, nil, `{"n": 1}`, true, 0},
		"another with its position":        {byKey, stored, nil, `{"n": 2}`, false, KindConflict},
		"by its event id":                  {byName, stored, new("e-1"), `{"n": 1}`, true, 0},
		"another with its event id":        {byName, stored, new("e-1"), `{"n": 2}`, false, KindConflict},
		"by its event id, expired":         {byName, expired, new("e-1"), `{"n": 2}`, true, 0},
		"a conflict without an event id":   {byName, stored, nil, `{"n": 1}`, false, KindConflict},
		"an event id that is gone by then": {byName, stored, new("e-2"), `{"n": 1}`, false, KindConflict},
	} {
		f := &found{message: test.there, answer: test.answer}
		in := ingestIn("1")
		in.EventID, in.Payload = test.eventID, []byte(test.payload)
		o := f.ingest().MessageIngestMany(t.Context(), []IngestIn{in})[0]
		if o.Known != test.known || (o.Err != nil) != (test.kind != 0) || o.Err != nil && !IsKind(o.Err, test.kind) {
			t.Errorf("%s: known is %t, %v", name, o.Known, o.Err)
		}
	}
}

func TestKeysOfPositions(t *testing.T) {
	t.Parallel()
	if positionHash("orders", "") != nil {
		t.Error("a message without a position has a key")
	}
	seen := map[string][2]string{}
	for _, at := range [][2]string{{"a", "b"}, {"a", "b\x00"}, {"a\x00", "b"}, {"a\"\x00b", "c"}, {"a", "\"\x00b"}, {"", "ab"}, {"ab", "a"}} {
		key := string(positionHash(at[0], at[1]))
		if other, found := seen[key]; found {
			t.Errorf("%q and %q have the same key", at, other)
		}
		seen[key] = at
	}
	if !reflect.DeepEqual(positionHash("a", "b"), positionHash("a", "b")) {
		t.Error("the same position has two keys")
	}
}

// Large payloads take several statements. Messages after a failed statement must not be stored before it succeeds.
func TestStatementsAreBoundedAndInOrder(t *testing.T) {
	t.Parallel()
	large := []byte(`{"text": "` + strings.Repeat("x", 1<<20) + `"}`)
	ins := make([]IngestIn, 20)
	for i := range ins {
		ins[i] = ingestIn(strings.Repeat("i", i+1))
		ins[i].Payload = large
	}
	f := &found{answer: func(call int, m NewMessage) Stored {
		if call == 1 {
			return Stored{Err: &Error{Kind: KindUnavailable}}
		}
		return as(call, m)
	}}
	outcomes := f.ingest().MessageIngestMany(t.Context(), ins)
	if len(f.calls) != 2 || len(f.calls[0]) != 7 {
		t.Fatalf("%d statements, the first of %d messages; want two, of 8 MiB at most", len(f.calls), len(f.calls[0]))
	}
	for i, o := range outcomes {
		if o.Again() != (i >= 7) {
			t.Errorf("message %d: %v", i, o.Err)
		}
	}
}

func TestWhatIsToBeTriedAgain(t *testing.T) {
	t.Parallel()
	for kind, again := range map[Kind]bool{
		KindInternal: true, KindUnavailable: true, KindNotFound: false, KindInvalid: false, KindConflict: false, KindBadRequest: false,
	} {
		if got := (Ingested{Err: &Error{Kind: kind}}).Again(); got != again {
			t.Errorf("kind %d: %t", kind, got)
		}
	}
	if err := Refused("no such thing", nil); KindOf(err) != KindInternal || (Ingested{Err: err}).Again() {
		t.Error("what the database refuses is the client's fault, or is to be tried again")
	}
	if (Ingested{}).Again() {
		t.Error("what is stored is to be tried again")
	}
}

func TestIsEventID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a": true, "A-1_b.c": true, strings.Repeat("x", 256): true,
		"": false, "a b": false, "a:b": false, "ü": false, "msg_1": false, strings.Repeat("x", 257): false,
	} {
		if got := IsEventID(id); got != want {
			t.Errorf("%.20q: %t", id, got)
		}
	}
}

// A consumer that was down finds messages whose time has come. They are due, and must not be rejected.
func TestMessagesOfSourcesMayBeDue(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]struct{ waits, refused bool }{
		-100 * 24 * time.Hour:       {},
		-time.Hour:                  {},
		0:                           {},
		time.Nanosecond:             {waits: true},
		time.Minute - 1:             {waits: true},
		time.Minute:                 {waits: true},
		24 * time.Hour:              {waits: true},
		24*time.Hour + 1:            {refused: true},
		100 * 365 * 24 * time.Hour:  {refused: true},
		-100 * 365 * 24 * time.Hour: {},
	} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			f := &found{answer: as}
			in := ingestIn("1")
			in.DeliverAt = new(noon.Add(ahead))
			o := f.ingest().MessageIngestMany(t.Context(), []IngestIn{in})[0]
			if (o.Err != nil) != want.refused || want.refused && !strings.Contains(Reason(o.Err), "24 hours from now") {
				t.Fatalf("refused: %v, want %t", o.Err, want.refused)
			}
			if at := o.Message.DeliverAt; (at != nil) != want.waits || want.waits && !at.Equal(noon.Add(ahead)) {
				t.Errorf("it waits for %v, want %t", at, want.waits)
			}
			if err := in.validate(noon); (err != nil) != (ahead < time.Minute || want.refused) {
				t.Errorf("as a request it is answered %v", err)
			}
		})
	}
}

// A message that is read again after a crash is the same message, even if it has become due in the meantime.
func TestMessageThatBecameDueIsKnown(t *testing.T) {
	t.Parallel()
	now := noon
	stored := map[string]Message{}
	f := &found{answer: func(_ int, m NewMessage) Stored {
		if first, known := stored[string(m.KeyHash)]; known {
			return Stored{Message: first}
		}
		stored[string(m.KeyHash)] = m.Message
		return Stored{Message: m.Message}
	}}
	s := NewIngest(f, f, func() time.Time { return now })
	in := ingestIn("1")
	in.DeliverAt = new(noon.Add(time.Hour))
	first := s.MessageIngestMany(t.Context(), []IngestIn{in})[0]
	now = noon.Add(2 * time.Hour)
	again := s.MessageIngestMany(t.Context(), []IngestIn{in})[0]
	if first.Err != nil || first.Known || again.Err != nil || !again.Known || again.Message.ID != first.Message.ID {
		t.Errorf("first %+v, again %+v", first, again)
	}
}

func TestReasonNamesEachFieldOnce(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"Validation error; tags[0]: too long":        Invalid("too long", "body", "tags[0]"),
		"Validation error; a.b: given twice":         Invalid("a.b: given twice", "body", "a", "b"),
		"Validation error; The body must be JSON.":   Invalid("The body must be JSON.", "body"),
		"Entity not found":                           NotFound(),
		"Something went wrong on our side":           context.Canceled,
		"Validation error; It has no place to name.": Invalid("It has no place to name."),
	} {
		if got := Reason(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
