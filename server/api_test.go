package server

import (
	"encoding/json"
	"testing"
)

func TestPatchTellsAbsentFromNullFromValue(t *testing.T) {
	t.Parallel()
	var patch ApplicationPatch
	if err := json.Unmarshal([]byte(`{"uid":null,"throttleRate":5}`), &patch); err != nil {
		t.Fatal(err)
	}
	if patch.Name.IsSpecified() {
		t.Error("name was left out, and counts as given")
	}
	if !patch.UID.IsNull() {
		t.Error("uid was null, and does not count as null")
	}
	if rate, err := patch.ThrottleRate.Get(); err != nil || rate != 5 {
		t.Errorf("throttleRate = %d, %v; want 5", rate, err)
	}
}

// TestAnswersShowNullsOrLeaveThemOut pins which empty fields clients see.
func TestAnswersShowNullsOrLeaveThemOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		answer        any
		shown, absent []string
	}{
		{"application", ApplicationOut{}, []string{"throttleRate"}, []string{"uid", "rateLimit"}},
		{"endpoint", EndpointOut{}, []string{"uid", "rateLimit", "throttleRate", "channels"}, []string{"secret"}},
		{"endpoint for all events", EndpointOut{}, []string{"eventTypes", "filterTypes"}, nil},
		{"event type", EventTypeOut{}, []string{"schemas", "featureFlag"}, []string{"id", "featureFlags"}},
		{"message", MessageOut{}, []string{"eventId", "channels"}, []string{"tags", "deliverAt"}},
		{"list", ListResponseMessageOut{}, []string{"iterator"}, []string{"prevIterator"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(test.answer)
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(text, &fields); err != nil {
				t.Fatal(err)
			}
			for _, name := range test.shown {
				if value, found := fields[name]; !found || value != nil {
					t.Errorf("%s = %v, found: %t; want null", name, value, found)
				}
			}
			for _, name := range test.absent {
				if value, found := fields[name]; found {
					t.Errorf("%s = %v, want it left out", name, value)
				}
			}
		})
	}
}
