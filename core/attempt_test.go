package core_test

import (
	"slices"
	"testing"

	"github.com/postrider/postrider/core"
)

func TestAttemptFilterStatuses(t *testing.T) {
	t.Parallel()
	const ok, fail = core.StatusSuccess, core.StatusFail
	for name, c := range map[string]struct {
		filter core.AttemptFilter
		want   []core.AttemptStatus
	}{
		"all":                   {core.AttemptFilter{}, []core.AttemptStatus{ok, fail}},
		"success":               {core.AttemptFilter{Status: new(ok)}, []core.AttemptStatus{ok}},
		"fail":                  {core.AttemptFilter{Status: new(fail)}, []core.AttemptStatus{fail}},
		"sending":               {core.AttemptFilter{Status: new(core.StatusSending)}, nil},
		"2xx":                   {core.AttemptFilter{CodeFrom: 200, CodeTo: 299}, []core.AttemptStatus{ok}},
		"no response":           {core.AttemptFilter{CodeFrom: 0, CodeTo: 99}, []core.AttemptStatus{fail}},
		"4xx":                   {core.AttemptFilter{CodeFrom: 400, CodeTo: 499}, []core.AttemptStatus{fail}},
		"2xx that failed":       {core.AttemptFilter{Status: new(fail), CodeFrom: 200, CodeTo: 299}, nil},
		"failed without answer": {core.AttemptFilter{Status: new(fail), CodeTo: 99}, []core.AttemptStatus{fail}},
	} {
		if got := c.filter.Statuses(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAttemptListAddsMessagesOnRequest(t *testing.T) {
	t.Parallel()
	service, store := newSent(core.EndpointRules{})
	store.Endpoints = append(store.Endpoints, core.Endpoint{AppID: "app_1", ID: "ep_2"})
	deleted := store.Attempts[0]
	deleted.ID, deleted.MessageID, deleted.EndpointID = core.NewAttemptID(now), "msg_gone", "ep_2"
	store.Attempts = append(store.Attempts, deleted)
	for name, test := range map[string]struct {
		list        func(withMessage bool) (core.List[core.AttemptOfMessage], error)
		n           int
		hasMessages bool
	}{
		"of an endpoint": {func(with bool) (core.List[core.AttemptOfMessage], error) {
			return service.AttemptListByEndpoint(t.Context(), scope, "acme", "main", core.AttemptFilter{}, with, tenRows)
		}, 1, true},
		"whose message is gone": {func(with bool) (core.List[core.AttemptOfMessage], error) {
			return service.AttemptListByEndpoint(t.Context(), scope, "acme", "ep_2", core.AttemptFilter{}, with, tenRows)
		}, 1, false},
		"of a message": {func(with bool) (core.List[core.AttemptOfMessage], error) {
			return service.AttemptListByMessage(t.Context(), scope, "acme", "event_1", "", core.AttemptFilter{}, with, tenRows)
		}, 1, true},
		"of a message at an endpoint": {func(with bool) (core.List[core.AttemptOfMessage], error) {
			return service.AttemptListByMessage(t.Context(), scope, "acme", "event_1", "main", core.AttemptFilter{}, with, tenRows)
		}, 1, true},
		"of a message at another": {func(with bool) (core.List[core.AttemptOfMessage], error) {
			return service.AttemptListByMessage(t.Context(), scope, "acme", "event_1", "ep_2", core.AttemptFilter{}, with, tenRows)
		}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, with := range []bool{false, true} {
				list, err := test.list(with)
				if err != nil || len(list.Data) != test.n {
					t.Fatalf("listed %+v, %v", list, err)
				}
				for _, a := range list.Data {
					if (a.Message != nil) != (with && test.hasMessages) {
						t.Errorf("with messages: %t, listed %+v", with, a)
					}
				}
			}
		})
	}
	_, err := service.AttemptListByMessage(t.Context(), scope, "acme", "event_1", "ep_3", core.AttemptFilter{}, false, tenRows)
	wantError(t, err, core.KindNotFound, "not_found")
}
