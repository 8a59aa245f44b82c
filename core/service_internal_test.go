package core

import (
	"errors"
	"testing"
	"time"
)

// A use case in a unit of work that tried to store a message would wait for a second connection.
func TestServiceWithinStoresNoMessages(t *testing.T) {
	t.Parallel()
	f := &found{answer: as}
	outer := NewService(f, f, nil, func() time.Time { return noon }, EndpointRules{})
	within, scope := outer.Within(f), Scope{OrgID: "org_a"}
	in := MessageIn{EventType: "order.placed", Payload: []byte("{}")}
	if _, err := within.MessageCreate(t.Context(), scope, "acme", in); !errors.Is(err, errWithin) {
		t.Errorf("a message: %v", err)
	}
	stored, err := within.MessageCreateMany(t.Context(), scope, "acme", []BatchIn{{MessageIn: in}, {MessageIn: in}}, "")
	if err != nil || len(stored) != 2 || stored[0].Err == nil || stored[1].Err == nil {
		t.Errorf("a batch: %+v, %v", stored, err)
	}
	if _, err := outer.MessageCreateMany(t.Context(), scope, "acme", []BatchIn{{MessageIn: in}}, ""); err != nil || len(f.calls) != 1 {
		t.Errorf("outside: %v, %d calls", err, len(f.calls))
	}
}
