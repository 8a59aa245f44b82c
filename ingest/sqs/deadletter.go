package sqs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/postrider/postrider/ingest"
)

const (
	// originAttribute is the attribute that says where a dead letter comes from: the queue and the message's id
	// there, such as orders.fifo/9a7c8e4e-....
	originAttribute = "postrider-origin"

	// attributesMost is the maximum number of attributes of an SQS message.
	attributesMost = 10

	// nothing replaces an empty text, which SQS does not accept.
	nothing = "-"
)

// putDown stores the dead letters, in order, and returns all settlements up to the first that failed.
func (s *Source) putDown(ctx context.Context, settlements []ingest.Settlement) (down []*handle, err error) {
	for _, one := range settlements {
		h := handleOf(one.Message)
		if one.Verdict == ingest.DeadLetter && !h.put && !h.settled.Load() {
			if err := s.putOne(ctx, h, one); err != nil {
				return down, fmt.Errorf("put a dead letter of the queue %s down: %w", s.name, err)
			}
			h.put = true
		}
		down = append(down, h)
	}
	return down, nil
}

// putOne stores a message in the dead letter queue as received, with the reason and the origin as further attributes,
// as far as that queue accepts them.
func (s *Source) putOne(ctx context.Context, h *handle, one ingest.Settlement) error {
	if s.deadLetters == "" {
		url, err := s.findDeadLetters(ctx)
		if err != nil {
			return err
		}
		s.deadLetters = url
	}
	whole := ingest.Letter{Headers: len(h.message.MessageAttributes) > 0, Body: len(aws.ToString(h.message.Body))}
	err := ingest.PutAside(s.log, one, whole, func(l ingest.Letter) error { return s.put(ctx, h, l) })
	if err != nil {
		s.deadLetters = "" // it may be another queue by now
	}
	return err
}

// put stores one form of a message. A message with ten attributes of its own keeps these, and the reason is only in
// the log.
func (s *Source) put(ctx context.Context, h *handle, l ingest.Letter) error {
	attributes := s.attributes(h, l)
	err := s.send(ctx, h, cut(aws.ToString(h.message.Body), l.Body), attributes)
	if refused(err) {
		return ingest.TooLargeError{Err: err}
	}
	if _, has := attributes[ingest.ReasonHeader]; err == nil && l.About != nil && !has {
		s.log.Warn("dead letter has no room for the reason; logged here only", "message_id", h.id(),
			"reason", l.About[ingest.ReasonHeader])
	}
	return err
}

// cut returns the start of a body, up to the last whole character.
func cut(body string, bytes int) string {
	return cmp.Or(strings.ToValidUTF8(body[:bytes], ""), nothing)
}

func (s *Source) send(ctx context.Context, h *handle, body string, attributes map[string]types.MessageAttributeValue) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	in := &awssqs.SendMessageInput{QueueUrl: &s.deadLetters, MessageBody: &body, MessageAttributes: attributes}
	if group := h.group(); group != "" {
		in.MessageGroupId = &group
	}
	if strings.HasSuffix(s.deadLetters, fifoSuffix) {
		in.MessageGroupId = aws.String(cmp.Or(h.group(), h.id()))
		in.MessageDeduplicationId = h.message.MessageId // storing it again within five minutes has no effect
	}
	if trace := h.message.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]; trace != "" {
		in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			string(types.MessageSystemAttributeNameAWSTraceHeader): {DataType: aws.String("String"), StringValue: &trace},
		}
	}
	_, err := s.client.SendMessage(ctx, in)
	return err
}

// attributes returns those of the message's attributes that the letter keeps, and ours as far as there is room.
func (s *Source) attributes(h *handle, l ingest.Letter) map[string]types.MessageAttributeValue {
	all := map[string]types.MessageAttributeValue{}
	if l.Headers {
		maps.Copy(all, h.message.MessageAttributes)
	}
	if l.About == nil {
		return all
	}
	about := maps.Clone(l.About)
	about[originAttribute] = s.name + "/" + h.id()
	for _, name := range []string{ingest.ReasonHeader, ingest.LeftOutHeader, ingest.CutHeader, originAttribute} {
		value, wanted := about[name]
		if _, there := all[name]; wanted && (there || len(all) < attributesMost) {
			all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(attributeText(value))}
		}
	}
	return all
}

// attributeText returns text in a form that SQS accepts: not empty, and only characters that XML allows.
func attributeText(text string) string {
	return cmp.Or(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, text), nothing)
}

// refused reports whether SQS rejects a message for its content.
func refused(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && slices.Contains([]string{
		"InvalidParameterValue", "InvalidAttributeValue", "InvalidMessageContents",
	}, answer.ErrorCode())
}

// findDeadLetters returns the URL of the queue that the redrive policy names.
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
