package core_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestMessageCreateManyHasAKeyForEach(t *testing.T) {
	t.Parallel()
	service, store := newService(core.EndpointRules{})
	one := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(`{}`)}}
	bad := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte(`[]`)}}
	var ids [2][]core.MessageID
	for i := range ids {
		stored, err := service.MessageCreateMany(t.Context(), scope, "acme", []core.BatchIn{one, bad, one}, "k")
		if err != nil || stored[1].Err == nil {
			t.Fatal(stored, err)
		}
		ids[i] = []core.MessageID{stored[0].Message.ID, stored[2].Message.ID}
	}
	if !slices.Equal(ids[0], ids[1]) || ids[0][0] >= ids[0][1] || len(store.Messages) != 2 {
		t.Errorf("stored %v, then %v", ids[0], ids[1])
	}
}

func TestMessageCreateManyRejectsMessagesAlone(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	one := core.MessageIn{EventType: "order.placed", Payload: []byte("{}")}
	with := func(change func(*core.MessageIn)) core.BatchIn {
		in := one
		change(&in)
		return core.BatchIn{MessageIn: in}
	}
	unreadable := errors.New("unreadable")
	stored, err := service.MessageCreateMany(t.Context(), scope, "acme", []core.BatchIn{
		{MessageIn: one},
		{Err: unreadable},
		with(func(in *core.MessageIn) { in.Tags = []string{"a b"} }),
		with(func(in *core.MessageIn) { in.EventID = new("event_1") }), // taken
		with(func(in *core.MessageIn) { in.EventID = new("event_2") }),
		with(func(in *core.MessageIn) { in.EventID = new("event_2") }), // taken by the one before
		{MessageIn: one},
	}, "")
	if err != nil || len(stored) != 7 {
		t.Fatalf("%d outcomes, %v", len(stored), err)
	}
	for _, i := range []int{0, 4, 6} {
		if stored[i].Err != nil || stored[i].Message.ID == "" {
			t.Errorf("message %d: %+v", i, stored[i])
		}
	}
	if !errors.Is(stored[1].Err, unreadable) {
		t.Errorf("the unreadable message: %v", stored[1].Err)
	}
	wantField(t, stored[2].Err, "tags[0]")
	for i, id := range map[int]string{3: "event_1", 5: "event_2"} {
		wantError(t, stored[i].Err, core.KindConflict, "conflict")
		if !strings.Contains(core.Reason(stored[i].Err), id) {
			t.Errorf("%v does not name %s", stored[i].Err, id)
		}
	}
	if len(store.Messages) != 1+3 {
		t.Errorf("%d messages are stored", len(store.Messages))
	}
}

func TestMessageCreateManyRejectsTheBatch(t *testing.T) {
	t.Parallel()
	one := core.BatchIn{MessageIn: core.MessageIn{EventType: "order.placed", Payload: []byte("{}")}}
	for name, test := range map[string]struct {
		app  string
		n    int
		kind core.Kind // 0: accepted
	}{
		"as many as fit":     {"acme", core.BatchMost, 0},
		"one too many":       {"acme", core.BatchMost + 1, core.KindInvalid},
		"no application":     {"other", 1, core.KindNotFound},
		"nothing in a batch": {"acme", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newService(core.EndpointRules{})
			stored, err := service.MessageCreateMany(t.Context(), scope, test.app, slices.Repeat([]core.BatchIn{one}, test.n), "")
			if test.kind == 0 {
				if err != nil || len(stored) != test.n || len(store.Messages) != test.n {
					t.Errorf("%d outcomes, %d stored, %v", len(stored), len(store.Messages), err)
				}
				return
			}
			wantError(t, err, test.kind, "")
			if len(store.Messages) != 0 {
				t.Errorf("%d messages are stored", len(store.Messages))
			}
		})
	}
}
