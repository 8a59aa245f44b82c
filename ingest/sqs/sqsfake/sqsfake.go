// Package sqsfake is an in-process SQS for tests: an http.Handler that implements SQS as documented, as far as the
// adapter uses it. It supports batches of ten, long polls, visibility timeouts, receipts that expire, message groups
// that are blocked while one of their messages is invisible, receive attempt ids, deduplication and limits. It is as
// strict as the documentation says AWS is. It shows that our code does what the documentation requires; it proves
// nothing about AWS. It checks that a request is signed, not by whom. It never moves a message to the dead letter
// queue by itself, remembers deduplication ids for as long as it lives instead of five minutes, and delivers messages
// of a standard queue in the order they were sent, which AWS does not promise. It keeps everything in memory and
// knows nothing about Postrider.
package sqsfake

import (
	"strings"
	"sync"
	"time"
)

// Fake is a server with its queues. Its methods may be called concurrently.
type Fake struct {
	// Slow is added to the duration of every call, so that calls overlap. It is set before the first call.
	Slow time.Duration
	// Answered is called after each call is carried out, before its answer is sent. It is set before the first call,
	// and must not call the fake.
	Answered func(call string)

	clock func() time.Time

	mu      sync.Mutex
	queues  map[string]*queue
	news    chan struct{} // closed when a message arrives or becomes visible
	refuse  func(call string, r *Request, e *Entry) *Refusal
	calls   map[string]int
	running map[string]int
	most    map[string]int // the most concurrent calls
}

type queue struct {
	name       string
	fifo       bool
	attributes map[string]string
	messages   []*kept
	receipts   map[string]*kept   // all receipts ever issued
	attempts   map[string][]taken // by attempt id
	known      map[string]bool    // deduplication ids
	sent       int64
}

// kept is a message in a queue.
type kept struct {
	id, group, body, trace, receipt string
	attributes                      map[string]Value
	sent                            int64
	receives                        int
	hiddenUntil                     time.Time
	deleted                         bool
}

func (m *kept) hidden(now time.Time) bool { return now.Before(m.hiddenUntil) }

// Message is a message as it lies in a queue.
type Message struct {
	ID, Body   string
	Attributes map[string]Value
}

// New returns a fake without queues. The clock ends visibility timeouts; calls wait in real time.
func New(clock func() time.Time) *Fake {
	return &Fake{
		clock: clock, queues: map[string]*queue{}, news: make(chan struct{}),
		calls: map[string]int{}, running: map[string]int{}, most: map[string]int{},
	}
}

// Create creates a queue, a FIFO queue if its name ends in .fifo. An existing queue of that name is deleted first,
// with its messages; SQS would require a minute's wait in between. deadLetters names its dead letter queue, if any.
// Calls name a queue by the last part of its URL; the rest of the URL is ignored.
func (f *Fake) Create(name, deadLetters string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := &queue{
		name: name, fifo: strings.HasSuffix(name, ".fifo"),
		// A call without a wait time waits for long.
		attributes: map[string]string{"ReceiveMessageWaitTimeSeconds": "20", "MaximumMessageSize": "1048576"},
		receipts:   map[string]*kept{}, attempts: map[string][]taken{}, known: map[string]bool{},
	}
	if deadLetters != "" {
		q.attributes["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:` + deadLetters + `","maxReceiveCount":1000}`
	}
	f.queues[name] = q
	f.tell()
}

// Remove removes a queue. restore brings it back with its messages.
func (f *Fake) Remove(name string) (restore func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.queues[name]
	delete(f.queues, name)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.queues[name] = q
	}
}

// SetAttribute changes an attribute of a queue, such as RedrivePolicy. An empty value removes it.
func (f *Fake) SetAttribute(queue, name, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues[queue].attributes[name] = value
}

// Send puts a message into a queue, like a producer's call, but it is neither counted nor refused by a script. It
// returns the error that a producer would get.
func (f *Fake) Send(queue string, e Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.send(f.queues[queue], &e)
	return err
}

// Left returns the messages in a queue, whether or not a consumer holds them.
func (f *Fake) Left(queue string) (all []Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.queues[queue].messages {
		all = append(all, Message{ID: m.id, Body: m.body, Attributes: m.attributes})
	}
	return all
}

// Forget makes all messages visible again, as if their visibility timeouts had ended.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		for _, m := range q.messages {
			m.hiddenUntil = time.Time{}
		}
	}
	f.tell()
}

// Count returns the number of calls of a kind, and the most concurrent ones.
func (f *Fake) Count(call string) (all, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call], f.most[call]
}

// Script makes calls fail: refuse is called for each call, with a nil entry, and then for each entry of a batch. It
// must not call the fake. A nil refuse ends the script.
func (f *Fake) Script(refuse func(call string, r *Request, e *Entry) *Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// tell wakes waiting calls.
func (f *Fake) tell() {
	close(f.news)
	f.news = make(chan struct{})
}
