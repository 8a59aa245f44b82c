package sqs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postrider/postrider/ingest"
)

// Settle stores the dead letters one by one, up to the first that fails, and then deletes all messages before that
// one, ten per call and several calls at once. Messages to retry become visible last.
//
// A failed delete leaves its messages in the queue, while concurrent calls may delete later ones. All of them are
// stored or dead letters by then, and redelivered ones are recognised by their positions, so nothing depends on the
// order of deletes.
func (s *Source) Settle(ctx context.Context, settlements []ingest.Settlement) error {
	done, back := s.divide(settlements)
	down, failure := s.putDown(ctx, done)
	if err := cmp.Or(s.delete(ctx, down), failure); err != nil {
		return err
	}
	return s.giveBack(ctx, back)
}

// divide separates the messages that are done from those to be redelivered. On a FIFO queue, the latter include every
// message of a group after the first one to be redelivered.
func (s *Source) divide(settlements []ingest.Settlement) (done []ingest.Settlement, back []*handle) {
	blocked := map[string]bool{}
	for _, one := range settlements {
		h := handleOf(one.Message)
		if one.Verdict == ingest.Retry || s.fifo && blocked[h.group()] {
			blocked[h.group()] = true
			back = append(back, h)
		} else {
			done = append(done, one)
		}
	}
	return done, back
}

func (s *Source) delete(ctx context.Context, all []*handle) error {
	return settled(s.inTens(ctx, "delete", all, func(ctx context.Context, ten []*handle) ([]types.BatchResultErrorEntry, error) {
		in := &awssqs.DeleteMessageBatchInput{QueueUrl: &s.queueURL}
		for i, h := range ten {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: h.message.ReceiptHandle})
		}
		out, err := s.client.DeleteMessageBatch(ctx, in)
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	}))
}

// giveBack makes messages visible again. On a FIFO queue their order does not matter: SQS delivers no message of a
// group as long as another one of it is invisible.
func (s *Source) giveBack(ctx context.Context, all []*handle) error {
	s.visible.Lock()
	defer s.visible.Unlock()
	return settled(s.changeVisibility(ctx, "give back", all, 0))
}

// Extend keeps messages invisible. SQS allows twelve hours at most; then the messages are redelivered, and those
// stored by then are recognised by their positions.
func (s *Source) Extend(ctx context.Context, messages []ingest.Message) error {
	s.visible.Lock()
	defer s.visible.Unlock()
	all := make([]*handle, len(messages))
	for i, m := range messages {
		all[i] = handleOf(m)
	}
	_, err := s.changeVisibility(ctx, "extend", all, s.visibility)
	return err
}

func (s *Source) changeVisibility(ctx context.Context, what string, all []*handle, to time.Duration) ([]*handle, error) {
	return s.inTens(ctx, what, all, func(ctx context.Context, ten []*handle) ([]types.BatchResultErrorEntry, error) {
		in := &awssqs.ChangeMessageVisibilityBatchInput{QueueUrl: &s.queueURL}
		for i, h := range ten {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: entryID(i), ReceiptHandle: h.message.ReceiptHandle, VisibilityTimeout: seconds(to),
			})
		}
		out, err := s.client.ChangeMessageVisibilityBatch(ctx, in)
		if err != nil {
			return nil, err
		}
		return out.Failed, nil
	})
}

func entryID(i int) *string { return new(strconv.Itoa(i)) }

// settled marks messages as settled and returns err unchanged.
func settled(finished []*handle, err error) error {
	for _, h := range finished {
		h.settled.Store(true)
	}
	return err
}

// inTens makes a call for all unsettled messages, ten at a time, all within the time of one call. It goes on after a
// failed call, so that fewer messages must be retried. It returns those whose call succeeded, or reported that they
// are no longer ours.
func (s *Source) inTens(ctx context.Context, what string, all []*handle,
	call func(ctx context.Context, ten []*handle) ([]types.BatchResultErrorEntry, error),
) ([]*handle, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	open := slices.DeleteFunc(slices.Clone(all), func(h *handle) bool { return h.settled.Load() })
	var t tally
	var calls sync.WaitGroup
	slots := make(chan struct{}, sideMost)
	for ten := range slices.Chunk(open, perCall) {
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			failed, err := call(ctx, ten)
			t.add(ten, failed, err)
		})
	}
	calls.Wait()
	if t.lost > 0 {
		s.log.Warn("receipt expired; messages are redelivered unless another consumer has deleted them", "call", what, "messages", t.lost, "code", t.code)
	}
	if t.err != nil {
		return t.finished, fmt.Errorf("%s messages of the queue %s: %w", what, s.name, t.err)
	}
	return t.finished, nil
}

// tally counts the results of some calls.
type tally struct {
	mu       sync.Mutex
	finished []*handle
	lost     int    // failed messages that are no longer ours
	code     string // SQS's error code for one of those
	err      error  // the first error
}

// add counts one call. If SQS blames the sender for a failed message, the message was no longer ours: either its
// visibility timeout had ended and it is redelivered, or it is deleted already. All other failures must be retried.
func (t *tally) add(ten []*handle, failed []types.BatchResultErrorEntry, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = cmp.Or(t.err, err)
	if err != nil {
		return
	}
	again := map[string]bool{}
	for _, f := range failed {
		code := aws.ToString(f.Code)
		if f.SenderFault && !strings.Contains(code, "Throttl") {
			t.lost, t.code = t.lost+1, code
			continue
		}
		again[aws.ToString(f.Id)] = true
		t.err = cmp.Or(t.err, fmt.Errorf("%s: %s", code, aws.ToString(f.Message)))
	}
	for i, h := range ten {
		if !again[*entryID(i)] {
			t.finished = append(t.finished, h)
		}
	}
}
