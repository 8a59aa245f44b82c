package core

import (
	"slices"
	"testing"
)

func TestAttemptFilterStatuses(t *testing.T) {
	t.Parallel()
	const ok, fail = StatusSuccess, StatusFail
	for name, c := range map[string]struct {
		filter AttemptFilter
		want   []AttemptStatus
	}{
		"all":                   {AttemptFilter{}, []AttemptStatus{ok, fail}},
		"success":               {AttemptFilter{Status: new(ok)}, []AttemptStatus{ok}},
		"fail":                  {AttemptFilter{Status: new(fail)}, []AttemptStatus{fail}},
		"sending":               {AttemptFilter{Status: new(StatusSending)}, nil},
		"2xx":                   {AttemptFilter{CodeFrom: 200, CodeTo: 299}, []AttemptStatus{ok}},
		"no response":           {AttemptFilter{CodeFrom: 0, CodeTo: 99}, []AttemptStatus{fail}},
		"4xx":                   {AttemptFilter{CodeFrom: 400, CodeTo: 499}, []AttemptStatus{fail}},
		"2xx that failed":       {AttemptFilter{Status: new(fail), CodeFrom: 200, CodeTo: 299}, nil},
		"failed without answer": {AttemptFilter{Status: new(fail), CodeTo: 99}, []AttemptStatus{fail}},
	} {
		if got := c.filter.Statuses(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
