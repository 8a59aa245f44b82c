package sqs

import (
	"crypto/rand"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postrider/postrider/ingest"
	"github.com/postrider/postrider/ingest/sourcetest"
)

// fakeOnly skips tests that take a real server a minute, or that it cannot run.
func (b *broker) fakeOnly(t testing.TB) {
	t.Helper()
	if b.fake == nil {
		t.Skip(endpointVariable + " names a server that is not the fake")
	}
}

// Remake recreates the queue at once. SQS requires a minute's wait in between.
func (b *broker) Remake(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.fakeOnly(t)
	b.fake.Create(b.name(), b.deadName())
	b.Produce(t, messages...)
}

// Widen publishes messages of a new group. Produce creates groups by itself.
func (b *broker) Widen(t testing.TB, messages ...sourcetest.Produced) {
	t.Helper()
	b.Produce(t, messages...)
}

func (b *broker) CloseDeadLetters(t testing.TB) (reopen func()) {
	t.Helper()
	b.fakeOnly(t)
	return b.fake.Remove(b.deadName())
}

// takes reports whether SQS accepts a body: text that XML allows, of at most 1 MiB.
func takes(body string) bool {
	const largest = 1 << 20
	return body != "" && len(body) <= largest && attributeText(body[:min(len(body), 1000)]) == body[:min(len(body), 1000)]
}

// Odd messages all belong to the good messages' group.
func (b *broker) Odd(t testing.TB) []sourcetest.Odd {
	t.Helper()
	all := sourcetest.OddBodies(takes, func(t testing.TB, body string) {
		t.Helper()
		b.sendOdd(t, body, nil)
	})
	odd := func(name, body string, attributes map[string]types.MessageAttributeValue) {
		all = append(all, sourcetest.Odd{Name: name, Send: func(t testing.TB) {
			t.Helper()
			b.sendOdd(t, body, attributes)
		}})
	}
	for kind, value := range map[string]string{
		"String": "x", "String.json": "{}", "Number": "1e99", "Number.custom": "-0.00", "Number.": "7", "Binary": "\x00\xff",
		"Binary.gif": "GIF", "String.traceparent": strings.Repeat("x", 1<<10), "Number.0": "0",
	} {
		a := types.MessageAttributeValue{DataType: &kind, StringValue: &value}
		if strings.HasPrefix(kind, "Binary") {
			a = types.MessageAttributeValue{DataType: &kind, BinaryValue: []byte(value)}
		}
		name := "an attribute of type " + kind
		odd(name, sourcetest.OddBody(name), map[string]types.MessageAttributeValue{"traceparent": a, "x": a})
		odd(name+", refused", name, map[string]types.MessageAttributeValue{ingest.ReasonHeader: a, originAttribute: a})
	}
	ten := map[string]types.MessageAttributeValue{}
	for name := range strings.SplitSeq("abcdefghij", "") {
		ten[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(strings.Repeat(name, 100_000))}
	}
	odd("ten large attributes", sourcetest.OddBody("ten large attributes"), ten)
	nine := maps.Clone(ten) // with ten there is no room for a reason
	delete(nine, "a")
	odd("nine large attributes, refused", strings.Repeat("x", 100_000), nine)
	for name, envelope := range oddEnvelopes() {
		odd(name, strings.ReplaceAll(envelope, "ODD", strings.ReplaceAll(sourcetest.OddBody(name), `"`, `\"`)), nil)
	}
	return all
}

// oddEnvelopes are almost what SNS sends; ODD stands for the message's text.
func oddEnvelopes() map[string]string {
	const (
		start = `{"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:orders", "MessageId": "` // an id follows
		rest  = `", "Message": "ODD"`
	)
	all := map[string]string{
		"an envelope without a message":        start + `m1"}`,
		"an envelope of null":                  start + `m2", "Message": null}`,
		"an envelope of an object":             start + `m3", "Message": {"a": 1}}`,
		"an envelope without an id":            start + rest + "}",
		"an envelope of another topic":         strings.Replace(start, "arn:", "", 1) + "m4" + rest + "}",
		"an envelope of a short topic":         strings.Replace(start, "arn:aws:sns:eu-central-1:123456789012:orders", "arn:", 1) + "m5" + rest + "}",
		"an envelope of a number":              strings.Replace(start, `"Notification"`, "7", 1) + "m6" + rest + "}",
		"an envelope that is cut off":          start + "m7" + rest,
		"an envelope with a field twice":       start + "m8" + rest + `, "Message": "{}"}`,
		"an envelope in other letters":         strings.ToLower(start) + "m9" + strings.ToLower(rest) + "}",
		"an envelope with odd attributes":      start + "m10" + rest + `, "MessageAttributes": {"a": {"Type": "Binary", "Value": "AA=="}, "": {"Type": "", "Value": ""}, "b": {}}}`,
		"an envelope with attributes of null":  start + "m11" + rest + `, "MessageAttributes": {"a": null}}`,
		"an envelope with a list of them":      start + "m12" + rest + `, "MessageAttributes": []}`,
		"an envelope with a number for a type": start + "m13" + rest + `, "MessageAttributes": {"a": {"Type": 7, "Value": true}}}`,
		"an envelope of an empty message":      start + `m14", "Message": ""}`,
		"an envelope in an envelope":           start + `m15", "Message": "{\"Type\": \"Notification\", \"TopicArn\": \"arn:x\", \"MessageId\": \"m15\", \"Message\": \"x\"}"}`,
		"a subscription":                       `{"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:x", "MessageId": "m16", "Message": "ODD"}`,
	}
	return all
}

// sendOdd sends a message with any attributes.
func (b *broker) sendOdd(t testing.TB, body string, attributes map[string]types.MessageAttributeValue) {
	t.Helper()
	in := &awssqs.SendMessageInput{QueueUrl: &b.queueURL, MessageBody: &body, MessageAttributes: attributes}
	if b.fifo {
		in.MessageGroupId, in.MessageDeduplicationId = aws.String("red"), aws.String(rand.Text())
	}
	if _, err := b.client.SendMessage(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}
