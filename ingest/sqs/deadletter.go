package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/postrider/postrider/ingest"
)

const (
	// originAttribute is the attribute that says where a dead letter comes from: the queue and the id that
	// the message had there, orders.fifo/9a7c8e4e-....
	originAttribute = "postrider-origin"

	// attributesMost is how many attributes SQS lets a message have.
	attributesMost = 10

	// reasonBytesMost keeps a reason that quotes its message from doubling it.
	reasonBytesMost = 1024
)

// putDown puts dead letters down, in order, and returns all settlements up to the first that failed.
func (s *Source) putDown(ctx context.Context, settlements []ingest.Settlement) (down []*handle, err error) {
	for _, one := range settlements {
		h := handleOf(one.Message)
		if one.Verdict == ingest.DeadLetter && !h.put && !h.settled.Load() {
			if err := s.putOne(ctx, h, one.Reason); err != nil {
				return down, fmt.Errorf("put a dead letter of the queue %s down: %w", s.name, err)
			}
			h.put = true
		}
		down = append(down, h)
	}
	return down, nil
}

// putOne puts a message into the queue for dead letters as it came, with the reason and where it comes
// from as further attributes. If SQS refuses it with these, because it is too large for instance, it goes
// as it came: a message without a reason is better than one that stops all others.
func (s *Source) putOne(ctx context.Context, h *handle, reason string) error {
	if s.deadLetters == "" {
		url, err := s.findDeadLetters(ctx)
		if err != nil {
			return err
		}
		s.deadLetters = url
	}
	extended, left := s.withOrigin(h, reason)
	err := s.send(ctx, h, extended)
	if refused(err) && len(extended) > len(h.message.MessageAttributes) {
		if err = s.send(ctx, h, h.message.MessageAttributes); err == nil {
			left = true
		}
	}
	if err != nil {
		s.deadLetters = "" // it may be another one by now
		return err
	}
	if left {
		s.log.Warn("a dead letter has no room for the reason, which is only here", "message_id", h.id(), "reason", reason)
	}
	return nil
}

func (s *Source) send(ctx context.Context, h *handle, attributes map[string]types.MessageAttributeValue) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	in := &awssqs.SendMessageInput{QueueUrl: &s.deadLetters, MessageBody: h.message.Body, MessageAttributes: attributes}
	if group := h.group(); group != "" {
		in.MessageGroupId = &group
	}
	if s.fifo {
		in.MessageDeduplicationId = h.message.MessageId // putting it down again within five minutes changes nothing
	}
	if trace := h.message.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]; trace != "" {
		in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			string(types.MessageSystemAttributeNameAWSTraceHeader): {DataType: aws.String("String"), StringValue: &trace},
		}
	}
	_, err := s.client.SendMessage(ctx, in)
	return err
}

// withOrigin are a message's attributes with the reason and the origin, as far as there is room. It tells
// whether the reason was left out.
func (s *Source) withOrigin(h *handle, reason string) (all map[string]types.MessageAttributeValue, left bool) {
	all = map[string]types.MessageAttributeValue{}
	maps.Copy(all, h.message.MessageAttributes)
	add := func(name, value string) bool {
		if _, there := all[name]; !there && len(all) >= attributesMost {
			return false
		}
		all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
		return true
	}
	left = !add(ingest.ReasonHeader, attributeText(reason))
	add(originAttribute, s.name+"/"+h.id())
	return all, left
}

// attributeText is a text that SQS takes: it wants some, and only of what XML allows.
func attributeText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	for len(text) > reasonBytesMost {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	if text == "" {
		return "no reason is known"
	}
	return text
}

// refused tells whether SQS does not take a message as it is.
func refused(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && slices.Contains([]string{
		"InvalidParameterValue", "InvalidAttributeValue", "InvalidMessageContents",
	}, answer.ErrorCode())
}

// findDeadLetters looks the queue up that the redrive policy names, and returns its URL.
func (s *Source) findDeadLetters(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found, err := s.client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{
		QueueUrl: &s.queueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameRedrivePolicy},
	})
	if err != nil {
		return "", fmt.Errorf("the queue %s cannot be looked at: %w", s.name, s.explained(ctx, err))
	}
	text := found.Attributes[string(types.QueueAttributeNameRedrivePolicy)]
	if text == "" {
		return "", fmt.Errorf("the queue %s has no redrive policy, which would name the queue for its dead letters", s.name)
	}
	var policy struct {
		Target string `json:"deadLetterTargetArn"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return "", fmt.Errorf("the redrive policy of the queue %s cannot be read: %w", s.name, err)
	}
	target, err := arn.Parse(policy.Target)
	if err != nil {
		return "", fmt.Errorf("the redrive policy of the queue %s names no queue: %w", s.name, err)
	}
	out, err := s.client.GetQueueUrl(ctx, &awssqs.GetQueueUrlInput{
		QueueName: &target.Resource, QueueOwnerAWSAccountId: &target.AccountID,
	})
	if err != nil {
		return "", fmt.Errorf("the queue %s, for dead letters of %s, cannot be found: %w", target.Resource, s.name, err)
	}
	return aws.ToString(out.QueueUrl), nil
}
