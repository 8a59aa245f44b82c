package delivery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// sweptQueue is a queue whose sweeps call a function.
type sweptQueue struct {
	*fakeQueue
	sweep func(context.Context) (int, error)
}

func (q sweptQueue) DeliverySweep(ctx context.Context, _ time.Time) (int, error) { return q.sweep(ctx) }

func TestNothingWaitsForASweep(t *testing.T) {
	t.Parallel()
	received := make(chan struct{}, 1)
	receiver := httptest.NewServer(whole(func(http.ResponseWriter, *http.Request) { received <- struct{}{} }))
	t.Cleanup(receiver.Close)
	ended := make(chan struct{})
	q := sweptQueue{newQueue(testDelivery(receiver.URL)), func(ctx context.Context) (int, error) {
		defer close(ended)
		<-ctx.Done()
		return 0, ctx.Err()
	}}
	_, stop := run(t, testConfig(), q)
	<-received
	stop()
	<-ended
}

func TestSweepsGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		q := sweptQueue{newQueue(), func(context.Context) (int, error) {
			at = append(at, time.Since(began))
			switch len(at) {
			case 1:
				return 0, errors.New("away")
			case 3:
				<-time.After(time.Minute) // as long as it takes to read all dead rows
			}
			return 0, nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		w := New(testConfig(), q, time.Now, slog.New(slog.DiscardHandler))
		w.sweeps(ctx)
		want := []time.Duration{0, sweepRetry, sweepRetry + sweepInterval, sweepRetry + sweepInterval + time.Minute*(1+sweepRest)}
		for i, d := range want {
			if i >= len(at) || at[i] != d {
				t.Fatalf("sweeps at %s, want %s", at, want)
			}
		}
	})
}
