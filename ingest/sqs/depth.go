package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postrider/postrider/ingest"
)

var _ ingest.Measured = (*Source)(nil)

// waiting are the attributes of a queue that together count its messages: visible ones, those that a consumer has
// received and not deleted, and those sent with a delay.
var waiting = []types.QueueAttributeName{
	types.QueueAttributeNameApproximateNumberOfMessages,
	types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
}

// Depth returns how many messages are in the queue and in its dead letter queue, as far as the account may ask.
func (s *Source) Depth(ctx context.Context) (ingest.Depth, error) {
	d := ingest.Depth{Lag: ingest.Unknown, DeadLetters: ingest.Unknown}
	n, err := s.count(ctx, s.queueURL)
	if err != nil {
		return d, fmt.Errorf("count the messages of the queue %s: %w", s.name, s.explained(ctx, err))
	}
	d.Lag = n
	if s.lettersAt == "" {
		if s.lettersAt, err = s.findDeadLetters(ctx); err != nil {
			return d, err
		}
	}
	if n, err = s.count(ctx, s.lettersAt); err != nil {
		s.lettersAt = "" // it may be another queue by now
		return d, fmt.Errorf("count the dead letters of the queue %s: %w", s.name, err)
	}
	d.DeadLetters = n
	return d, nil
}

func (s *Source) count(ctx context.Context, queueURL string) (n int64, err error) {
	out, err := s.client.GetQueueAttributes(ctx, &awssqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: waiting})
	if err != nil {
		return 0, err
	}
	for _, name := range waiting {
		some, err := strconv.ParseInt(out.Attributes[string(name)], 10, 64)
		if err != nil {
			return 0, errors.New("the answer has no " + string(name))
		}
		n += some
	}
	return n, nil
}
