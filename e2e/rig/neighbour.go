package rig

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hostile makes customers attack each other at full size. `make hostile` sets it.
var hostile = flag.Bool("hostile", false, "attack at full size")

// HostileSize returns the number of things an attack uses: few by default, or all that are allowed with -hostile.
func HostileSize(few, all int) int {
	if *hostile {
		return all
	}
	return few
}

const (
	// neighbourPatience is how long a neighbour's client waits for an answer: far longer than any answer should take on
	// a slow and busy machine. bench -scenario neighbours measures how much longer answers take.
	neighbourPatience = 10 * time.Second
	// neighbourLeast is the minimum number of messages a neighbour sends during an attack, however short the attack.
	neighbourLeast = 10
	// memoryMost is the memory limit of a process with its default settings.
	memoryMost = 512 << 20
)

// Neighbour is a customer that others must not hurt. It sends one message at a time.
type Neighbour struct {
	Client
	App      string
	receiver *Receiver
	answered atomic.Int64 // messages that were accepted
	failed   atomic.Bool  // a message was not accepted
}

// NewNeighbour creates a neighbour in an organisation of its own.
func NewNeighbour(t testing.TB, s Service) *Neighbour {
	t.Helper()
	n := &Neighbour{Client: s.NewTenant(t), receiver: NewReceiver(t, nil)}
	n.App = n.NewApplication(t)
	n.receiver.NewEndpoint(t, n.Client, n.App)
	return n
}

// Beside sends messages until the attack returns. Every message must be accepted in time and arrive.
func (n *Neighbour) Beside(t testing.TB, attack func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var sender sync.WaitGroup
	var ids []string
	var slowest time.Duration
	sender.Go(func() {
		for ctx.Err() == nil || len(ids) < neighbourLeast {
			began := time.Now()
			id, err := n.post(t.Context())
			if t.Context().Err() != nil {
				return // the attack ended the test
			}
			if err != nil {
				n.failed.Store(true)
				t.Errorf("a neighbour's message: %v", err)
				return
			}
			n.answered.Add(1)
			ids, slowest = append(ids, id), max(slowest, time.Since(began))
			_ = Pause(ctx, 50*time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); sender.Wait() }) // in case the attack ends the test
	attack()
	cancel()
	sender.Wait()
	n.receiver.Await(t, ids...)
	t.Logf("the neighbour sent %d messages; the slowest answer took %s", len(ids), slowest.Round(time.Millisecond))
}

// AwaitAnswered waits until this many messages were accepted or one was refused.
func (n *Neighbour) AwaitAnswered(t testing.TB, messages int) {
	t.Helper()
	Await(t, func() string {
		if answered := int(n.answered.Load()); answered < messages && !n.failed.Load() {
			return fmt.Sprintf("%d messages of the neighbour were accepted, want %d", answered, messages)
		}
		return ""
	})
}

func (n *Neighbour) post(ctx context.Context) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, neighbourPatience)
	defer cancel()
	answer, err := n.Do(ctx, http.MethodPost, "/api/v1/app/"+n.App+"/msg", `{"eventType":"e","payload":{"of":"the neighbour"}}`)
	if err == nil && answer.Status != http.StatusAccepted {
		err = fmt.Errorf("status %d: %.200s", answer.Status, answer.Body)
	}
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	err = json.Unmarshal(answer.Body, &made)
	return made.ID, err
}

// WantLittleMemory fails if the process's memory ever exceeded the limit. It needs Linux's /proc.
func (p *Process) WantLittleMemory(t testing.TB) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if err != nil {
		t.Logf("how much memory a process has had is not known here: %v", err)
		return
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	kilobytes := Must(strconv.Atoi(strings.TrimSpace(peak)))(t)
	t.Logf("%s has had %d MB at most", p.Cmd.Args[1], kilobytes>>10)
	if kilobytes<<10 > memoryMost {
		t.Errorf("%s has had %d MB of memory, want %d at most", p.Cmd.Args[1], kilobytes>>10, memoryMost>>20)
	}
}

// NewEndpoints creates n identical endpoints of an application, ten at a time.
func (c Client) NewEndpoints(t testing.TB, app string, n int, in map[string]any) (ids []string) {
	t.Helper()
	body := string(Must(json.Marshal(in))(t))
	ids = make([]string, n)
	Concurrently(n, func(i int) {
		answer, err := c.Do(t.Context(), http.MethodPost, "/api/v1/app/"+app+"/endpoint", body)
		var made struct{ ID string }
		if err != nil || answer.Status != http.StatusCreated || json.Unmarshal(answer.Body, &made) != nil {
			t.Errorf("an endpoint: status %d: %.200s: %v", answer.Status, answer.Body, err)
		}
		ids[i] = made.ID
	})
	if t.Failed() {
		t.FailNow()
	}
	return ids
}

// Concurrently calls do with 0 to times-1, ten at a time.
func Concurrently(times int, do func(n int)) {
	var workers sync.WaitGroup
	for first := range 10 {
		workers.Go(func() {
			for n := first; n < times; n += 10 {
				do(n)
			}
		})
	}
	workers.Wait()
}

// Counter is a receiver that only counts webhooks.
type Counter struct {
	URL string

	mu    sync.Mutex
	times map[string]int // by message
	total int
}

// NewCounter starts a counter that handles each webhook with take, or accepts it immediately if take is nil.
func NewCounter(t testing.TB, take http.HandlerFunc) *Counter {
	t.Helper()
	c := &Counter{times: map[string]int{}}
	c.URL = listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if take != nil {
			take(w, r)
		}
		if !discard(r) {
			return // cut off in transit
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.times[r.Header.Get("Webhook-Id")]++
		c.total++
	})
	return c
}

// discard reads a body and reports whether it arrived completely.
func discard(r *http.Request) bool {
	_, err := io.Copy(io.Discard, r.Body)
	return err == nil
}

// Total returns how many webhooks have arrived.
func (c *Counter) Total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Await waits until this many webhooks for this many messages have arrived.
func (c *Counter) Await(t testing.TB, messages, webhooks int) {
	t.Helper()
	Await(t, func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.total >= webhooks && len(c.times) >= messages {
			return ""
		}
		return fmt.Sprintf("%d webhooks of %d messages have come, want %d of %d", c.total, len(c.times), webhooks, messages)
	})
}
