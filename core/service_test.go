package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/core/coretest"
)

var (
	now   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	scope = core.Scope{OrgID: "org_a"}
)

// newService returns use cases on a store with an application, acme, and an event type, order.placed.
func newService(rules core.EndpointRules) (*core.Service, *coretest.Store) {
	s := &coretest.Store{Rows: coretest.Rows{
		Applications: []core.Application{{OrgID: "org_a", ID: "app_1", UID: new("acme"), Name: "Acme"}},
		EventTypes:   []core.EventType{{OrgID: "org_a", Name: "order.placed"}},
	}}
	return core.NewService(s, coretest.Inserter{Store: s}, coretest.Tokens{}, func() time.Time { return now }, rules), s
}

func wantError(t *testing.T, err error, kind core.Kind, code string) {
	t.Helper()
	if e, ok := errors.AsType[*core.Error](err); !ok || e.Kind != kind || code != "" && e.Code != code {
		t.Errorf("%v, want kind %v, code %s", err, kind, code)
	}
}
