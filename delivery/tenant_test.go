package delivery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// hanging is a dispatcher whose attempts end when the test says so.
type hanging struct {
	*dispatcher
	begun  chan core.Delivery
	end    chan struct{}
	hungry chan struct{}
}

func newHanging(t *testing.T, config Config) hanging {
	t.Helper()
	h := hanging{begun: make(chan core.Delivery, 10_000), end: make(chan struct{}), hungry: make(chan struct{}, 10_000)}
	h.dispatcher = newDispatcher(config, func(_ context.Context, q *queued, sent func()) bool {
		h.begun <- q.Delivery
		<-h.end
		sent()
		return true
	}, func() { h.hungry <- struct{}{} }, func() {})
	t.Cleanup(func() { close(h.end); h.stop(time.Minute) })
	return h
}

// deliveriesOf returns one delivery to each of n endpoints of an application.
func deliveriesOf(app core.AppID, n int) []core.Delivery {
	list := make([]core.Delivery, n)
	for i := range list {
		list[i] = core.Delivery{
			AppID: app, EndpointID: core.EndpointID(fmt.Sprint(app, i)), MessageID: core.NewMessageID(time.Now()), Payload: "{}", PayloadBytes: 2,
		}
	}
	return list
}

func TestApplicationOfManyHangingEndpointsLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency, config.EndpointConcurrency = 64, 16
	h := newHanging(t, config)
	backlog := deliveriesOf("greedy", 1000)
	for range 20 { // takes all the room it can get
		room := h.Reserve(time.Now())
		n := room.Total
		if len(room.FullApps) > 0 {
			n = 0
		}
		h.Dispatch(room, backlog[:n])
		backlog = backlog[n:]
	}
	if h.active != 48 {
		t.Errorf("%d of 64 attempts of one application are under way, want three quarters", h.active)
	}
	for n := range 3 {
		app := core.AppID(fmt.Sprint("other", n))
		room := h.Reserve(time.Now())
		h.Dispatch(room, deliveriesOf(app, 1))
		if room.Total == 0 || h.tenants[app].active != 1 {
			t.Errorf("there was room for %d, and %d attempts of %s are under way", room.Total, h.tenants[app].active, app)
		}
	}
}

func TestApplicationsTakeTurns(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency = 8
	h := newHanging(t, config)
	h.Dispatch(h.Reserve(time.Now()), deliveriesOf("many", 6))
	for range 6 {
		<-h.begun
	}
	h.Dispatch(core.Room{}, deliveriesOf("many", 100)) // its endpoints are queued
	h.Dispatch(core.Room{}, deliveriesOf("one", 2))
	h.Dispatch(core.Room{}, deliveriesOf("two", 2))
	for range 4 { // as attempts end, others begin
		h.end <- struct{}{}
	}
	begun := map[core.AppID]int{}
	for range 4 {
		begun[(<-h.begun).AppID]++
	}
	if begun["one"] == 0 || begun["two"] == 0 {
		t.Errorf("while another application has a backlog, %v began", begun)
	}
}

func TestClaimsGoOnOnceAnApplicationHasRoom(t *testing.T) {
	t.Parallel()
	config := testConfig()
	config.Concurrency = 8
	h := newHanging(t, config)
	h.Dispatch(core.Room{}, deliveriesOf("greedy", 14))
	room := h.reserveForClaim(time.Now())
	if len(room.FullApps) != 1 {
		t.Fatalf("an application that has 14 of 16 places is not full: %+v", room)
	}
	h.Dispatch(room, nil)
	for len(h.hungry) > 0 {
		<-h.hungry
	}
	for range 10 {
		h.end <- struct{}{}
	}
	<-h.hungry
}
