package sqs

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sqs/sqsfake"
)

// notified returns the envelope that SNS makes of a message.
func notified(t *testing.T, message string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:sales.fifo",
		"SequenceNumber": "10000000000000000000", "Subject": "an order", "Message": message, "Timestamp": "2026-01-02T03:04:05.678Z",
		"SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "https://sns.example/cert", "UnsubscribeURL": "https://sns.example/bye",
		"MessageAttributes": map[string]any{
			"traceparent": map[string]string{"Type": "String", "Value": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
			"cents":       map[string]string{"Type": "Number", "Value": "250"},
			"tags":        map[string]string{"Type": "String.Array", "Value": `["a","b"]`},
			"picture":     map[string]string{"Type": "Binary", "Value": "R0lG"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNotificationIsTakenOutOfItsEnvelope(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"JSON":          `{"application": "acme", "payload": {"n": 12345678901234567890.10}}`,
		"odd spaces":    " { \t\"a\":\r\n1 }\n",
		"escapes in it": `{"a": "\u00e4\n\"\\ \/ <&>"}`,
		"plain text":    "Grüße, 世界 🚚 \u2028 <b>&amp;</b>",
		"nothing":       "",
		"an envelope":   notified(t, "inner"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, _ := special(t, true)
			b.send(t, sqsfake.Entry{MessageBody: notified(t, message), MessageGroupId: "red"})
			m := receive(t, s)[0]
			if string(m.Body) != message {
				t.Errorf("the body is %q, want %q", m.Body, message)
			}
			if m.Topic != "sales.fifo" || m.Key != "red" || m.Position != "sns-1" {
				t.Errorf("topic %q, key %q, position %q", m.Topic, m.Key, m.Position)
			}
			want := ingest.Headers{
				"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cents": "250", "tags": `["a","b"]`,
			}
			if !maps.Equal(m.Headers, want) {
				t.Errorf("headers %v, want %v", m.Headers, want)
			}
		})
	}
}

func TestDeadNotificationKeepsItsEnvelope(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, true)
	text := notified(t, "{")
	b.send(t, sqsfake.Entry{MessageBody: text, MessageGroupId: "red"})
	if err := s.Settle(t.Context(), judged(receive(t, s), ingest.DeadLetter)); err != nil {
		t.Fatal(err)
	}
	if got := b.inQueue(b.deadName()); len(got) != 1 || got[0] != text {
		t.Errorf("put down: %q, want %q", got, text)
	}
}

func TestWhatIsNoNotificationStaysAsItIs(t *testing.T) {
	t.Parallel()
	const arn = `"TopicArn": "arn:aws:sns:eu-central-1:1:orders"`
	for name, body := range map[string]string{
		"a subscription": `{"Type": "SubscriptionConfirmation", "MessageId": "1", ` + arn + `, "Message": "confirm"}`,
		"no message":     `{"Type": "Notification", "MessageId": "1", ` + arn + `}`,
		"no id":          `{"Type": "Notification", ` + arn + `, "Message": "m"}`,
		"no topic":       `{"Type": "Notification", "MessageId": "1", "Message": "m"}`,
		"no ARN":         `{"Type": "Notification", "MessageId": "1", "TopicArn": "orders", "Message": "m"}`,
		"an object":      `{"Type": "Notification", "MessageId": "1", ` + arn + `, "Message": {}}`,
		"no JSON":        `"Notification" "TopicArn"`,
		"inside":         `{"a": {"Type": "Notification", "MessageId": "1", ` + arn + `, "Message": "m"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b, _ := special(t, false)
			b.send(t, sqsfake.Entry{MessageBody: body})
			if m := receive(t, s)[0]; string(m.Body) != body || m.Topic != "orders" || m.Position == "1" {
				t.Errorf("received %q from %q at %q, sent %q", m.Body, m.Topic, m.Position, body)
			}
		})
	}
}

// If it were decoded, such a message would differ from the published one.
func TestAmbiguousEnvelopeIsADeadLetter(t *testing.T) {
	t.Parallel()
	const start = `{"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-central-1:1:orders", "Message": "{\"a\":\"`
	for body, want := range map[string]string{
		start + `\ud800\"}"}`:            "Message: holds half of a surrogate pair",
		start + `\"}", "Message": "{}"}`: "Message: given twice",
	} {
		s, b, _ := special(t, false)
		b.send(t, sqsfake.Entry{MessageBody: body})
		if m := receive(t, s)[0]; string(m.Body) != body || m.Err == nil || !strings.Contains(m.Err.Error(), want) {
			t.Errorf("received %q, %v, want %q", m.Body, m.Err, want)
		}
	}
}

func TestEnvelopeStaysIfItIsToStay(t *testing.T) {
	t.Parallel()
	s, b, _ := special(t, false)
	s.unwrap = false
	text := notified(t, "inner")
	b.send(t, sqsfake.Entry{MessageBody: text})
	if m := receive(t, s)[0]; string(m.Body) != text || m.Topic != "orders" || m.Position == "sns-1" {
		t.Errorf("received %q from %q at %q", m.Body, m.Topic, m.Position)
	}
}
