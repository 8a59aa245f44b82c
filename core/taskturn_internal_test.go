package core

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// turnsOf returns the turns of organisations a, b and so on, each with the given number of applications.
func turnsOf(applications ...int) *TaskTurns {
	var ts TaskTurns
	var places []TaskPlace
	for org, n := range applications {
		for app := range n {
			id := string(rune('a' + org))
			places = append(places, TaskPlace{OrgID: OrgID(id), ID: fmt.Sprint(id, app)})
		}
	}
	ts.looked(places, "", 0, time.Time{})
	return &ts
}

func TestTaskTurnsGoByOrganisationAndByApplication(t *testing.T) {
	t.Parallel()
	ts := turnsOf(3, 1, 2)
	var got []string
	for range 10 {
		turn, _ := ts.take()
		got = append(got, turn.ID)
		ts.give(turn, true)
	}
	if want := []string{"a0", "b0", "c0", "a1", "b0", "c1", "a2", "b0", "c0", "a0"}; !slices.Equal(got, want) {
		t.Errorf("turns went %q, want %q", got, want)
	}
}

// An organisation with a step in progress all the time never makes another organisation wait.
func TestTaskTurnsSkipStepsInProgress(t *testing.T) {
	t.Parallel()
	ts := turnsOf(3, 1)
	first, _ := ts.take()
	for range 5 {
		turn, ok := ts.take()
		if !ok || turn.ID != "b0" {
			t.Fatalf("while a step of %s is made, it is the turn of %+v", first.ID, turn)
		}
		ts.give(turn, true)
	}
	second, _ := ts.take() // b0
	third, _ := ts.take()  // another of a, because both organisations have a step in progress
	fourth, _ := ts.take()
	if third.OrgID != "a" || fourth.OrgID != "a" || third == first || third == fourth || second.ID != "b0" {
		t.Errorf("steps of %s, %s, %s and %s are under way", first.ID, second.ID, third.ID, fourth.ID)
	}
	if turn, ok := ts.take(); ok {
		t.Errorf("%s has two steps at a time", turn.ID)
	}
}

func TestTaskTurnsEndWhereNothingIsToBeDone(t *testing.T) {
	t.Parallel()
	ts := turnsOf(2, 1)
	for range 3 {
		turn, ok := ts.take()
		if !ok {
			t.Fatal("a place is left out")
		}
		ts.give(turn, false)
	}
	if turn, ok := ts.take(); ok || len(ts.places)+len(ts.orgs) != 0 {
		t.Errorf("it is the turn of %+v", turn)
	}
	ts.looked([]TaskPlace{{"a", "a1"}, {"a", "a1"}}, "", 0, time.Time{})
	if turn, ok := ts.take(); !ok || turn.ID != "a1" || len(ts.orgs[0].places) != 1 {
		t.Errorf("after a look it is the turn of %+v", turn)
	}
}

func TestTaskTurnsAreLookedForOnceASecondAndATenthOfTheTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	place := []TaskPlace{{"a", "a0"}}
	for name, test := range map[string]struct {
		found []TaskPlace
		next  string
		took  time.Duration
		wait  time.Duration
	}{
		"some, quickly":      {place, "", time.Millisecond, time.Second},
		"some, slowly":       {place, "", time.Second, 10 * time.Second},
		"some, of many more": {place, "a0", time.Second, 0},
		"none":               {nil, "", time.Second, time.Second / 2},
	} {
		var ts TaskTurns
		if _, ok := ts.look(now); !ok {
			t.Fatal("nobody looks at first")
		}
		if _, ok := ts.look(now); ok {
			t.Errorf("%s: two look at a time", name)
		}
		ts.looked(test.found, test.next, test.took, now)
		if _, ok := ts.look(now.Add(test.wait - time.Microsecond)); ok {
			t.Errorf("%s: somebody looks before %s", name, test.wait)
		}
		if after, ok := ts.look(now.Add(test.wait)); !ok || after != test.next {
			t.Errorf("%s: after %s nobody looks, or after %q", name, test.wait, after)
		}
	}
}
