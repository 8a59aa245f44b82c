package sqs

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/postrider/postrider/ingest"
)

// batchBytesMost is roughly the most bytes of bodies in a batch. SQS does not let a caller limit the size of an
// answer, so the size of the next one is estimated from those before.
const batchBytesMost = 16 << 20

// Receive waits for messages with one call at a time. After a full answer it makes more calls, and more and more
// concurrent ones while answers stay full, so that an idle queue costs one call per 20 seconds and a busy one fills
// batches.
func (s *Source) Receive(ctx context.Context) ([]ingest.Message, error) {
	for ctx.Err() == nil {
		found, err := s.gather(ctx)
		switch {
		case ctx.Err() != nil && len(found) == 0:
		case err != nil:
			return nil, fmt.Errorf("receive from the queue %s: %w", s.name, s.explained(ctx, err))
		case len(found) > 0:
			return s.hold(found), nil
		}
	}
	return nil, ctx.Err()
}

// gather makes one long poll, and receives the messages that are available after it.
func (s *Source) gather(ctx context.Context) ([]types.Message, error) {
	if s.attempt == "" {
		s.attempt = rand.Text()
	}
	found, err := s.call(ctx, s.poll, s.attempt)
	if err != nil {
		return nil, err
	}
	s.attempt = ""
	for calls, full := 1, len(found)/perCall; full > 0 && ctx.Err() == nil; {
		side := min(2*full, room(found, calls))
		if side < 1 {
			break
		}
		calls += side
		var more []types.Message
		more, full = s.callMany(ctx, side)
		found = append(found, more...)
	}
	if !s.fifo {
		// Concurrent calls are answered in any order. The timestamps have the same number of digits until 2286.
		slices.SortStableFunc(found, func(a, b types.Message) int { return cmp.Compare(sentAt(a), sentAt(b)) })
	}
	return found, nil
}

// room returns how many more calls may be made after the given number of calls has found these messages.
func room(found []types.Message, calls int) int {
	size := 1
	for _, m := range found {
		size += len(aws.ToString(m.Body))
	}
	return min(sideMost, (ingest.BatchMost-len(found))/perCall, max(batchBytesMost-size, 0)*calls/size)
}

// callMany makes concurrent calls that do not wait for messages, and returns how many answers were full. An error is
// left for the next long poll to find, because the messages of the other calls must be handled.
//
// On a FIFO queue a group belongs to one call as long as any message of it is invisible, so answers in any order keep
// the order of each group.
func (s *Source) callMany(ctx context.Context, side int) (found []types.Message, full int) {
	answers := make([][]types.Message, side)
	var calls sync.WaitGroup
	for i := range answers {
		calls.Go(func() {
			var err error
			if answers[i], err = s.call(ctx, 0, rand.Text()); err != nil {
				s.log.Debug("extra receive failed; using the messages already received", "error", err)
			}
		})
	}
	calls.Wait()
	for _, answer := range answers {
		full += len(answer) / perCall
	}
	return slices.Concat(answers...), full
}

// call receives once. On a FIFO queue, attempt names the call. If its answer is lost, the SDK or the next Receive
// asks again under the same name and gets the same messages at once. Otherwise no consumer would have the messages,
// and their groups would be blocked, until their visibility timeout ends. SQS does not support this on other queues.
func (s *Source) call(ctx context.Context, wait time.Duration, attempt string) ([]types.Message, error) {
	ctx, cancel := s.outlasting(ctx, wait+s.timeout)
	defer cancel()
	in := &awssqs.ReceiveMessageInput{
		QueueUrl: &s.queueURL, MaxNumberOfMessages: perCall,
		WaitTimeSeconds: seconds(wait), VisibilityTimeout: seconds(s.visibility),
		MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameAWSTraceHeader,
		},
	}
	if s.fifo {
		in.ReceiveRequestAttemptId = &attempt
	}
	var options []func(*awssqs.Options)
	if wait == 0 {
		options = append(options, awssqs.WithAPIOptions(waitForNothing))
	}
	out, err := s.client.ReceiveMessage(ctx, in, options...)
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }

// outlasting returns a context that ends after a timeout, or shortly after ctx ends.
func (s *Source) outlasting(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-longer.Done():
		case <-time.After(s.grace):
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// waitForNothing writes WaitTimeSeconds: 0 into a request. The SDK omits a zero, and SQS then uses the queue's own
// setting, which may be 20 s: https://github.com/aws/aws-sdk-go-v2/issues/1704. A full batch would wait that long
// before it was returned.
func waitForNothing(stack *middleware.Stack) error {
	write := func(ctx context.Context, in middleware.SerializeInput, next middleware.SerializeHandler) (
		out middleware.SerializeOutput, metadata middleware.Metadata, err error,
	) {
		request, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return out, metadata, fmt.Errorf("the AWS SDK makes a request of type %T", in.Request)
		}
		body, err := io.ReadAll(request.GetStream())
		if err != nil {
			return out, metadata, err
		}
		body = bytes.Replace(body, []byte("{"), []byte(`{"WaitTimeSeconds":0,`), 1)
		if in.Request, err = request.SetStream(bytes.NewReader(body)); err != nil {
			return out, metadata, err
		}
		return next.HandleSerialize(ctx, in)
	}
	return stack.Serialize.Add(middleware.SerializeMiddlewareFunc("WaitForNothing", write), middleware.After)
}
