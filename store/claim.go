package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/db"
)

const (
	// claimQueues is how many queues one claim looks at. Each costs one index probe of some 5 us, so a claim
	// that finds nothing costs about a millisecond, however long the backlog is.
	claimQueues = 200

	// withdrawEach is how many deliveries of a disabled endpoint are dropped at a time: some ten milliseconds
	// of work.
	withdrawEach = 2000
)

// DeliveryClaim leases due deliveries to the caller. It lists what is due, then leases it: in a single statement
// where only the room limits the number, and in a transaction where an endpoint's state does as well.
func (q *DeliveryQueue) DeliveryClaim(ctx context.Context, room core.Room, after core.Queue, now time.Time) (core.Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	owed, next, err := q.owed(ctx, after, now)
	if err != nil {
		return core.Claim{Next: after}, mapError(err)
	}
	q.floors.looked(after, next, owed, now)
	c := claim{room: room, now: now, Claim: core.Claim{Next: next}, taken: map[core.Queue]int{}, dueAt: map[core.Queue]time.Time{}}
	free, limited, gone := c.sort(owed)
	err = cmp.Or(
		q.withdraw(ctx, &c, gone),
		q.claimFree(ctx, &c, free),
		q.claimLimited(ctx, &c, limited),
		q.dropUnsendable(ctx, &c),
	)
	return c.Claim, mapError(err)
}

// claim is a claim in progress.
type claim struct {
	core.Claim
	room     core.Room
	now      time.Time
	unopened int        // number of deliveries leased but held back, because their endpoint's row cannot be read
	last     core.Queue // the last queue that something was taken from
	taken    map[core.Queue]int
	dueAt    map[core.Queue]time.Time                     // when the first delivery of each queue was due
	unsent   db.DeliveryDropUnsendableManyAnyTenantParams // deliveries that were due but could not be leased
}

// left returns the unused room.
func (c *claim) left() int { return c.room.Total - len(c.Deliveries) - c.unopened }

// sort separates the queues that can be claimed from immediately (free), those that depend on the endpoint's state
// (limited), and the endpoints that are gone. For queues that have to wait, it notes when to look again.
func (c *claim) sort(owed []core.Owed) (free, limited []core.Owed, gone []string) {
	for _, o := range owed {
		c.dueAt[o.Queue] = o.DueAt
		switch {
		case o.Gone:
			gone = append(gone, string(o.EndpointID))
		case slices.Contains(c.room.Full, o.EndpointID), slices.Contains(c.room.FullApps, o.AppID):
		case !o.Limited():
			free = append(free, o)
		case o.WaitUntil().After(c.now):
			c.wakeAt(o.WaitUntil())
		default:
			limited = append(limited, o)
		}
	}
	return free, limited, gone
}

// wakeAt notes that something can be claimed at a later time.
func (c *claim) wakeAt(at time.Time) {
	if !at.After(c.now) {
		return
	}
	if c.WakeAt.IsZero() || at.Before(c.WakeAt) {
		c.WakeAt = at
	}
}

// owed lists what is due and returns the queue to continue after, which is zero at the end.
func (q *DeliveryQueue) owed(ctx context.Context, after core.Queue, now time.Time) ([]core.Owed, core.Queue, error) {
	p := q.floors.from(after, now)
	p.AfterEndpointID, p.AfterQueue, p.MaxQueues, p.Now = string(after.EndpointID), int16(after.Kind), claimQueues, now
	rows, err := queries.DeliveryOwedListAnyTenant(ctx, q.pool, p)
	if err != nil {
		return nil, after, err
	}
	var next core.Queue
	var owed []core.Owed
	for _, row := range rows {
		queue := core.Queue{EndpointID: core.EndpointID(row.EndpointID), Kind: core.QueueKind(row.Queue)}
		if row.N == claimQueues && queue != endOfQueues {
			next = queue
		}
		if row.AppID != "" && (row.Gone || !row.DueAt.After(now)) {
			owed = append(owed, core.Owed{
				AppID: core.AppID(row.AppID), Queue: queue, DueAt: row.DueAt, Gone: row.Gone,
				PausedUntil: orZero(row.PausedUntil),
				Pace:        core.Pace{Rate: row.ThrottleRate, Until: orZero(row.ThrottledUntil)},
				AppPace:     core.Pace{Rate: row.AppThrottleRate, Until: orZero(row.AppThrottledUntil)},
			})
		}
	}
	return owed, next, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// claimFree claims deliveries that only the room limits. The next claim continues where the room ran out.
func (q *DeliveryQueue) claimFree(ctx context.Context, c *claim, owed []core.Owed) error {
	if len(owed) == 0 {
		return nil
	}
	allotments := core.Allot(owed, c.room.PerEndpoint)
	_, err := q.lease(ctx, q.pool, c, allotments)
	if err != nil {
		return err
	}
	if c.left() <= 0 {
		c.Next = c.last
	}
	for _, a := range allotments {
		if a.Kind != core.QueueOrdered && c.taken[a.Queue] == a.Most {
			c.More = append(c.More, a.EndpointID)
		}
	}
	return nil
}

// claimLimited claims for endpoints that are throttled or paused. It does not wait for another worker that is
// claiming for the same endpoints.
func (q *DeliveryQueue) claimLimited(ctx context.Context, c *claim, owed []core.Owed) error {
	if len(owed) == 0 || c.left() <= 0 {
		return nil
	}
	before := *c
	err := retried(func() error {
		*c = before
		return transact(ctx, q.pool, func(t pgx.Tx) error { return q.claimPaced(ctx, t, c, owed) })
	})
	if err != nil {
		*c = before // the leases were rolled back
	}
	return err
}

func (q *DeliveryQueue) claimPaced(ctx context.Context, t pgx.Tx, c *claim, owed []core.Owed) error {
	limits, err := lockLimits(ctx, t, owed)
	if err != nil {
		return err
	}
	claimed, err := q.lease(ctx, t, c, limits.Allot(owed, c.left(), c.room.PerEndpoint, c.now))
	if err != nil {
		return err
	}
	limits.Take(claimed, c.room.LeasedUntil, c.now)
	for _, o := range owed {
		o.PausedUntil, o.Pace = limits.Endpoints[o.EndpointID].PausedUntil, limits.Endpoints[o.EndpointID].Pace
		o.AppPace = limits.Applications[o.AppID]
		c.wakeAt(o.WaitUntil())
	}
	return writeLimits(ctx, t, claimed, limits)
}

// lease leases the deliveries that the allotments allow and that there is room for, and returns them. It holds back
// deliveries whose endpoint's row cannot be read: they are not sent, and are due again when the lease has expired.
func (q *DeliveryQueue) lease(ctx context.Context, conn db.DBTX, c *claim, allotments []core.Allotment) ([]core.Delivery, error) {
	room := c.left()
	wanted := make([]core.Allotment, 0, len(allotments))
	for _, a := range allotments {
		if a.Kind == core.QueueOrdered {
			if room == 0 {
				continue
			}
			room--
		}
		wanted = append(wanted, a)
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	rows, err := queries.DeliveryClaimManyAnyTenant(ctx, conn, db.DeliveryClaimManyAnyTenantParams{
		Now: c.now, LeasedUntil: c.room.LeasedUntil, LargePayload: core.LargePayload,
		Room: int32(room), MaxRows: int32(c.left()),
		EndpointIDs: column(wanted, func(a *core.Allotment) string { return string(a.EndpointID) }),
		Queues:      column(wanted, func(a *core.Allotment) int16 { return int16(a.Kind) }),
		Limits:      column(wanted, func(a *core.Allotment) int32 { return int32(a.Most) }),
		Sinces:      column(wanted, func(a *core.Allotment) time.Time { return c.dueAt[a.Queue] }),
		Seqs:        column(wanted, func(a *core.Allotment) int64 { return q.floors.seq(a.Queue) }),
	})
	if err != nil {
		return nil, err
	}
	claimed := make([]core.Delivery, 0, len(rows))
	for _, row := range rows {
		queue := core.Queue{EndpointID: core.EndpointID(row.EndpointID), Kind: core.QueueKind(row.Queue)}
		if c.taken[queue]++; queue.Compare(c.last) > 0 {
			c.last = queue
		}
		q.floors.took(queue, row.Seq)
		if row.Lease == 0 {
			c.unsent.AppIDs = append(c.unsent.AppIDs, row.AppID)
			c.unsent.MessageIDs = append(c.unsent.MessageIDs, row.MessageID)
			c.unsent.EndpointIDs = append(c.unsent.EndpointIDs, row.EndpointID)
			continue
		}
		d, ok := q.leased(row, c.room.LeasedUntil, c.now)
		if !ok {
			c.unopened++
			continue
		}
		claimed = append(claimed, d)
	}
	c.Deliveries = append(c.Deliveries, claimed...)
	return claimed, nil
}

// leased maps the row of a delivery that was claimed or taken. It returns false if the endpoint's row cannot be read;
// see receive.
func (q *DeliveryQueue) leased(row db.DeliveryClaimManyAnyTenantRow, until, now time.Time) (core.Delivery, bool) {
	d := core.Delivery{
		AppID: core.AppID(row.AppID), MessageID: core.MessageID(row.MessageID), EndpointID: core.EndpointID(row.EndpointID),
		Lease: row.Lease, LeasedUntil: until, Attempts: int(row.Attempts),
		Ordered: core.QueueKind(row.Queue) == core.QueueOrdered, Failing: row.Failing, Subject: row.Subject,
		Manual: row.Manual, ResumeAt: row.ResumeAt,
		URL: "", Secrets: nil, Headers: nil, // receive
		ContentType: row.ContentType, Payload: row.Payload, PayloadBytes: int(row.PayloadBytes), TraceParent: row.TraceParent,
	}
	ok := q.receive(&d, receiving{row.URL, row.Secret, row.Headers, row.OldSecrets, row.OldSecretsExpireAt}, now)
	return d, ok
}
