package core_test

import (
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestAttemptedMessageListHidesExpiredPayloads(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	list := func(filter core.AttemptedMessageFilter) []core.AttemptedMessage {
		t.Helper()
		list, err := service.AttemptedMessageList(t.Context(), scope, "acme", "main", filter, tenRows)
		if err != nil {
			t.Fatal(err)
		}
		return list.Data
	}
	if got := list(core.AttemptedMessageFilter{}); len(got) != 1 || got[0].Status != core.StatusFail || got[0].Message.Payload == nil {
		t.Errorf("listed %+v", got)
	}
	if got := list(core.AttemptedMessageFilter{Status: new(core.StatusPending)}); len(got) != 0 {
		t.Errorf("listed as pending: %+v", got)
	}
	store.Messages[0].ExpiresAt = now
	if got := list(core.AttemptedMessageFilter{}); len(got) != 1 || got[0].Message.Payload != nil {
		t.Errorf("listed after it has expired: %+v", got)
	}
	store.Messages = nil
	if got := list(core.AttemptedMessageFilter{}); len(got) != 0 {
		t.Errorf("listed after its retention: %+v", got)
	}
}

func TestDestinationListShowsWhereAMessageStands(t *testing.T) {
	t.Parallel()
	soon, past := now.Add(time.Minute), now.Add(-time.Minute)
	for name, test := range map[string]struct {
		row    core.Destination
		status core.AttemptStatus
		nextAt *time.Time
	}{
		"failed for good":  {core.Destination{Status: core.StatusFail}, core.StatusFail, nil},
		"tried again soon": {core.Destination{Status: core.StatusFail, NextAt: &soon}, core.StatusSending, &soon},
		"first in a while": {core.Destination{Status: core.StatusPending, NextAt: &soon}, core.StatusPending, &soon},
		"being tried":      {core.Destination{Status: core.StatusFail, NextAt: &soon, Leased: true}, core.StatusSending, nil},
		"attempt was lost": {core.Destination{Status: core.StatusFail, NextAt: &past, Leased: true}, core.StatusSending, &past},
		"succeeded":        {core.Destination{Status: core.StatusSuccess}, core.StatusSuccess, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service, store := newSent(core.EndpointRules{})
			store.Destinations = []core.Destination{test.row}
			list, err := service.DestinationList(t.Context(), scope, "acme", "event_1", tenRows)
			if err != nil || len(list.Data) != 1 || list.Data[0].Status != test.status || list.Data[0].NextAt != test.nextAt {
				t.Errorf("listed %+v, %v", list, err)
			}
		})
	}
}
