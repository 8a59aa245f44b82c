package store

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider/core"
)

// wants implements the rule of the fan-out independently.
func wants(e core.Endpoint, m core.Message) bool {
	if e.Disabled || e.EventTypes != nil && !slices.Contains(e.EventTypes, m.EventType) {
		return false
	}
	return e.Channels == nil || slices.ContainsFunc(e.Channels, func(c string) bool { return slices.Contains(m.Channels, c) })
}

// someOf draws nil or some of the names.
func someOf(names ...string) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, len(names), rapid.ID).Draw(t, "names")
	})
}

func TestMessagesReachWhoeverWantsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	types := []string{"invoice.paid", "invoice", "invoice.paid.late"}
	rapid.Check(t, func(t *rapid.T) {
		w.exec("DELETE FROM delivery")
		w.exec("UPDATE endpoint SET deleted_at = now()")
		var endpoints []core.Endpoint
		for range rapid.IntRange(0, 6).Draw(t, "endpoints") {
			endpoints = append(endpoints, w.addEndpoint(func(e *core.Endpoint) {
				e.EventTypes, e.Channels = someOf(types...).Draw(t, "types"), someOf("a", "b", "A").Draw(t, "channels")
				e.Disabled, e.FIFO = rapid.IntRange(0, 4).Draw(t, "disabled") == 0, rapid.Bool().Draw(t, "fifo")
			}))
		}
		m := w.event(func(m *core.NewMessage) {
			m.EventType = rapid.SampledFrom(types).Draw(t, "type")
			m.Channels = someOf("a", "b", "c").Draw(t, "channels")
		})
		d := &takes{}
		if rapid.Bool().Draw(t, "hand over") {
			d.room = core.Room{Total: 3, PerEndpoint: 1, LeasedUntil: now().Add(time.Minute)}
		}
		if _, err := NewMessageInserter(w.Store, d).MessageInsert(w.t.Context(), m); err != nil {
			t.Fatal(err)
		}
		owed, anybody := w.owed(), false
		for _, e := range endpoints {
			want := 0
			if wants(e, m.Message) {
				want, anybody = 1, true
			}
			if owed[e.ID] != want {
				t.Fatalf("%s on %v is owed %d times to an endpoint of %v on %v, disabled %v",
					m.EventType, m.Channels, owed[e.ID], e.EventTypes, e.Channels, e.Disabled)
			}
		}
		if got, err := w.EndpointWanted(w.t.Context(), w.app.ID, m.EventType, m.Channels); err != nil || got != anybody {
			t.Fatalf("the precheck says %v, %v; want %v", got, err, anybody)
		}
	})
}
