package core_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestMessageExpungeRemovesThePayload(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	if err := service.MessageExpunge(t.Context(), scope, "acme", "event_1"); err != nil {
		t.Fatal(err)
	}
	if m, err := service.MessageGet(t.Context(), scope, "acme", "event_1"); err != nil || m.Payload != nil {
		t.Errorf("got %+v, %v", m, err)
	}
	err := service.MessageExpunge(t.Context(), scope, "acme", "event_2")
	wantError(t, err, core.KindNotFound, "not_found")
	if got := core.Reason(err); got != "There is no message event_2 in application acme." {
		t.Errorf("got %s", got)
	}
	if len(store.Messages) != 1 {
		t.Errorf("%d messages are left", len(store.Messages))
	}
}

func TestMessageExpungeManySaysWhichExist(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	found, err := service.MessageExpungeMany(t.Context(), scope, "acme", []string{"event_1", "event_2"})
	if err != nil || !maps.Equal(found, map[string]bool{"event_1": true}) || store.Messages[0].Payload != nil {
		t.Errorf("found %v, %v", found, err)
	}
	for name, refs := range map[string][]string{
		"too many": slices.Repeat([]string{"event_1"}, 1001),
		"not text": {"event_1", "a\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			_, err := service.MessageExpungeMany(t.Context(), scope, "acme", refs)
			if wantField(t, err, "ids"); store.Messages[0].Payload == nil {
				t.Error("a payload is removed nevertheless")
			}
		})
	}
}

// Messages that arrive after the request keep their payloads.
func TestMessageExpungeAllEndsAtTheRequest(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	if _, err := service.MessageExpungeAll(t.Context(), scope, "acme"); err != nil {
		t.Fatal(err)
	}
	later := store.Messages[0]
	later.ID, later.EventID = core.NewMessageID(now.Add(8_000_000)), nil // 8 ms: ids have steps of 4
	store.Messages = append(store.Messages, later)
	stepAll(t, store)
	if store.Messages[0].Payload != nil || store.Messages[1].Payload == nil || *store.Tasks[0].Data.MessagesPurged != 1 {
		t.Errorf("stored %+v", store.Messages)
	}
}

func TestAttemptExpungeReplacesTheResponse(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	if err := service.AttemptExpunge(t.Context(), scope, "acme", "event_1", sentAttempt); err != nil {
		t.Fatal(err)
	}
	a, err := service.AttemptGet(t.Context(), scope, "acme", "event_1", sentAttempt)
	if err != nil || a.Response != "EXPUNGED" || a.ResponseStatusCode != 500 {
		t.Errorf("got %+v, %v", a, err)
	}
	err = service.AttemptExpunge(t.Context(), scope, "acme", "event_1", "atmpt_1")
	wantError(t, err, core.KindNotFound, "not_found")
	if len(store.Attempts) != 1 {
		t.Errorf("%d attempts are left", len(store.Attempts))
	}
}
