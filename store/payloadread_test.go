package store

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestLargePayloadsAreReadByThemselves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(nil)
	w.addEndpoint(nil)
	payloads := map[core.MessageID]string{}
	inserter := NewMessageInserter(w.Store, nil)
	for _, size := range []int{core.LargePayload, core.LargePayload + 1, 1 << 20} {
		payload := `"` + strings.Repeat("é", size/2-1) + strings.Repeat("x", size%2) + `"`
		m := w.event(func(m *core.NewMessage) { m.Payload = &payload })
		if _, err := inserter.MessageInsert(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		payloads[m.ID] = payload
	}
	taken := w.take(takeRoom(10), now()).Deliveries
	if err := w.queue().DeliveryRelease(t.Context(), taken, now()); err != nil {
		t.Fatal(err)
	}
	for name, deliveries := range map[string][]core.Delivery{"taken": taken, "claimed": w.claim(room())} {
		if len(deliveries) != 6 {
			t.Errorf("%s %d deliveries, want 6", name, len(deliveries))
		}
		for _, d := range deliveries {
			want := payloads[d.MessageID]
			if large := len(want) > core.LargePayload; d.PayloadBytes != len(want) || d.Large() != large || (d.Payload == want) == large {
				t.Errorf("%s with %d of %d bytes of payload, large %t", name, len(d.Payload), d.PayloadBytes, d.Large())
			}
			read, err := w.queue().MessagePayloadGet(t.Context(), d.AppID, d.MessageID, now())
			if err != nil || read != want {
				t.Errorf("read %d bytes of a payload of %d: %v", len(read), len(want), err)
			}
		}
	}
}

func TestPayloadThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.store(2)
	w.exec("UPDATE message SET payload = NULL WHERE id = $1", ids[0])
	for name, read := range map[string]func() error{
		"removed": func() error { _, err := w.queue().MessagePayloadGet(t.Context(), w.app.ID, ids[0], now()); return err },
		"expired": func() error {
			_, err := w.queue().MessagePayloadGet(t.Context(), w.app.ID, ids[1], now().AddDate(1, 0, 0))
			return err
		},
		"of another application": func() error {
			_, err := w.queue().MessagePayloadGet(t.Context(), core.NewAppID(now()), ids[1], now())
			return err
		},
	} {
		if err := read(); !core.IsKind(err, core.KindNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
}

func TestFullApplicationsArePassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := w.addEndpoint(nil)
	other := w.addApplication(testOrg, "full-other")
	endpoint := w.addEndpoint(func(e *core.Endpoint) { e.AppID = other.ID })
	send := func() []core.NewMessage {
		return []core.NewMessage{w.event(nil), w.event(func(m *core.NewMessage) { m.AppRef = string(other.ID) })}
	}
	handed := &takes{room: core.Room{Total: 10, PerEndpoint: 10, FullApps: []core.AppID{w.app.ID}, LeasedUntil: now().Add(time.Minute)}}
	NewMessageInserter(w.Store, handed).insertMany(t.Context(), send())
	NewMessageInserter(w.Store, nil).insertMany(t.Context(), send())
	room := takeRoom(10)
	room.FullApps = []core.AppID{w.app.ID}
	taken := w.take(room, now()).Deliveries
	NewMessageInserter(w.Store, nil).insertMany(t.Context(), send())
	w.exec("UPDATE delivery SET state = 'waiting' WHERE state = 'fresh'")
	claimed := w.claim(room)
	for name, deliveries := range map[string][]core.Delivery{"handed over": handed.taken, "taken": taken, "claimed": claimed} {
		if len(deliveries) != 1 || deliveries[0].EndpointID != endpoint.ID {
			t.Errorf("%s: %+v, want one to the application that is not full", name, deliveries)
		}
	}
	if rest := w.claim(takeRoom(10)); len(rest) != 3 || rest[0].EndpointID != full.ID {
		t.Errorf("once it is not full: %+v, want the three that waited", rest)
	}
}
