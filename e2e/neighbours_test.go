package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postrider/postrider/e2e/rig"
)

// attack is a customer with an application that attacks a service shared with another customer.
type attack struct {
	rig.Client // the attacker
	app        string
	webhooks   *rig.Counter // receives the attacker's webhooks
	process    *rig.Process
	neighbour  *rig.Neighbour
}

func newAttack(t *testing.T, settings ...string) *attack {
	t.Helper()
	p, s := rig.Serve(t, settings...)
	a := &attack{Client: s.NewTenant(t), webhooks: rig.NewCounter(t, nil), process: p, neighbour: rig.NewNeighbour(t, s)}
	a.app = a.NewApplication(t)
	return a
}

// TestNeighbourIsServedBesideEndpointsPastQuota has a customer create more FIFO endpoints than allowed, and send to
// those that exist.
func TestNeighbourIsServedBesideEndpointsPastQuota(t *testing.T) {
	t.Parallel()
	quota := rig.HostileSize(20, 1000)
	a := newAttack(t, fmt.Sprintf("POSTRIDER_ENDPOINTS_PER_APPLICATION=%d", quota))
	a.neighbour.Beside(t, func() {
		in := map[string]any{"url": a.webhooks.URL, "fifo": true}
		a.NewEndpoints(t, a.app, quota, in)
		rig.Concurrently(quota/2, func(int) {
			a.Call(t, http.StatusConflict, "POST", "/api/v1/app/"+a.app+"/endpoint", `{"url":"`+a.webhooks.URL+`","fifo":true}`)
		})
		a.SendMessage(t, a.app)
		a.webhooks.Await(t, 1, quota)
	})
}

// TestNeighbourIsServedBesideFanOutWithLargeHeaders sends to many endpoints that have the largest allowed headers.
func TestNeighbourIsServedBesideFanOutWithLargeHeaders(t *testing.T) {
	t.Parallel()
	endpoints, messages := rig.HostileSize(20, 100), rig.HostileSize(3, 30)
	a := newAttack(t)
	headers := map[string]string{}
	for i := range 16 { // of 4,096 bytes each, including the name
		headers[fmt.Sprintf("X-Header-%02d", i)] = strings.Repeat("h", 4096-len("X-Header-00"))
	}
	a.NewEndpoints(t, a.app, endpoints, map[string]any{"url": a.webhooks.URL, "headers": headers})
	a.neighbour.Beside(t, func() {
		for range messages {
			a.SendMessage(t, a.app)
		}
		a.webhooks.Await(t, messages, messages*endpoints)
	})
	a.process.WantLittleMemory(t)
}

// TestNeighbourIsServedBesideFanOutToAllEndpoints sends to as many endpoints as an application may have.
func TestNeighbourIsServedBesideFanOutToAllEndpoints(t *testing.T) {
	t.Parallel()
	endpoints, messages := rig.HostileSize(100, 1000), rig.HostileSize(5, 50)
	a := newAttack(t)
	a.NewEndpoints(t, a.app, endpoints, map[string]any{"url": a.webhooks.URL})
	a.neighbour.Beside(t, func() {
		for range messages {
			a.SendMessage(t, a.app)
		}
		a.webhooks.Await(t, messages, messages*endpoints)
	})
	a.process.WantLittleMemory(t)
}

// TestNeighbourIsServedBesideListsMatchingNothing has a hundred clients list messages and attempts with filters that
// match nothing.
func TestNeighbourIsServedBesideListsMatchingNothing(t *testing.T) {
	t.Parallel()
	messages := rig.HostileSize(1000, 20_000)
	a := newAttack(t)
	endpoint := a.NewEndpoints(t, a.app, 1, map[string]any{"url": a.webhooks.URL})[0]
	for range messages / 1000 {
		a.SendMessages(t, a.app, 1000)
	}
	a.webhooks.Await(t, messages, messages)
	var floods []*rig.Flooded
	a.neighbour.Beside(t, func() {
		for _, list := range []string{
			"/msg?channel=none", "/msg?tag=none&limit=250", "/msg?event_types=none", "/endpoint/" + endpoint + "/msg?channel=none",
			"/attempt/endpoint/" + endpoint + "?status=2", "/attempt/endpoint/" + endpoint + "?event_types=none&limit=250",
		} {
			floods = append(floods, a.FloodOf(t, 100/6+1, "/api/v1/app/"+a.app+list))
		}
		until := time.After(time.Duration(rig.HostileSize(1, 20)) * time.Second)
		for waiting := true; waiting; {
			select {
			case <-until:
				waiting = false
			default:
				a.neighbour.Call(t, http.StatusOK, "GET", "/api/v1/app/"+a.neighbour.App, "")
			}
		}
	})
	for _, f := range floods {
		if strange := f.Strange.Load(); strange > 0 {
			t.Errorf("%d lists were answered neither with 200 nor with 503 and Retry-After", strange)
		}
	}
	a.process.WantLittleMemory(t)
}

// TestNeighbourIsServedBesideManyTasks starts a task of each kind at each endpoint, unless a quota refuses it. The
// neighbour's own task starts after all of them, and must finish.
func TestNeighbourIsServedBesideManyTasks(t *testing.T) {
	t.Parallel()
	endpoints, messages := rig.HostileSize(30, 1000), rig.HostileSize(50, 1000)
	a := newAttack(t)
	a.SendMessages(t, a.app, messages)
	ids := a.NewEndpoints(t, a.app, endpoints, map[string]any{"url": a.webhooks.URL})
	var begun, refused atomic.Int64
	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	a.neighbour.Beside(t, func() {
		rig.Concurrently(3*endpoints, func(i int) {
			kind := []string{"replay-missing", "bulk-replay", "recover"}[i%3]
			answer, err := a.Do(t.Context(), "POST", "/api/v1/app/"+a.app+"/endpoint/"+ids[i/3]+"/"+kind, `{"since":"`+since+`"}`)
			switch {
			case err != nil || answer.Status >= http.StatusInternalServerError:
				t.Errorf("a task: status %d: %.200s: %v", answer.Status, answer.Body, err)
			case answer.Status == http.StatusAccepted:
				begun.Add(1)
			default:
				refused.Add(1)
			}
		})
		a.neighbour.AwaitTask(t, rig.Must(a.neighbour.Statistics.AggregateEventTypes(t.Context()))(t).Id)
	})
	if begun.Load() == 0 {
		t.Error("no task was begun")
	}
	t.Logf("%d tasks were begun, %d refused", begun.Load(), refused.Load())
	a.process.WantLittleMemory(t)
}

// TestNeighbourIsServedBesideAbandonedRequests has the attacker's clients hang up as soon as they have sent a
// request.
func TestNeighbourIsServedBesideAbandonedRequests(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.NewEndpoints(t, a.app, 10, map[string]any{"url": a.webhooks.URL})
	paths := []string{"/msg?channel=none", "/endpoint", "/attempt/msg/none", "/msg"}
	a.neighbour.Beside(t, func() {
		rig.Concurrently(rig.HostileSize(200, 5000), func(i int) {
			ctx, hangUp := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond)
			defer hangUp()
			method, body := "GET", ""
			if i%4 == 3 {
				method, body = "POST", `{"eventType":"e","payload":{}}`
			}
			_, _ = a.Do(ctx, method, "/api/v1/app/"+a.app+paths[i%4], body)
		})
	})
}

// TestTextTooLargeIsRefused makes each text that a customer can store one byte too long, and then far too long.
func TestTextTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	path := "/api/v1/app/" + a.app
	long := func(n int) string { return strings.Repeat("a", n) }
	a.neighbour.Beside(t, func() {
		for range rig.HostileSize(1, 20) {
			for _, bytes := range []int{0, 1_500_000} {
				for _, request := range [][2]string{
					{"/api/v1/app", `{"name":"` + long(4097+bytes) + `"}`},
					{"/api/v1/app", `{"name":"a","uid":"` + long(257+bytes) + `"}`},
					{"/api/v1/app", `{"name":"a","metadata":{"a":"` + long(4097+bytes) + `"}}`},
					{path + "/endpoint", `{"url":"https://example.com/","description":"` + long(16385+bytes) + `"}`},
					{path + "/endpoint", `{"url":"https://example.com/` + long(65537+bytes) + `"}`},
					{path + "/endpoint", `{"url":"https://example.com/","headers":{"a":"` + long(4097+bytes) + `"}}`},
					{path + "/endpoint", `{"url":"https://example.com/","metadata":{"a":"` + long(4097+bytes) + `"}}`},
					{path + "/endpoint", `{"url":"https://example.com/","channels":["` + long(257+bytes) + `"]}`},
					{path + "/msg", `{"eventType":"` + long(257+bytes) + `","payload":{}}`},
					{path + "/msg", `{"eventType":"e","eventId":"` + long(257+bytes) + `","payload":{}}`},
					{path + "/msg", `{"eventType":"e","tags":["` + long(257+bytes) + `"],"payload":{}}`},
					{"/api/v1/event-type", `{"name":"` + long(257+bytes) + `","description":""}`},
					{"/api/v1/event-type", `{"name":"a","description":"` + long(16385+bytes) + `"}`},
				} {
					a.Call(t, http.StatusUnprocessableEntity, "POST", request[0], request[1])
				}
			}
		}
	})
	a.Call(t, http.StatusRequestEntityTooLarge, "POST", path+"/msg", `{"eventType":"e","payload":"`+long(2<<20)+`"}`)
	a.process.WantLittleMemory(t)
}

// TestMemoryIsBoundedForPagesOfLargestRows lists endpoints and messages of the largest allowed size, ten pages
// concurrently.
func TestMemoryIsBoundedForPagesOfLargestRows(t *testing.T) {
	t.Parallel()
	endpoints, messages := rig.HostileSize(50, 250), rig.HostileSize(10, 60)
	a := newAttack(t)
	path := "/api/v1/app/" + a.app
	payload := `{"eventType":"e","payload":{"a":"` + strings.Repeat("a", 2_000_000) + `"}}`
	for range messages {
		a.Call(t, http.StatusAccepted, "POST", path+"/msg?with_content=false", payload)
	}
	a.NewEndpoints(t, a.app, endpoints, map[string]any{
		"url": "https://example.com/" + strings.Repeat("u", 65_000), "description": strings.Repeat("d", 16_384),
		"metadata": map[string]string{"m": strings.Repeat("m", 4000)},
	})
	a.neighbour.Beside(t, func() {
		rig.Concurrently(rig.HostileSize(30, 300), func(i int) {
			list := []string{"/endpoint?limit=250", "/msg?limit=250", "/msg?limit=250&with_content=false"}[i%3]
			answer, err := a.Do(t.Context(), "GET", path+list, "")
			full := answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != ""
			if err != nil || answer.Status != http.StatusOK && !full {
				t.Errorf("%s: status %d: %v", list, answer.Status, err)
			}
		})
	})
	a.process.WantLittleMemory(t)
}
