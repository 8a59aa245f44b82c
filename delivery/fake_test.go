package delivery

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postrider/postrider/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeQueue is an in-memory queue whose deliveries behave like those in the database.
type fakeQueue struct {
	mu        sync.Mutex
	due       []core.Delivery
	results   []core.Result
	released  []core.Delivery
	postponed []postponed
	claiming  func(context.Context) // called in each claim
	fail      int                   // how many records fail before one succeeds

	payloads map[core.MessageID]string // of large deliveries
	reads    int                       // number of payload reads
	reading  func() error              // called in each read

	claims  []core.Queue // where each claim began
	next    []core.Queue // where each claim says to continue
	resting bool         // whether each record reports the endpoint as resting

	recorded chan core.Result
}

func newQueue(due ...core.Delivery) *fakeQueue {
	return &fakeQueue{due: due, recorded: make(chan core.Result, 10_000)}
}

func (q *fakeQueue) DeliveryClaim(ctx context.Context, room core.Room, after core.Queue, _ time.Time) (core.Claim, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.claiming != nil {
		q.claiming(ctx)
	}
	q.claims = append(q.claims, after)
	var next core.Queue
	if len(q.next) > 0 {
		next, q.next = q.next[0], q.next[1:]
	}
	var claimed, left []core.Delivery
	taken := map[core.EndpointID]int{}
	for _, id := range room.Full {
		taken[id] = room.PerEndpoint
	}
	for _, d := range q.due {
		if slices.Contains(room.FullApps, d.AppID) {
			left = append(left, d)
			continue
		}
		if len(claimed) < room.Total && taken[d.EndpointID] < room.PerEndpoint {
			taken[d.EndpointID]++
			d.Lease++
			d.LeasedUntil = room.LeasedUntil
			claimed = append(claimed, d)
		} else {
			left = append(left, d)
		}
	}
	q.due = left
	return core.Claim{Deliveries: claimed, Next: next}, nil
}

// DeliveryTake takes nothing, because fresh deliveries were handed over.
func (q *fakeQueue) DeliveryTake(context.Context, core.Room, time.Time) (core.Taken, error) {
	return core.Taken{}, nil
}

func (q *fakeQueue) DeliveryExpire(context.Context, time.Time) (int, error) { return 0, nil }

func (q *fakeQueue) DeliverySweep(context.Context, time.Time) (int, error) { return 0, nil }

func (q *fakeQueue) MessagePayloadGet(_ context.Context, _ core.AppID, id core.MessageID, _ time.Time) (string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reads++
	if q.reading != nil {
		if err := q.reading(); err != nil {
			return "", err
		}
	}
	payload, ok := q.payloads[id]
	if !ok {
		return "", core.NotFound()
	}
	return payload, nil
}

func (q *fakeQueue) DeliveryRecord(_ context.Context, r core.Result) (core.Recorded, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.fail > 0 {
		q.fail--
		return core.Recorded{}, &core.Error{Kind: core.KindUnavailable}
	}
	q.results = append(q.results, r)
	q.recorded <- r
	return core.Recorded{Held: true, Resting: q.resting}, nil
}

func (q *fakeQueue) DeliveryRelease(_ context.Context, deliveries []core.Delivery, _ time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.released = append(q.released, deliveries...)
	return nil
}

// postponed is a delivery that was given back until a later time.
type postponed struct {
	core.Delivery
	until time.Time
}

func (q *fakeQueue) DeliveryPostpone(_ context.Context, d core.Delivery, until time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.postponed = append(q.postponed, postponed{d, until})
	return nil
}

func testConfig() Config {
	return Config{
		Concurrency: 8, EndpointConcurrency: 4, IdleConnections: 16, RequestTimeout: time.Minute, Lease: 10 * time.Minute,
		StopTimeout: time.Minute, RetrySchedule: core.RetrySchedule{time.Minute}, UserAgent: "Postrider/test",
		AllowSubnets: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	}
}

// run runs a worker until stop is called, which returns once it has stopped.
func run(t *testing.T, config Config, queue core.DeliveryQueue) (w *Worker, stop func()) {
	t.Helper()
	w = New(config, queue, time.Now, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		w.sender.pool.closeKept()
	})
	t.Cleanup(stop)
	return w, stop
}

func testDelivery(url string) core.Delivery {
	return core.Delivery{
		AppID: "app_1", MessageID: core.NewMessageID(time.Now()), EndpointID: "ep_1",
		URL: url, Secrets: []core.Secret{core.NewSecret()}, Payload: `{"a": 1}`,
	}
}
