package sqsfake

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// taken is a message as it was delivered.
type taken struct {
	*kept
	by string // the receipt
}

// current reports whether the consumer that received the message still holds it.
func (t taken) current(now time.Time) bool { return t.receipt == t.by && t.hidden(now) && !t.deleted }

func sum(text string) string {
	digest := md5.Sum([]byte(text))
	return hex.EncodeToString(digest[:])
}

// counts returns the attributes that count messages. AWS's are approximations; these are exact.
func (q *queue) counts(now time.Time) map[string]string {
	hidden := 0
	for _, m := range q.messages {
		if m.hidden(now) {
			hidden++
		}
	}
	return map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(len(q.messages) - hidden),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
		"ApproximateNumberOfMessagesDelayed":    "0",
	}
}

func (f *Fake) send(q *queue, e *Entry) (map[string]string, error) {
	size := len(e.MessageBody)
	for name, a := range e.MessageAttributes {
		size += len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
		if a.StringValue == "" && len(a.BinaryValue) == 0 || strings.ContainsFunc(a.StringValue, func(r rune) bool { return r < '\t' }) {
			return nil, refuse("InvalidParameterValue", "Message (user) attribute '"+name+"' must contain a valid value.")
		}
	}
	most, _ := strconv.Atoi(q.attributes["MaximumMessageSize"])
	switch {
	case e.MessageBody == "" || size > most:
		return nil, refuse("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter.")
	case len(e.MessageAttributes) > 10:
		return nil, refuse("InvalidParameterValue", "Number of message attributes [11] exceeds the allowed maximum [10].")
	case q.fifo && (e.MessageGroupId == "" || e.MessageDeduplicationId == "") || !q.fifo && e.MessageDeduplicationId != "":
		return nil, refuse("InvalidParameterValue", "a group and a deduplication id are for FIFO queues, and both")
	}
	id := rand.Text()
	if e.MessageDeduplicationId == "" || !q.known[e.MessageDeduplicationId] {
		q.known[e.MessageDeduplicationId] = true
		q.sent++
		q.messages = append(q.messages, &kept{
			id: id, group: e.MessageGroupId, body: e.MessageBody, attributes: e.MessageAttributes,
			trace: e.MessageSystemAttributes["AWSTraceHeader"].StringValue,
			// No two messages have the same millisecond, so that a test can rely on the order of a standard queue.
			sent: 1_700_000_000_000 + q.sent,
		})
		f.tell()
	}
	return map[string]string{"MessageId": id, "MD5OfMessageBody": sum(e.MessageBody)}, nil
}

func (f *Fake) receive(ctx context.Context, q *queue, in *Request) (any, error) {
	if in.ReceiveRequestAttemptId != "" && !q.fifo || in.MaxNumberOfMessages > 10 {
		return nil, refuse("InvalidParameterValue", "attempts have names on FIFO queues only, and ten messages are the most")
	}
	wait, _ := strconv.Atoi(q.attributes["ReceiveMessageWaitTimeSeconds"])
	if in.WaitTimeSeconds != nil {
		wait = *in.WaitTimeSeconds
	}
	end := time.After(time.Duration(wait) * time.Second)
	for over := wait == 0; ; {
		if ctx.Err() != nil {
			return nil, &Refusal{Cut: true}
		}
		if f.queues[q.name] != q {
			return nil, refuse("QueueDoesNotExist", "The specified queue does not exist.")
		}
		if found := q.take(in, f.clock()); len(found) > 0 || over {
			return map[string]any{"Messages": found}, nil
		}
		news := f.news
		f.mu.Unlock()
		select {
		case <-news:
		case <-time.After(20 * time.Millisecond): // a visibility timeout may have ended
		case <-end:
			over = true
		case <-ctx.Done():
		}
		f.mu.Lock()
	}
}

// take delivers messages. On a FIFO queue it skips groups of which a message is being processed.
func (q *queue) take(in *Request, now time.Time) (found []map[string]any) {
	hands := q.attempts[in.ReceiveRequestAttemptId]
	if in.ReceiveRequestAttemptId == "" || len(hands) == 0 || !allCurrent(hands, now) {
		blocked := map[string]bool{}
		for _, m := range q.messages {
			blocked[m.group] = blocked[m.group] || m.hidden(now) && q.fifo
		}
		hands = nil
		for _, m := range q.messages {
			if len(hands) < max(in.MaxNumberOfMessages, 1) && !m.hidden(now) && !blocked[m.group] {
				m.receipt = m.id + "/" + rand.Text()
				m.receives++
				q.receipts[m.receipt] = m
				hands = append(hands, taken{m, m.receipt})
			}
		}
		q.attempts[in.ReceiveRequestAttemptId] = hands
	}
	for _, t := range hands {
		t.hiddenUntil = now.Add(time.Duration(in.VisibilityTimeout) * time.Second)
		found = append(found, t.show(in))
	}
	return found
}

func allCurrent(hands []taken, now time.Time) bool {
	return !slices.ContainsFunc(hands, func(t taken) bool { return !t.current(now) })
}

// show returns a message as an answer contains it: only with the fields that were requested.
func (t taken) show(in *Request) map[string]any {
	system := map[string]string{}
	for name, value := range map[string]string{
		"MessageGroupId": t.group, "SentTimestamp": strconv.FormatInt(t.sent, 10), "AWSTraceHeader": t.trace,
		"ApproximateReceiveCount": strconv.Itoa(t.receives),
	} {
		if value != "" && (slices.Contains(in.MessageSystemAttributeNames, name) || slices.Contains(in.MessageSystemAttributeNames, "All")) {
			system[name] = value
		}
	}
	shown := map[string]any{
		"MessageId": t.id, "ReceiptHandle": t.by, "Body": t.body, "MD5OfBody": sum(t.body), "Attributes": system,
	}
	if slices.Contains(in.MessageAttributeNames, "All") {
		shown["MessageAttributes"] = t.attributes
	}
	return shown
}

// delete deletes a message by its receipt. A FIFO queue accepts only a receipt that has not expired; other queues
// also accept an old one, which may then have no effect.
func (f *Fake) delete(q *queue, receipt string) error {
	m := q.receipts[receipt]
	switch {
	case m == nil:
		return refuse("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	case m.deleted:
		return nil
	case q.fifo && !(taken{m, receipt}).current(f.clock()):
		return refuse("ReceiptHandleIsInvalid", "The receipt handle has expired")
	case m.receipt == receipt:
		m.deleted = true
		q.messages = slices.DeleteFunc(q.messages, func(other *kept) bool { return other == m })
		f.tell()
	}
	return nil
}

func (f *Fake) change(q *queue, e *Entry) error {
	m, now := q.receipts[e.ReceiptHandle], f.clock()
	if m == nil || !(taken{m, e.ReceiptHandle}).current(now) {
		return refuse("MessageNotInflight", "The specified message isn't in flight.")
	}
	m.hiddenUntil = now.Add(time.Duration(e.VisibilityTimeout) * time.Second)
	f.tell()
	return nil
}
