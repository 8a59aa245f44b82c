package sqs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

func TestDeadLetterIsWholeAndSaysWhy(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	attributes := map[string]sqsfake.Value{
		"cents":   {DataType: "Number.cents", StringValue: "250"},
		"picture": {DataType: "Binary", BinaryValue: []byte("GIF")},
		// It was a dead letter before.
		ingest.ReasonHeader: {DataType: "String", StringValue: "an old reason"},
	}
	b.send(t, sqsfake.Entry{MessageBody: "a body", MessageGroupId: "red", MessageAttributes: attributes, MessageSystemAttributes: map[string]sqsfake.Value{
		"AWSTraceHeader": {DataType: "String", StringValue: "Root=1-5759e988-bd862e3fe1be46a994272793"},
	}})
	id := b.fake.Left(b.name())[0].ID
	settlements := judged(receive(t, s), ingest.DeadLetter)
	settlements[0].Reason = "it has \x00no " + strings.Repeat("ä", 1000)
	if err := s.Settle(t.Context(), settlements); err != nil {
		t.Fatal(err)
	}
	if left := b.inQueue(b.name()); len(left) > 0 {
		t.Errorf("it is still in its queue")
	}
	m := b.deadMessages(t)[0]
	if *m.Body != "a body" || m.Attributes["MessageGroupId"] != "red" || m.Attributes["AWSTraceHeader"] != "Root=1-5759e988-bd862e3fe1be46a994272793" {
		t.Errorf("it lies there as %q, with %v", *m.Body, m.Attributes)
	}
	if cents, picture := m.MessageAttributes["cents"], m.MessageAttributes["picture"]; *cents.DataType != "Number.cents" || string(picture.BinaryValue) != "GIF" {
		t.Errorf("attributes: %v, %v", cents, picture)
	}
	reason, origin := *m.MessageAttributes[ingest.ReasonHeader].StringValue, *m.MessageAttributes[originAttribute].StringValue
	if !strings.HasPrefix(reason, "it has no ä") || len(reason) > 1024 || origin != "orders.fifo/"+id {
		t.Errorf("reason %q, origin %q", reason, origin)
	}
}

func TestDeadLetterHasTenAttributesAtMost(t *testing.T) {
	t.Parallel()
	for before, want := range map[int]struct{ reason, origin bool }{
		8: {true, true}, 9: {true, false}, 10: {false, false},
	} {
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			t.Parallel()
			s, b, j := special(t, false)
			attributes := map[string]sqsfake.Value{}
			for i := range before {
				attributes[fmt.Sprint("attribute-", i)] = sqsfake.Value{DataType: "String", StringValue: "x"}
			}
			b.send(t, sqsfake.Entry{MessageBody: "a body", MessageAttributes: attributes})
			if err := s.Settle(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
				t.Fatal(err)
			}
			got := b.fake.Left(b.deadName())[0].Attributes
			_, reason := got[ingest.ReasonHeader]
			_, origin := got[originAttribute]
			if reason != want.reason || origin != want.origin {
				t.Errorf("it has a reason: %t, an origin: %t; want %+v", reason, origin, want)
			}
			for name := range maps.Keys(attributes) {
				if _, there := got[name]; !there {
					t.Errorf("%s is missing", name)
				}
			}
			if logged := strings.Contains(j.String(), "nobody can read it"); logged == want.reason {
				t.Errorf("the log has the reason: %t", logged)
			}
		})
	}
}

func TestDeadLetterThatIsFullGoesWithoutReason(t *testing.T) {
	t.Parallel()
	s, b, j := special(t, false)
	b.send(t, sqsfake.Entry{MessageBody: strings.Repeat("x", 1<<20)})
	if err := s.Settle(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
		t.Fatal(err)
	}
	if got := b.fake.Left(b.deadName()); len(got) != 1 || len(got[0].Attributes) > 0 {
		t.Errorf("put down: %v", got)
	}
	if !strings.Contains(j.String(), "nobody can read it") {
		t.Errorf("the reason is lost: %s", j)
	}
}

func TestDeadLetterLargerThanItsQueueTakes(t *testing.T) {
	t.Parallel()
	large := map[string]sqsfake.Value{"own": {DataType: "String", StringValue: strings.Repeat("a", 2000)}}
	for name, test := range map[string]struct {
		most       string // bytes that the queue for dead letters takes
		body       string
		attributes map[string]sqsfake.Value
		left       string // what the log says was left out
		names      []string
		want       int // bytes of the body
	}{
		"with its attributes": {
			"5000", strings.Repeat("x", 3800), large, "headers",
			[]string{ingest.LeftOutHeader, originAttribute, ingest.ReasonHeader}, 3800,
		},
		"with our attributes": {"5000", strings.Repeat("x", 5000), large, "headers, reason", nil, 5000},
		"by its body": {
			"5000", "x" + strings.Repeat("é", 10_000), nil, "17501 of 20001 bytes of the body",
			[]string{ingest.CutHeader, originAttribute, ingest.ReasonHeader}, 2499,
		},
		"by far": {
			"1024", strings.Repeat("x", 1<<20), nil, "1048064 of 1048576 bytes of the body",
			[]string{ingest.CutHeader, originAttribute, ingest.ReasonHeader}, 512,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, j := special(t, false)
			b.fake.SetAttribute(b.deadName(), "MaximumMessageSize", test.most)
			b.send(t, sqsfake.Entry{MessageBody: test.body, MessageAttributes: test.attributes})
			settlements := judged(receive(t, s), ingest.DeadLetter)
			settlements[0].Reason = "nobody can read it" + strings.Repeat("!", 1<<20)
			if err := s.Settle(t.Context(), settlements); err != nil {
				t.Fatal(err)
			}
			got := b.fake.Left(b.deadName())
			if left := b.inQueue(b.name()); len(left) > 0 || len(got) != 1 {
				t.Fatalf("%d messages are left, %d dead letters are there", len(left), len(got))
			}
			if names := slices.Sorted(maps.Keys(got[0].Attributes)); !slices.Equal(names, test.names) || len(got[0].Body) != test.want {
				t.Errorf("it has %d bytes and the attributes %q, want %d and %q", len(got[0].Body), names, test.want, test.names)
			}
			if !strings.HasPrefix(test.body, got[0].Body) {
				t.Error("its body is not the start of its message's")
			}
			log := strings.ReplaceAll(j.String(), `"`, "")
			for _, part := range []string{"left_out=" + test.left, "topic=orders", settlements[0].Message.Position, "nobody can read it"} {
				if strings.Count(log, "\n") != 1 || !strings.Contains(log, part) {
					t.Errorf("the log does not say once %q: %.1000s", part, log)
				}
			}
		})
	}
}

// SQS may accept a text as a message but refuse it as a dead letter, depending on its version of Unicode.
func TestDeadLetterWhoseBodyIsRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{"good, then bad": "goo", "bad": nothing} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			s, b, _ := special(t, false)
			b.send(t, sqsfake.Entry{MessageBody: body})
			b.fake.Script(func(call string, r *sqsfake.Request, _ *sqsfake.Entry) *sqsfake.Refusal {
				if call == "SendMessage" && strings.ContainsAny(r.MessageBody, "ba,") {
					return &sqsfake.Refusal{Code: "InvalidMessageContents", Text: "no"}
				}
				return nil
			})
			if err := s.Settle(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
				t.Fatal(err)
			}
			got := b.fake.Left(b.deadName())
			if len(got) != 1 || got[0].Body != want || got[0].Attributes[ingest.CutHeader].StringValue != fmt.Sprint(len(body)) {
				t.Errorf("put down: %+v", got)
			}
		})
	}
}

func TestDeadLetterQueueOfAnotherKind(t *testing.T) {
	t.Parallel()
	for fifo, dead := range map[bool]string{true: "dead", false: "dead.fifo"} {
		t.Run(dead, func(t *testing.T) {
			t.Parallel()
			s, b, _ := special(t, fifo)
			b.fake.Create(dead, "")
			b.fake.SetAttribute(b.name(), "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:`+dead+`","maxReceiveCount":1000}`)
			group := map[bool]string{true: "red", false: ""}[fifo]
			b.send(t, sqsfake.Entry{MessageBody: "a body", MessageGroupId: group})
			if err := s.Settle(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
				t.Fatal(err)
			}
			if got := b.inQueue(dead); !slices.Equal(got, []string{"a body"}) {
				t.Errorf("put down: %q", got)
			}
		})
	}
}

// A dead letter that fails blocks the messages after it; those before it are settled once.
func TestDeadLettersAreAtTheirPlaceBeforeTheyAreAcknowledged(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	b.send(t, numbered("", 5)...)
	batch := receive(t, s)
	settlements := judged(batch, ingest.DeadLetter, ingest.Ack, ingest.DeadLetter, ingest.Ack, ingest.DeadLetter)
	var sent atomic.Int32
	b.fake.Script(func(call string, _ *sqsfake.Request, _ *sqsfake.Entry) *sqsfake.Refusal {
		if call == "SendMessage" && sent.Add(1) == 2 {
			return &sqsfake.Refusal{Code: "AccessDenied", Text: "no"}
		}
		return nil
	})
	if err := s.Settle(t.Context(), settlements); err == nil {
		t.Error("a dead letter could not be put down, and it is no error")
	}
	if left := b.inQueue(b.name()); !slices.Equal(left, bodies(batch[2:])) {
		t.Errorf("left are %q, want %q", left, bodies(batch[2:]))
	}
	b.fake.Script(nil)
	if err := s.Settle(t.Context(), settlements); err != nil {
		t.Fatal(err)
	}
	if left := b.inQueue(b.name()); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	if dead := b.inQueue(b.deadName()); !slices.Equal(dead, []string{" 0", " 2", " 4"}) {
		t.Errorf("put down are %q", dead)
	}
}

func TestDeadLetterIsPutDownOnce(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	b.send(t, numbered("", 1)...)
	settlements := judged(receive(t, s), ingest.DeadLetter)
	b.fake.Script(func(call string, _ *sqsfake.Request, _ *sqsfake.Entry) *sqsfake.Refusal {
		if call == "DeleteMessageBatch" {
			return &sqsfake.Refusal{Code: "AccessDenied", Text: "no"}
		}
		return nil
	})
	if err := s.Settle(t.Context(), settlements); err == nil {
		t.Error("it could not be deleted, and it is no error")
	}
	b.fake.Script(nil)
	if err := s.Settle(t.Context(), settlements); err != nil {
		t.Fatal(err)
	}
	if dead := b.inQueue(b.deadName()); len(dead) != 1 {
		t.Errorf("it was put down %d times", len(dead))
	}
}

func TestQueueWithoutAPlaceForDeadLettersDoesNotWork(t *testing.T) {
	t.Parallel()
	policy := func(text string) func(*sqsfake.Fake) func() {
		return func(f *sqsfake.Fake) func() { f.SetAttribute("orders", "RedrivePolicy", text); return func() {} }
	}
	without := func(queue string) func(*sqsfake.Fake) func() {
		return func(f *sqsfake.Fake) func() { return f.Remove(queue) }
	}
	for name, test := range map[string]struct {
		spoil func(*sqsfake.Fake) (restore func())
		want  string
	}{
		"no policy":       {policy(""), "the queue orders has no redrive policy"},
		"no JSON":         {policy("{"), "the redrive policy of the queue orders cannot be read"},
		"no ARN":          {policy("{}"), "names no queue"},
		"no such queue":   {without("orders-dead"), "the queue orders-dead, for dead letters of orders, cannot be found"},
		"no queue at all": {without("orders"), "the queue orders cannot be looked at"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, _ := special(t, false)
			b.send(t, numbered("", 1)...)
			batch := receive(t, s)
			restore := test.spoil(b.fake)
			if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the check says %v, want %q", err, test.want)
			}
			if err := s.Settle(t.Context(), judged(batch, ingest.DeadLetter)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("a dead letter: %v, want %q", err, test.want)
			}
			restore()
			if len(b.fake.Left("orders")) != 1 {
				t.Error("the message is lost")
			}
		})
	}
}

func TestDeadLettersFollowTheRedrivePolicy(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.send(t, numbered("", 1)...)
	settlements := judged(receive(t, s), ingest.DeadLetter)
	b.fake.Create("elsewhere", "")
	b.fake.SetAttribute("orders", "RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:elsewhere","maxReceiveCount":1000}`)
	b.fake.Remove("orders-dead")
	if err := s.Settle(t.Context(), settlements); err == nil {
		t.Error("the place of dead letters is gone, and it is no error")
	}
	if err := s.Settle(t.Context(), settlements); err != nil {
		t.Error(err)
	}
	if dead := b.inQueue("elsewhere"); len(dead) != 1 {
		t.Errorf("put down are %q", dead)
	}
}

// If a consumer dies between storing a dead letter and deleting its message, another consumer does both again.
func TestFIFODeadLetterIsPutDownOnceByTwo(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	b.send(t, numbered("red", 1)...)
	if _, err := s.putDown(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
		t.Fatal(err)
	}
	b.fake.Forget()
	if err := s.Settle(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
		t.Fatal(err)
	}
	if dead, left := b.inQueue(b.deadName()), b.inQueue(b.name()); len(dead) != 1 || len(left) > 0 {
		t.Errorf("it was put down %d times, and is left %d times", len(dead), len(left))
	}
}
