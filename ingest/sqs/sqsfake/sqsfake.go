// Package sqsfake is SQS for tests, in their own process: an http.Handler that is SQS as its documentation
// describes it, as far as the adapter uses it. It knows batches of ten, long polls, visibility, receipts
// that expire, groups that are blocked while a message of theirs is invisible, names of attempts,
// deduplication, limits. It is as strict as the documentation says AWS is. What it proves is that our code
// does what the documentation wants; it proves nothing about AWS. It looks whether a request is signed,
// not by whom, it never moves a message to the dead letters by itself, it knows deduplication ids for as
// long as it lives and not for five minutes, and it hands out messages of a standard queue in the order of
// their sending, which AWS does not promise. It keeps all in memory, and knows nothing of Postrider.
package sqsfake

import (
	"strings"
	"sync"
	"time"
)

// Fake is a server with its queues. Its methods may be called side by side.
type Fake struct {
	// Slow is how long a call takes besides, so that others are there beside it. It is set before the
	// first call.
	Slow time.Duration
	// Answered is told of each call that was carried out, before its answer is sent. It is set before the
	// first call, and must not ask the fake for anything.
	Answered func(call string)

	clock func() time.Time

	mu      sync.Mutex
	queues  map[string]*queue
	news    chan struct{} // closed when a message came or became visible
	refuse  func(call string, r *Request, e *Entry) *Refusal
	calls   map[string]int
	running map[string]int
	most    map[string]int // most calls that were running side by side
}

type queue struct {
	name       string
	fifo       bool
	attributes map[string]string
	messages   []*kept
	receipts   map[string]*kept   // all that were ever handed out
	attempts   map[string][]taken // by their names
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

// New makes a fake without queues. By the clock it ends visibilities; how long a call waits is real time.
func New(clock func() time.Time) *Fake {
	return &Fake{
		clock: clock, queues: map[string]*queue{}, news: make(chan struct{}),
		calls: map[string]int{}, running: map[string]int{}, most: map[string]int{},
	}
}

// Create makes a queue, a FIFO queue if its name ends in .fifo. If there is one of that name it is deleted
// first, with its messages; SQS has everybody wait for a minute in between. Its dead letters go to the other one, if
// one is named. Calls name a queue by the last part of its URL; what comes before that does not matter.
func (f *Fake) Create(name, deadLetters string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := &queue{
		name: name, fifo: strings.HasSuffix(name, ".fifo"),
		// Whoever leaves its own wait out waits for long.
		attributes: map[string]string{"ReceiveMessageWaitTimeSeconds": "20", "MaximumMessageSize": "1048576"},
		receipts:   map[string]*kept{}, attempts: map[string][]taken{}, known: map[string]bool{},
	}
	if deadLetters != "" {
		q.attributes["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:` + deadLetters + `","maxReceiveCount":1000}`
	}
	f.queues[name] = q
	f.tell()
}

// Remove takes a queue away. It is back, with its messages, once it is restored.
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

// SetAttribute changes an attribute of a queue, such as RedrivePolicy. An empty one is none.
func (f *Fake) SetAttribute(queue, name, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queues[queue].attributes[name] = value
}

// Send puts a message into a queue, as a producer's call does, but none is counted or refused by a script.
// The error is what a producer would be told.
func (f *Fake) Send(queue string, e Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.send(f.queues[queue], &e)
	return err
}

// Left are the messages in a queue, in whatever hands they are.
func (f *Fake) Left(queue string) (all []Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.queues[queue].messages {
		all = append(all, Message{ID: m.id, Body: m.body, Attributes: m.attributes})
	}
	return all
}

// Forget has all messages visible again, as if the visibility of each had ended.
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

// Count is how many calls of a kind were made, and how many side by side at most.
func (f *Fake) Count(call string) (all, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call], f.most[call]
}

// Script has calls fail: refuse is asked about each call, with no entry, and then about each entry of a
// batch. It must not ask the fake for anything. None ends a script.
func (f *Fake) Script(refuse func(call string, r *Request, e *Entry) *Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// tell wakes the calls that wait.
func (f *Fake) tell() {
	close(f.news)
	f.news = make(chan struct{})
}
