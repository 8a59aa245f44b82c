package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// endedQueue ends deliveries in its first claim.
type endedQueue struct {
	*fakeQueue
	claims []core.Claim
}

func (q *endedQueue) DeliveryClaim(ctx context.Context, room core.Room, after core.Queue, now time.Time) (core.Claim, error) {
	claim, err := q.fakeQueue.DeliveryClaim(ctx, room, after, now)
	if len(q.claims) > 0 {
		claim.Dropped, claim.Withdrawn, q.claims = q.claims[0].Dropped, q.claims[0].Withdrawn, q.claims[1:]
	}
	return claim, err
}

// TestWorkerLogsTheDeliveriesItDrops checks that there is one log line for each delivery that ended because it had no
// payload, and one for each endpoint whose deliveries were withdrawn, and that claims continue at once.
func TestWorkerLogsTheDeliveriesItDrops(t *testing.T) {
	t.Parallel()
	q := &endedQueue{fakeQueue: newQueue(), claims: []core.Claim{
		{Dropped: []core.Dropped{
			{AppID: "app_1", MessageID: "msg_1", EndpointID: "ep_1", Attempts: 3, Reason: core.DropExpired},
			{AppID: "app_1", MessageID: "msg_2", EndpointID: "ep_1", Reason: core.DropExpunged},
		}},
		{Withdrawn: []core.Withdrawn{{AppID: "app_1", EndpointID: "ep_2", Deliveries: 40}}},
	}}
	var log bytes.Buffer
	dropTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	w := New(testConfig(), q, time.Now, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: dropTime})))
	if !w.claim(t.Context()) {
		t.Error("the worker found nothing to do")
	}
	want := []string{
		`level=WARN msg="delivery dropped; nothing left to send" reason="payload expired" application=app_1 message=msg_1 endpoint=ep_1 attempts=3`,
		`level=WARN msg="delivery dropped; nothing left to send" reason="payload expunged" application=app_1 message=msg_2 endpoint=ep_1 attempts=0`,
		`level=INFO msg="deliveries dropped; endpoint disabled or deleted" application=app_1 endpoint=ep_2 deliveries=40`,
	}
	if got := slices.Collect(strings.Lines(log.String())); strings.Join(got, "") != strings.Join(want, "\n")+"\n" {
		t.Errorf("logged\n%s\nwant\n%s", log.String(), strings.Join(want, "\n"))
	}
	if len(q.claims) != 0 {
		t.Errorf("%d claims were left for the next poll", len(q.claims))
	}
}
