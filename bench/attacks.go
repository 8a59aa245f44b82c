package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// endpointsQuota is the default quota of endpoints per application.
	endpointsQuota = 1000
	// attackHistory is how many messages attackers send beforehand if their attack searches through messages.
	attackHistory = 20_000
)

// orderHeld takes the lock that the statement that stores messages takes for a FIFO endpoint, and holds it.
const orderHeld = `
	BEGIN;
	SELECT pg_advisory_xact_lock(hashtextextended(format('%%s delivery %%s', current_schema(), '%[1]s'), 0));
	INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, queue, seq, state)
	VALUES ('%[1]s', 'msg_held', '%[2]s', now() + interval '1 hour', 0, 2, nextval('delivery_seq'), 'waiting')`

var allAttacks = []attack{
	{
		name: "a", about: "5 messages a second to 1,000 endpoints",
		prepare: func(ctx context.Context, a *attacker) error { return a.newApp(ctx, endpointsQuota, nil) },
		run:     func(ctx context.Context, a *attacker) { a.paced(ctx, 5, a.path("/msg")) },
	},
	{
		name: "a20", about: "the same, 20 messages a second, which is more than can be sent",
		prepare: func(ctx context.Context, a *attacker) error { return a.newApp(ctx, endpointsQuota, nil) },
		run:     func(ctx context.Context, a *attacker) { a.paced(ctx, 20, a.path("/msg")) },
	},
	{
		name: "b", about: "1 message a second to 100 endpoints with 64 kB of headers each",
		prepare: func(ctx context.Context, a *attacker) error { return a.newApp(ctx, 100, largestHeaders()) },
		run:     func(ctx context.Context, a *attacker) { a.paced(ctx, 1, a.path("/msg")) },
	},
	{
		name: "b10", about: "the same, 10 messages a second",
		prepare: func(ctx context.Context, a *attacker) error { return a.newApp(ctx, 100, largestHeaders()) },
		run:     func(ctx context.Context, a *attacker) { a.paced(ctx, 10, a.path("/msg")) },
	},
	{
		name: "c", about: "20 messages a second to a FIFO endpoint whose order somebody holds locked", held: orderHeld,
		prepare: func(ctx context.Context, a *attacker) error { return a.newApp(ctx, 1, map[string]any{"fifo": true}) },
		run:     func(ctx context.Context, a *attacker) { a.paced(ctx, 20, a.path("/msg")) },
	},
	{
		name: "d", about: "100 clients list messages and attempts that match nothing",
		prepare: prepareLists,
		run: func(ctx context.Context, a *attacker) {
			a.flood(ctx, 100, http.MethodGet, nil, a.paths...)
		},
	},
	{
		name: "e", about: "3,000 background tasks", prepare: prepareTasks, run: runTasks,
	},
	{
		name: "f", about: "50 clients send 2 MB to an endpoint that reads slowly, and to 40 endpoints",
		prepare: preparePayloads,
		run:     func(ctx context.Context, a *attacker) { a.flood(ctx, 50, http.MethodPost, a.body, a.paths...) },
	},
	{
		name: "g", about: "10 clients list the largest endpoints, and messages of 2 MB",
		prepare: prepareLargeRows,
		run: func(ctx context.Context, a *attacker) {
			a.flood(ctx, 10, http.MethodGet, nil, a.paths...)
		},
	},
	{
		name: "cpu", about: "none, but a process that keeps a processor busy: what load alone costs on this machine", reference: true,
		prepare: prepareNothing, run: func(ctx context.Context, _ *attacker) { busy(ctx) },
	},
	{
		name: "cpus", about: "none, but a process that keeps all processors busy", reference: true,
		prepare: func(context.Context, *attacker) error {
			runtime.GOMAXPROCS(runtime.NumCPU())
			return nil
		},
		run: func(ctx context.Context, _ *attacker) {
			var all sync.WaitGroup
			for range runtime.NumCPU() {
				all.Go(func() { busy(ctx) })
			}
			all.Wait()
		},
	},
}

func prepareNothing(context.Context, *attacker) error { return nil }

// busy keeps a processor busy until ctx ends.
func busy(ctx context.Context) {
	for sum := 0; ctx.Err() == nil; sum++ {
		runtime.KeepAlive(sum)
	}
}

func (a *attacker) path(tail string) string { return "/api/v1/app/" + a.App + tail }

// newApp creates an application with this many endpoints like the given one, and makes it the attacker's current one.
func (a *attacker) newApp(ctx context.Context, endpoints int, like map[string]any) error {
	var made struct{ ID string }
	if err := a.api.call(ctx, http.MethodPost, "/api/v1/app", map[string]string{"name": "Attacker"}, &made); err != nil {
		return err
	}
	a.App = made.ID
	return a.newEndpoints(ctx, endpoints, like)
}

func (a *attacker) newEndpoints(ctx context.Context, endpoints int, like map[string]any) error {
	in := map[string]any{"url": a.hook}
	maps.Copy(in, like)
	a.endpoints = make([]string, endpoints)
	err := concurrently(ctx, endpoints, func(n int) error {
		var made struct{ ID string }
		err := a.api.call(ctx, http.MethodPost, a.path("/endpoint"), in, &made)
		a.endpoints[n] = made.ID
		return err
	})
	if endpoints > 0 {
		a.Endpoint = a.endpoints[0]
	}
	return err
}

// concurrently calls do the given number of times, eight at a time.
func concurrently(ctx context.Context, times int, do func(n int) error) error {
	var all sync.WaitGroup
	failures := make([]error, 8)
	for worker := range failures {
		all.Go(func() {
			for n := worker; n < times && failures[worker] == nil && ctx.Err() == nil; n += len(failures) {
				failures[worker] = do(n)
			}
		})
	}
	all.Wait()
	return errors.Join(errors.Join(failures...), ctx.Err())
}

// largestHeaders returns headers of the largest total size that an endpoint may have.
func largestHeaders() map[string]any {
	const name, value, all = len("X-Attack-00"), 4085, 65_536
	headers := map[string]string{}
	for n := range all / (name + value) {
		headers[fmt.Sprintf("X-Attack-%02d", n)] = strings.Repeat("h", value)
	}
	return map[string]any{"headers": headers}
}

// sendHistory stores this many small messages, in batches, which cost less.
func (a *attacker) sendHistory(ctx context.Context, messages int) error {
	for left := messages; left > 0; left -= batchMax {
		if err := a.api.call(ctx, http.MethodPost, a.path("/msg/batch?with_content=false"), batchOf(min(left, batchMax), a.payload), nil); err != nil {
			return err
		}
	}
	return nil
}

// prepareLists sends messages to one endpoint, and waits until their attempts can be listed.
func prepareLists(ctx context.Context, a *attacker) error {
	if err := a.newApp(ctx, 1, nil); err != nil {
		return err
	}
	if err := a.sendHistory(ctx, attackHistory); err != nil {
		return err
	}
	for a.received.Load() < attackHistory {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	attempts := a.path("/attempt/endpoint/" + a.Endpoint)
	a.paths = []string{
		a.path("/msg?limit=250&channel=none"), a.path("/msg?limit=250&tag=none"), a.path("/msg?limit=250&event_types=none"),
		attempts + "?limit=250&status=2", attempts + "?limit=250&status_code_class=400", attempts + "?limit=250&channel=none",
		attempts + "?limit=250&event_types=none", a.path("/endpoint/" + a.Endpoint + "/msg?limit=250&channel=none"),
	}
	return pause(ctx, 2*time.Second) // so that the results are recorded
}

// prepareTasks sends messages before there are endpoints, so that every endpoint lacks all of them.
func prepareTasks(ctx context.Context, a *attacker) error {
	if err := a.newApp(ctx, 0, nil); err != nil {
		return err
	}
	if err := a.sendHistory(ctx, attackHistory/10); err != nil {
		return err
	}
	return a.newEndpoints(ctx, endpointsQuota, nil)
}

// runTasks starts a task of each kind at each endpoint; if there is a quota, further ones are refused. The tasks run
// until the measurement is over.
func runTasks(ctx context.Context, a *attacker) {
	body, _ := json.Marshal(map[string]string{"since": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)}) // two strings always encode
	_ = concurrently(ctx, 3*len(a.endpoints), func(n int) error {
		kind := []string{"/replay-missing", "/bulk-replay", "/recover"}[n%3]
		a.send(ctx, http.MethodPost, a.path("/endpoint/"+a.endpoints[n/3]+kind), body)
		return nil
	})
	<-ctx.Done()
}

// bodyMost is slightly less than the largest body that the API accepts.
const bodyMost = 2<<20 - 200

// largeMessage returns a message with an incompressible payload.
func largeMessage() []byte {
	noise := make([]byte, bodyMost/4*3-300)
	rand.Read(noise)
	return []byte(`{"eventType":"invoice.paid","payload":{"noise":"` + base64.StdEncoding.EncodeToString(noise) + `"}}`)
}

// preparePayloads creates an application whose endpoint reads slowly, and one with 40 endpoints.
func preparePayloads(ctx context.Context, a *attacker) error {
	a.body = largeMessage()
	if err := a.newApp(ctx, 1, map[string]any{"url": a.hook + slowPath}); err != nil {
		return err
	}
	a.paths = []string{a.path("/msg?with_content=false")}
	if err := a.newApp(ctx, 40, nil); err != nil {
		return err
	}
	a.paths = append(a.paths, a.path("/msg?with_content=false"))
	return nil
}

// prepareLargeRows creates an application with endpoints of the largest size, and one with messages of the largest
// size.
func prepareLargeRows(ctx context.Context, a *attacker) error {
	const description, metadata, url = 16_384, 4000, 60_000
	large := map[string]any{
		"url": a.hook + strings.Repeat("u", url), "description": strings.Repeat("d", description),
		"metadata": map[string]string{"note": strings.Repeat("m", metadata)},
	}
	if err := a.newApp(ctx, 250, large); err != nil {
		return err
	}
	a.paths = []string{a.path("/endpoint?limit=250")}
	if err := a.newApp(ctx, 0, nil); err != nil {
		return err
	}
	body := largeMessage()
	for n := range 60 {
		status, err := a.request(ctx, http.MethodPost, a.path("/msg?with_content=false"), body)
		if err != nil || status != http.StatusAccepted {
			return errors.Join(err, errors.New("message "+strconv.Itoa(n)+" of 2 MB: status "+strconv.Itoa(status)))
		}
	}
	a.paths = append(a.paths, a.path("/msg?limit=250"), a.path("/msg?limit=250&with_content=false"))
	return nil
}
