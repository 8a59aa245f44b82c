package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// retriesName measures how fast retries are delivered that are all due at once, as after an outage, relative to fresh
// messages in the same run; and the cost of a worker that only polls many queues in which nothing is due.
const retriesName = "retries"

// retriesLeast is the lowest acceptable ratio of retries to fresh messages.
const retriesLeast = 0.5

const (
	// retriesPatience is how long retries may take in any case, and retriesSlow how many times the duration of as
	// many fresh messages. After that they are clearly too slow, and only those that have arrived count.
	retriesPatience = 2 * time.Minute
	retriesSlow     = 2.5
	// retriesApps is the number of applications that the endpoints are spread over in a new database.
	retriesApps = 500
)

var errRetries = errors.New("retries are delivered too slowly: the ratio to fresh messages is below the limit")

func (b *bench) retries(ctx context.Context) error {
	fmt.Fprintf(b.out, "%d fresh messages to one endpoint before and after %d retries, which are due at %d endpoints, through %v\n",
		b.messages, b.due, b.endpoints, b.components())
	return b.inTurn(ctx, func(name, binary string) error {
		if b.database != "" { // before a worker sees the pending deliveries there
			if _, err := (&cell{url: b.database}).execute(ctx, "DELETE FROM delivery"); err != nil {
				return fmt.Errorf("give up what is owed: %w", err)
			}
		}
		c, err := b.newCell(ctx, binary)
		if err != nil {
			return err
		}
		defer c.stop()
		err = b.retriesOnce(ctx, c)
		if name != oursName && errors.Is(err, errRetries) {
			return nil // a reference, not judged
		}
		return err
	})
}

func (b *bench) retriesOnce(ctx context.Context, c *cell) error {
	receiver, address, err := startListener(ctx, "receive", nil, "-secret", b.secret, "-verify-every", "0")
	if err != nil {
		return err
	}
	defer receiver.stop()
	hook, control := "http://"+address+hookPath, apiClient{base: "http://" + address}
	app, err := c.api.newEndpoint(ctx, hook, b.secret)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx, c, app, hook); err != nil {
		return fmt.Errorf("prepare the database: %w", err)
	}
	if _, err := b.fresh(ctx, c, control, app, b.warmup); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	before, err := b.fresh(ctx, c, control, app, b.messages)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "fresh messages before: %.0f/s\n", before)
	retried, err := b.retry(ctx, c, control, before)
	if err != nil {
		return err
	}
	after, err := b.fresh(ctx, c, control, app, b.messages)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "fresh messages after: %.0f/s\n", after)
	if err := b.idle(ctx, c); err != nil {
		return err
	}
	if _, err := c.execute(ctx, "DROP TABLE bench_endpoint"); err != nil {
		return err
	}
	ratio, verdict := 2*retried/(before+after), "PASS"
	if ratio < retriesLeast {
		verdict, err = "FAIL", errRetries
	}
	fmt.Fprintf(b.out, "%s: retries %.0f/s, fresh messages %.0f/s, ratio %.3f; the least is %.1f\n", verdict, retried, (before+after)/2, ratio, retriesLeast)
	return err
}

// fresh sends messages to the one endpoint of an application and returns how many were delivered per second.
func (b *bench) fresh(ctx context.Context, c *cell, control apiClient, app string, messages int) (float64, error) {
	if messages == 0 {
		return 0, nil
	}
	t := &target{url: c.api.base + "/api/v1/app/" + app + "/msg", token: c.api.token}
	sent, received, err := b.pass(ctx, t, control, messages, nil)
	if err != nil {
		return 0, err
	}
	r := newRound(messages, sent, received)
	return r.perSecond(), r.err()
}

// retry makes retries due while no worker runs, and returns how many were delivered per second once one runs.
func (b *bench) retry(ctx context.Context, c *cell, control apiClient, fresh float64) (float64, error) {
	deliverer := c.deliverer()
	c.stopProcess(deliverer)
	due, err := c.execute(ctx, dueInsert, b.due/b.endpoints)
	if err != nil {
		return 0, fmt.Errorf("insert the retries: %w", err)
	}
	if err := control.call(ctx, http.MethodPost, fmt.Sprintf("/expect/%d", due), nil, nil); err != nil {
		return 0, err
	}
	if err := c.start(ctx, deliverer); err != nil {
		return 0, err
	}
	begin := time.Now()
	limit := max(retriesPatience, time.Duration(retriesSlow*float64(due)/fresh*float64(time.Second)))
	for {
		var received receipt
		if err := control.call(ctx, http.MethodPost, "/await/"+min(awaitTimeout, limit).String(), nil, &received); err != nil {
			return 0, err
		}
		arrived, took := len(received.IDs), received.LastAt.Sub(begin)
		fmt.Fprintf(b.out, "%d of %d retries have arrived in %s, %d of them more than once\n", arrived, due, took.Round(time.Millisecond), received.Duplicates)
		if arrived >= due {
			return float64(arrived) / took.Seconds(), c.awaitRecorded(ctx)
		}
		if waited := time.Since(begin); waited > limit {
			_, err := c.execute(ctx, "DELETE FROM delivery")
			return float64(arrived) / waited.Seconds(), err
		}
	}
}

// deliverer returns the component that delivers.
func (c *cell) deliverer() string {
	if c.processes[workerName] != nil {
		return workerName
	}
	return serveName
}

// awaitRecorded waits until no delivery is pending.
func (c *cell) awaitRecorded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, awaitTimeout)
	defer cancel()
	poll := time.NewTicker(time.Second)
	defer poll.Stop()
	for {
		var owed int
		if err := c.query(ctx, "SELECT count(*) FROM delivery", nil, &owed); err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		if owed == 0 {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%d deliveries are still owed after %s", owed, awaitTimeout)
		}
	}
}

// prepare chooses the endpoints where retries are due. If the database has none, it makes them from an application
// with an endpoint and a message.
func (b *bench) prepare(ctx context.Context, c *cell, app, hook string) error {
	each := b.due / b.endpoints
	if b.database == "" {
		message := apiClient{base: c.api.base, token: c.api.token}
		if err := message.call(ctx, http.MethodPost, "/api/v1/app/"+app+"/msg", batchOne(b.payload), nil); err != nil {
			return err
		}
		if err := c.awaitRecorded(ctx); err != nil {
			return err
		}
		apps := min(retriesApps, b.endpoints)
		for _, statement := range []string{appCopies, endpointCopies, messageCopies} {
			if err := c.connected(ctx, func(conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, statement, pgx.NamedArgs{"app": app, "apps": apps, "endpoints": b.endpoints, "each": each})
				return err
			}); err != nil {
				return err
			}
		}
	}
	if _, err := c.execute(ctx, "DROP TABLE IF EXISTS bench_endpoint"); err != nil {
		return err
	}
	return c.connected(ctx, func(conn *pgx.Conn) error { return b.choose(ctx, conn, each, hook) })
}

func (b *bench) choose(ctx context.Context, conn *pgx.Conn, each int, hook string) error {
	args := pgx.NamedArgs{"endpoints": b.endpoints, "each": each, "url": hook}
	if _, err := conn.Exec(ctx, endpointChosen); err != nil {
		return err
	}
	tag, err := conn.Exec(ctx, endpointChoose, args)
	if err != nil {
		return err
	}
	if found := int(tag.RowsAffected()); found < b.endpoints {
		return fmt.Errorf("%d endpoints have %d messages each, want %d", found, each, b.endpoints)
	}
	_, err = conn.Exec(ctx, endpointPoint, args)
	return errors.Join(err, func() error { _, err := conn.Exec(ctx, appUnthrottle); return err }())
}
