package core

import (
	"slices"
	"sync"
	"time"
)

const (
	// taskLook is how often places are looked for while there are some. While there are none, every poll of a second
	// looks.
	taskLook     = time.Second
	taskLookIdle = taskLook / 2

	// taskLookShare is how many times as long as a look took the time to the next one is. Rows that have ended stay in
	// the index while anybody holds a snapshot, and a look passes them.
	taskLookShare = 10

	// taskPlacesLooked is how many places one look takes: some ten milliseconds, between two steps.
	taskPlacesLooked = 1000

	// taskFloor is how long a claim that begins anew begins at the first task that was there, and not before all that
	// have ended.
	taskFloor = 10 * time.Second
)

// TaskPlace is what takes turns at steps of background tasks: an application, or an organisation for the tasks about
// all of it.
type TaskPlace struct {
	OrgID OrgID
	ID    string // the application's, or the organisation's
}

// Place returns the place whose turns the task's steps are made in.
func (t BackgroundTask) Place() TaskPlace {
	p := TaskPlace{OrgID: t.OrgID, ID: string(t.OrgID)}
	if t.AppID != nil {
		p.ID = string(*t.AppID)
	}
	return p
}

// TaskTurns is whose turn it is to make a step of a background task, as one process sees it: organisations take turns,
// and the applications of each, and the tasks of each application, however many there are. It is a hint: which tasks
// there are, and who makes a step of one, is decided by their rows. Its zero value is ready for use, by several callers.
type TaskTurns struct {
	mu     sync.Mutex
	orgs   []*taskOrg // that have places; the first has waited longest
	places map[TaskPlace]*taskTurn

	looking  bool
	after    string        // where the next look begins; empty: at the first place
	took     time.Duration // by the looks since the first place
	lookedAt time.Time
	lookAt   time.Time
}

type taskOrg struct {
	id     OrgID
	places []*taskTurn // the first has waited longest
	under  int         // steps under way
}

// taskTurn is a place where a step may be made.
type taskTurn struct {
	TaskPlace
	after   TaskID // the task that had the last turn
	floor   TaskID // all tasks of the place are after it
	floorAt time.Time
	under   bool // a step is under way
}

// look reports whether the caller is to look for places now, and after which one.
func (ts *TaskTurns) look(now time.Time) (after string, ok bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	idle := len(ts.places) == 0 && !now.Before(ts.lookedAt.Add(taskLookIdle))
	if ts.looking || now.Before(ts.lookAt) && !idle {
		return "", false
	}
	ts.looking = true
	return ts.after, true
}

// looked ends a look that found these places. Unless it came to the end of all, the next one follows at once.
func (ts *TaskTurns) looked(found []TaskPlace, next string, took time.Duration, now time.Time) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.looking = false
	for _, p := range found {
		ts.add(p)
	}
	ts.took += took
	ts.after, ts.lookedAt, ts.lookAt = next, now, now
	if next == "" {
		ts.lookAt = now.Add(max(taskLook, taskLookShare*ts.took))
		ts.took = 0
	}
}

func (ts *TaskTurns) add(p TaskPlace) {
	if ts.places[p] != nil {
		return
	}
	if ts.places == nil {
		ts.places = map[TaskPlace]*taskTurn{}
	}
	i := slices.IndexFunc(ts.orgs, func(o *taskOrg) bool { return o.id == p.OrgID })
	if i < 0 {
		i = len(ts.orgs)
		ts.orgs = append(ts.orgs, &taskOrg{id: p.OrgID})
	}
	turn := &taskTurn{TaskPlace: p}
	ts.places[p] = turn
	ts.orgs[i].places = append(ts.orgs[i].places, turn)
}

// take returns the place whose turn it is, until give. One that makes a step already is passed over, and so is, where
// there is another, an organisation that does: its other tasks leave room for those of others.
func (ts *TaskTurns) take() (turn *taskTurn, ok bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	next := -1
	for i, org := range ts.orgs {
		if org.under < len(org.places) && (next < 0 || org.under < ts.orgs[next].under) {
			next = i
		}
		if next >= 0 && ts.orgs[next].under == 0 {
			break
		}
	}
	if next < 0 {
		return nil, false
	}
	org := ts.orgs[next]
	ts.orgs = toEnd(ts.orgs, next)
	i := slices.IndexFunc(org.places, func(t *taskTurn) bool { return !t.under })
	turn = org.places[i]
	org.places = toEnd(org.places, i)
	org.under++
	turn.under = true
	return turn, true
}

// give ends a turn. A place that is not kept has no turn before a look finds it again.
func (ts *TaskTurns) give(turn *taskTurn, keep bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	i := slices.IndexFunc(ts.orgs, func(o *taskOrg) bool { return o.id == turn.OrgID })
	org := ts.orgs[i]
	org.under--
	turn.under = false
	if keep {
		return
	}
	delete(ts.places, turn.TaskPlace)
	org.places = slices.DeleteFunc(org.places, func(t *taskTurn) bool { return t == turn })
	if len(org.places) == 0 {
		ts.orgs = slices.Delete(ts.orgs, i, i+1)
	}
}

func toEnd[T any](all []T, i int) []T {
	one := all[i]
	return append(slices.Delete(all, i, i+1), one)
}

// begin is where a claim begins that goes through all tasks of the place.
func (t *taskTurn) begin(now time.Time) TaskID {
	if now.Sub(t.floorAt).Abs() < taskFloor {
		return t.floor
	}
	return ""
}

// claimed notes the task that has its turn, and if it was found from the beginning of the place on, that it is the first.
func (t *taskTurn) claimed(id, after TaskID, now time.Time) {
	t.after = id
	if after == "" {
		t.floor, t.floorAt = id[:len(id)-1], now // which is before it
	}
}
