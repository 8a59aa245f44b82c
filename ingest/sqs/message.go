package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postrider/postrider/ijson"
	"github.com/postrider/postrider/ingest"
)

// handle is what the adapter needs to settle a message.
type handle struct {
	message types.Message // as received: a dead letter is stored in its envelope
	put     bool          // the dead letter is stored
	settled atomic.Bool   // deleted, returned or another consumer's; nothing is left to do
}

func (h *handle) id() string { return aws.ToString(h.message.MessageId) }

func (h *handle) group() string {
	return h.message.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
}

func sentAt(m types.Message) string {
	return m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)]
}

func handleOf(m ingest.Message) *handle { return m.Handle.(*handle) }

// hold converts received messages and remembers them to be settled.
func (s *Source) hold(found []types.Message) []ingest.Message {
	all := make([]ingest.Message, len(found))
	s.held = make([]*handle, len(found))
	for i, m := range found {
		s.held[i] = &handle{message: m}
		all[i] = s.message(s.held[i])
	}
	return all
}

func (s *Source) message(h *handle) ingest.Message {
	m := ingest.Message{
		Topic: s.name, Key: h.group(), Position: h.id(), Handle: h,
		Headers: headers(maps.All(h.message.MessageAttributes), func(a types.MessageAttributeValue) (string, string) {
			return aws.ToString(a.DataType), aws.ToString(a.StringValue)
		}),
	}
	text := aws.ToString(h.message.Body)
	if e, ok, err := notification(text); err != nil && s.unwrap {
		m.Err = fmt.Errorf("the envelope of SNS cannot be read: %w", err)
	} else if ok && s.unwrap {
		m.Topic, m.Position, text = e.topic(), e.MessageID, *e.Message
		m.Headers = headers(maps.All(e.MessageAttributes), func(a attribute) (string, string) { return a.Type, a.Value })
	}
	m.Body = []byte(text)
	return m
}

// headers returns the attributes with text values. A type may have a custom suffix after a dot, such as Number.cents.
func headers[A any](attributes func(func(string, A) bool), read func(A) (kind, value string)) ingest.Headers {
	found := ingest.Headers{}
	for name, a := range attributes {
		switch kind, value := read(a); strings.SplitN(kind, ".", 2)[0] {
		case "String", "Number":
			found[name] = value
		}
	}
	return found
}

// envelope is the JSON that SNS sends to a queue unless its subscription enables raw message delivery. Its signature
// is not verified: the queue's policy decides who may send to the queue.
type envelope struct {
	Type              string               `json:"Type"`
	MessageID         string               `json:"MessageId"`
	TopicARN          string               `json:"TopicArn"`
	Message           *string              `json:"Message"`
	MessageAttributes map[string]attribute `json:"MessageAttributes"`
}

type attribute struct{ Type, Value string }

// notification parses a notification's envelope. SNS's messages about subscribing and unsubscribing a queue are not
// notifications, nor is a producer's JSON that merely resembles one. An error means that text is a notification whose
// content would not come out as it was sent.
func notification(text string) (e envelope, ok bool, err error) {
	var loose envelope
	if !strings.Contains(text, `"TopicArn"`) {
		return e, false, nil
	}
	resembles := json.Unmarshal([]byte(text), &loose) == nil && loose.isNotification()
	if !resembles {
		return e, false, nil
	}
	err = ijson.Unmarshal([]byte(text), &e)
	return e, err == nil && e.isNotification(), err
}

func (e envelope) isNotification() bool {
	return e.Type == "Notification" && strings.HasPrefix(e.TopicARN, "arn:") && e.MessageID != "" && e.Message != nil
}

// topic returns the last part of an ARN such as arn:aws:sns:eu-central-1:123456789012:orders.
func (e envelope) topic() string { return e.TopicARN[strings.LastIndexByte(e.TopicARN, ':')+1:] }
