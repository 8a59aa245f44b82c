package sqsfake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Request is the union of all fields that a request may have; any other field is rejected.
type Request struct {
	QueueUrl, QueueName, QueueOwnerAWSAccountId, ReceiveRequestAttemptId string //nolint:revive // AWS's names
	Entry
	MaxNumberOfMessages         int
	WaitTimeSeconds             *int // nil: omitted
	AttributeNames              []string
	MessageAttributeNames       []string
	MessageSystemAttributeNames []string
	Entries                     []*Entry
}

// Entry is one message of a batch, or the parameters of a call for one message.
type Entry struct {
	Id, ReceiptHandle                                   string //nolint:revive // AWS's name
	VisibilityTimeout                                   int    // in seconds
	MessageBody, MessageGroupId, MessageDeduplicationId string //nolint:revive // AWS's names
	MessageAttributes, MessageSystemAttributes          map[string]Value
}

// Value is the value of an attribute with its type: String, Number or Binary, optionally with a producer's own suffix
// after a dot.
type Value struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// Refusal is an error of SQS.
type Refusal struct {
	Code   string
	Text   string
	OurOwn bool // SQS's fault, not the caller's
	Hang   bool // the call is never answered
	Cut    bool // the call is carried out, and the connection closed without an answer
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Text }

func refuse(code, text string) *Refusal { return &Refusal{Code: code, Text: text} }

func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	var in Request
	decode := json.NewDecoder(r.Body)
	decode.DisallowUnknownFields()
	if err := decode.Decode(&in); err != nil || !ours || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		answer(w, nil, refuse("InvalidRequest", "not a signed call of the JSON protocol"))
		return
	}
	defer f.enter(call)()
	out, err := f.do(r.Context(), call, &in)
	refused, _ := errors.AsType[*Refusal](err)
	if refused != nil && refused.Hang {
		<-r.Context().Done()
	}
	if refused != nil && (refused.Hang || refused.Cut) {
		panic(http.ErrAbortHandler)
	}
	answer(w, out, refused)
}

func answer(w http.ResponseWriter, out any, refused *Refusal) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if refused != nil {
		w.Header().Set("X-Amzn-Query-Error", refused.Code+";Sender")
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]string{"__type": "com.amazonaws.sqs#" + refused.Code, "message": refused.Text}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// enter counts a call as running until leave is called.
func (f *Fake) enter(call string) (leave func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[call]++
	f.running[call]++
	f.most[call] = max(f.most[call], f.running[call])
	if f.Slow > 0 {
		f.mu.Unlock()
		<-time.After(f.Slow)
		f.mu.Lock()
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running[call]--
	}
}

func (f *Fake) do(ctx context.Context, call string, in *Request) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var cut error
	if f.refuse != nil {
		if r := f.refuse(call, in, nil); r != nil && r.Cut {
			cut = r
		} else if r != nil {
			return nil, r
		}
	}
	out, err := f.carryOut(ctx, call, in)
	if f.Answered != nil && err == nil {
		f.Answered(call)
	}
	return out, cmp.Or(err, cut)
}

func (f *Fake) carryOut(ctx context.Context, call string, in *Request) (any, error) {
	q := f.queues[cmp.Or(in.QueueName, path.Base(in.QueueUrl))]
	if q == nil {
		return nil, refuse("QueueDoesNotExist", "The specified queue does not exist.")
	}
	switch call {
	case "GetQueueUrl":
		if in.QueueOwnerAWSAccountId != "000000000000" {
			return nil, refuse("QueueDoesNotExist", "The specified queue does not exist.")
		}
		return map[string]string{"QueueUrl": "http://sqs.us-east-1.amazonaws.com/000000000000/" + q.name}, nil
	case "GetQueueAttributes":
		found, counted := map[string]string{}, q.counts(f.clock())
		for _, name := range in.AttributeNames {
			if value := cmp.Or(q.attributes[name], counted[name]); value != "" {
				found[name] = value
			}
		}
		return map[string]any{"Attributes": found}, nil
	case "SendMessage":
		return f.send(q, &in.Entry)
	case "ReceiveMessage":
		return f.receive(ctx, q, in)
	case "SendMessageBatch":
		return f.each(call, in, func(e *Entry) (map[string]string, error) { return f.send(q, e) })
	case "DeleteMessageBatch":
		return f.each(call, in, func(e *Entry) (map[string]string, error) { return map[string]string{}, f.delete(q, e.ReceiptHandle) })
	case "DeleteMessage":
		return map[string]string{}, f.delete(q, in.ReceiptHandle)
	case "ChangeMessageVisibilityBatch":
		return f.each(call, in, func(e *Entry) (map[string]string, error) { return map[string]string{}, f.change(q, e) })
	}
	return nil, refuse("InvalidAction", call)
}

// each carries out a batch entry by entry.
func (f *Fake) each(call string, in *Request, do func(*Entry) (map[string]string, error)) (any, error) {
	if n := len(in.Entries); n == 0 || n > 10 {
		return nil, refuse("TooManyEntriesInBatchRequest", strconv.Itoa(n))
	}
	done, failed := []map[string]string{}, []map[string]any{}
	for _, e := range in.Entries {
		var out map[string]string
		var err error
		if f.refuse != nil {
			if r := f.refuse(call, in, e); r != nil {
				err = r
			}
		}
		if err == nil {
			out, err = do(e)
		}
		if refused, is := errors.AsType[*Refusal](err); is {
			failed = append(failed, map[string]any{"Id": e.Id, "Code": refused.Code, "Message": refused.Text, "SenderFault": !refused.OurOwn})
			continue
		}
		out["Id"] = e.Id
		done = append(done, out)
	}
	return map[string]any{"Successful": done, "Failed": failed}, nil
}
