package core

import (
	"slices"
	"sync"
	"time"
)

const (
	// taskLook is how often to look for places while there are some. While there are none, every poll, once a second,
	// looks.
	taskLook     = time.Second
	taskLookIdle = taskLook / 2

	// taskLookShare is the time to the next look as a multiple of the time that looking took. Finished rows stay
	// in the index while any snapshot is held, and a look has to pass them.
	taskLookShare = 10

	// taskPlacesLooked is how many places one look examines: some ten milliseconds, between two steps.
	taskPlacesLooked = 1000

	// taskFloor is how long claims that start over begin at the first task that was there, so that they do not read all
	// the finished tasks before it.
	taskFloor = 10 * time.Second
)

// TaskPlace takes turns at steps of background tasks. It is an application, or an organisation for the tasks about
// all of it.
type TaskPlace struct {
	OrgID OrgID
	ID    string // the application's, or the organisation's
}

// Place returns the place in whose turns the task's steps are made.
func (t BackgroundTask) Place() TaskPlace {
	p := TaskPlace{OrgID: t.OrgID, ID: string(t.OrgID)}
	if t.AppID != nil {
		p.ID = string(*t.AppID)
	}
	return p
}

// TaskTurns tracks, for one process, whose turn it is to make a step of a background task: organisations take turns,
// then the applications of each, then the tasks of each application, however many there are. It is only a hint: the
// rows decide which tasks exist and which process makes a step of one. The zero value is ready for use and safe for
// concurrent use.
type TaskTurns struct {
	mu     sync.Mutex
	orgs   []*taskOrg // organisations with places; the first has waited longest
	places map[TaskPlace]*taskTurn

	looking  bool
	after    string        // where the next look begins; empty: at the first place
	took     time.Duration // total time of the looks since the first place
	lookedAt time.Time
	lookAt   time.Time
}

type taskOrg struct {
	id     OrgID
	places []*taskTurn // the first has waited longest
	under  int         // steps in progress
}

// taskTurn is a place where a step may be made.
type taskTurn struct {
	TaskPlace
	after   TaskID // the task that had the latest turn
	floor   TaskID // all tasks of the place are after it
	floorAt time.Time
	under   bool // a step is in progress
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

// looked ends a look that found these places. Unless it reached the last place, the next look follows at once.
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

// take returns the place whose turn it is, and holds it until give. Places with a step in progress are skipped, and
// so are organisations with a step in progress if there is another: their other tasks leave room for those of
// others.
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

// give ends a turn. If the place is not kept, it gets no turn until a look finds it again.
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

// begin returns where a claim begins that goes through all tasks of the place.
func (t *taskTurn) begin(now time.Time) TaskID {
	if now.Sub(t.floorAt).Abs() < taskFloor {
		return t.floor
	}
	return ""
}

// claimed records the task that has its turn. If the claim began at the start of the place, that task is its first.
func (t *taskTurn) claimed(id, after TaskID, now time.Time) {
	t.after = id
	if after == "" {
		t.floor, t.floorAt = id[:len(id)-1], now // just below id
	}
}
