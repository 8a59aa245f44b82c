package rig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

// NewFIFOEndpoint registers the receiver as a FIFO endpoint of an application.
func (r *Receiver) NewFIFOEndpoint(t testing.TB, c Client, app string) {
	t.Helper()
	id := r.NewEndpoint(t, c, app)
	c.Call(t, http.StatusOK, "PATCH", "/api/v1/app/"+app+"/endpoint/"+id, `{"fifo": true}`)
}

// WantInOrder fails unless the messages arrived in order: the webhook after one that was answered with success is the
// same message again, or the next.
func (r *Receiver) WantInOrder(t testing.TB, ids []string) {
	t.Helper()
	at := 0
	for _, a := range r.All() {
		switch {
		case a.ID == ids[at]:
		case at+1 < len(ids) && a.ID == ids[at+1]:
			at++
		default:
			t.Fatalf("after %d messages %s came, and %s was the last and %s is the next", at+1, a.ID, ids[at], ids[min(at+1, len(ids)-1)])
		}
	}
	if at != len(ids)-1 {
		t.Errorf("%d of %d messages came", at+1, len(ids))
	}
}

// Watch registers the receiver as an operational-webhook endpoint of the client's organisation, for the given event
// types or, without any, for all.
func (r *Receiver) Watch(t testing.TB, c Client, eventTypes ...string) {
	t.Helper()
	in := svix.OperationalWebhookEndpointIn{Url: r.URL, Secret: &r.Secret, FilterTypes: eventTypes}
	Must(c.OperationalWebhookEndpoint.Create(t.Context(), in, nil))(t)
}

// EventTypes returns the types of the operational webhooks received so far, in order of arrival.
func (r *Receiver) EventTypes(t testing.TB) []string {
	t.Helper()
	var types []string
	for _, a := range r.All() {
		var event struct{ Type string }
		if err := json.Unmarshal(a.Body, &event); err != nil {
			t.Fatal(err)
		}
		types = append(types, event.Type)
	}
	return types
}

// WantTold waits until len(want) operational webhooks have arrived after the first before ones. It fails unless these
// have the wanted types, in any order, and there are no others.
func (r *Receiver) WantTold(t testing.TB, before int, want ...string) {
	t.Helper()
	slices.Sort(want)
	Await(t, func() string {
		if got := r.EventTypes(t); len(got) < before+len(want) {
			return fmt.Sprintf("got %v, want %v as well", got, want)
		}
		return ""
	})
	got := r.EventTypes(t)[before:]
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// OnlyEvent returns the only operational webhook of a type, decoded into the SDK's model. It fails if the model lacks
// a field.
func OnlyEvent[T any](t testing.TB, r *Receiver, eventType string) (event T) {
	t.Helper()
	types := r.EventTypes(t)
	n := slices.Index(types, eventType)
	if n < 0 || slices.Contains(types[n+1:], eventType) {
		t.Fatalf("not one %s: %v", eventType, types)
	}
	decoder := json.NewDecoder(bytes.NewReader(r.All()[n].Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		t.Fatalf("%s: %v", r.All()[n].Body, err)
	}
	return event
}

// AwaitSince waits until each of the messages has arrived after the first mark webhooks.
func (r *Receiver) AwaitSince(t testing.TB, mark int, ids []string) {
	t.Helper()
	Await(t, func() string {
		arrived := map[string]bool{}
		for _, a := range r.All()[mark:] {
			arrived[a.ID] = true
		}
		missing := 0
		for _, id := range ids {
			if !arrived[id] {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Sprintf("%d of %d messages have not arrived", missing, len(ids))
		}
		return ""
	})
}

// ArrivalOf sends a message and returns its webhook.
func (r *Receiver) ArrivalOf(t testing.TB, c Client, app string) Arrival {
	t.Helper()
	message := c.SendMessage(t, app)
	r.Await(t, message)
	return r.Of(message)[0]
}

// OfOutbox returns how many webhooks came from the outbox.
func (r *Receiver) OfOutbox() (n int) {
	for _, a := range r.All() {
		if strings.HasPrefix(string(a.Body), `{"outbox":`) {
			n++
		}
	}
	return n
}

// AwaitExactly waits until each of the messages has arrived the given number of times, and fails if one arrives
// again.
func (r *Receiver) AwaitExactly(t testing.TB, times int, ids ...string) {
	t.Helper()
	r.AwaitTimes(t, times, ids...)
	Never(t, "a message arrived once more than it should", func() bool {
		for _, id := range ids {
			if len(r.Of(id)) > times {
				return true
			}
		}
		return false
	})
}
