package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestReplayMissingOwesWhatWasNeverSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.addMessages(w.app.ID, 1_000, past())
	e := w.addEndpoint(func(e *core.Endpoint) { e.EventTypes, e.Channels = []string{"invoice.paid"}, []string{"a", "b"} })
	w.exec("UPDATE message SET channels = '{b,c}'")
	soon := now().Add(time.Hour)
	w.exec("UPDATE message SET event_type = 'other' WHERE id = $1", ids[0])
	w.exec("UPDATE message SET channels = '{c}' WHERE id = $1", ids[1])
	w.exec("UPDATE message SET channels = NULL WHERE id = $1", ids[2])
	w.exec("UPDATE message SET payload = NULL WHERE id = $1", ids[3])
	w.exec("UPDATE message SET expires_at = now() WHERE id = $1", ids[4])
	w.exec("UPDATE message SET deliver_at = $2 WHERE id = $1", ids[5], soon)
	w.addAttempts(e, 500, ids[6])
	w.addAttempts(e, 200, ids[7])
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.DeliveryResend(ctx, w.app.ID, ids[8], e.ID, now())
	})
	w.addMessages(w.app.ID, 1, past().Add(-time.Hour))

	w.wantSent(w.replaysMissing(e), 1_000, 992)
	owed := w.deliveries(e)
	for i, id := range ids {
		manual, is := owed[id]
		if want := i == 5 || i > 7; is != want || manual != (i == 8) {
			t.Errorf("message %d is owed: %t (by hand: %t), want %t", i, is, manual, want)
		}
	}
	if due := value[time.Time](w, "SELECT due_at FROM delivery WHERE message_id = $1", ids[5]); !due.Equal(soon) {
		t.Errorf("what is not to be delivered before %s is due at %s", soon, due)
	}
	if n := value[int](w, "SELECT count(*) FROM delivery WHERE due_at <= now() AND lease = 0 AND NOT manual"); n != 991 {
		t.Errorf("%d deliveries are due", n)
	}
	w.wantSent(w.replaysMissing(e), 1_000, 0)
}

func TestBulkReplayFollowsItsFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, other := w.addEndpoint(nil), w.addEndpoint(nil)
	ids := w.addMessages(w.app.ID, 6, past())
	w.addAttempts(e, 200, ids[0])
	w.addAttempts(e, 404, ids[1])
	w.addAttempts(e, 503, ids[2])
	w.addAttempts(e, 200, ids[2]) // succeeded in the end
	w.addAttempts(e, 500, ids[3]) // and will be retried
	w.addAttempts(other, 500, ids[4])
	w.addAttempts(e, 0, ids[5])
	w.exec("UPDATE message SET event_type = 'other', channels = '{c}', tags = '{t}' WHERE id = ANY ($1)", []core.MessageID{ids[1], ids[2]})
	later := now().Add(time.Hour)
	pending := func() {
		w.exec("DELETE FROM delivery")
		w.exec("INSERT INTO delivery (app_id, message_id, endpoint_id, due_at, lease, attempts) VALUES ($1, $2, $3, $4, 1, 1)",
			w.app.ID, ids[3], e.ID, later)
	}
	for name, test := range map[string]struct {
		in   core.ReplayIn
		want []int
	}{
		"all":            {core.ReplayIn{}, []int{0, 1, 2, 3, 5}},
		"succeeded":      {core.ReplayIn{Status: new(core.StatusSuccess)}, []int{0, 2}},
		"failed":         {core.ReplayIn{Status: new(core.StatusFail)}, []int{1, 5}},
		"to be tried":    {core.ReplayIn{Status: new(core.StatusSending)}, []int{3}},
		"pending":        {core.ReplayIn{Status: new(core.StatusPending)}, nil},
		"4xx":            {core.ReplayIn{CodeFrom: 400, CodeTo: 499}, []int{1}},
		"2xx at last":    {core.ReplayIn{CodeFrom: 200, CodeTo: 299}, []int{0, 2}},
		"no answer":      {core.ReplayIn{CodeTo: 99}, []int{5}},
		"a channel":      {core.ReplayIn{MessageFilter: core.MessageFilter{Channel: "c"}}, []int{1, 2}},
		"a tag":          {core.ReplayIn{MessageFilter: core.MessageFilter{Tag: "t"}, Status: new(core.StatusFail)}, []int{1}},
		"an event type":  {core.ReplayIn{MessageFilter: core.MessageFilter{EventTypes: []string{"invoice.paid", "x"}}}, []int{0, 3, 5}},
		"nothing of all": {core.ReplayIn{MessageFilter: core.MessageFilter{EventTypes: []string{"x"}}}, nil},
	} {
		pending()
		test.in.Since = past().Add(-time.Minute)
		task := w.ended(w.service().EndpointBulkReplay(t.Context(), orgScope, "acme", string(e.ID), test.in))
		w.wantSent(task, 5, int64(len(test.want)))
		var got []int
		owed := w.deliveries(e)
		for i, id := range ids {
			if owed[id] {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: attempts are due at %v, want %v", name, got, test.want)
		}
		if slices.Contains(test.want, 3) { // the schedule continues after it, and the lease is lost
			n := value[int](w, "SELECT count(*) FROM delivery WHERE due_at <= now() AND resume_at = $1 AND lease = 2", later)
			if n != 1 {
				t.Errorf("%s: the schedule of a message that was to be tried again is lost", name)
			}
		}
	}
}

func TestPurgeTakesAllPayloadsOfTheMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.addApplication(testOrg, "other")
	w.addMessages(w.app.ID, 700, past())
	w.addMessages(w.app.ID, 600, past().AddDate(-1, 0, 0)) // in the default partition
	w.addMessages(other.ID, 5, past())
	sent := w.send(1)[0] // a moment earlier
	task, err := w.service().MessageExpungeAll(t.Context(), orgScope, "acme")
	if err != nil {
		t.Fatal(err)
	}
	later := w.addMessages(w.app.ID, 3, now().Add(time.Second))
	w.exec("UPDATE message SET payload = NULL WHERE id = $1", sent)
	w.steps(w.tasks())
	now := w.task(task.ID)
	if data := now.Progress(); now.Status != core.TaskFinished || *data.MessagesPurged != 1_300 || *data.MessagesProcessed != 1_301 {
		t.Errorf("the task is %+v", now)
	}
	if n := value[int](w, "SELECT count(*) FROM message WHERE payload IS NOT NULL"); n != 5+len(later) {
		t.Errorf("%d messages have payloads", n)
	}
}

func TestUsageCountsDestinations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	period := core.UsageIn{Since: past().Add(-time.Minute), Until: now()}
	e, second := w.addEndpoint(nil), w.addEndpoint(nil)
	ids := w.addMessages(w.app.ID, 5_100, past()) // more than are counted in one step
	w.addAttempts(e, 500, ids...)
	w.addAttempts(e, 200, ids...)
	w.addAttempts(second, 200, ids[5_000:]...)
	w.addAttempts(e, 200, w.addMessages(w.app.ID, 3, past().Add(-time.Hour))...)
	w.addMessages(w.app.ID, 2, past())
	var apps []core.Application
	for n := range 60 { // more than are looked at in one step
		apps = append(apps, w.addApplication(testOrg, fmt.Sprint("app", n)))
	}
	theirs := w.addApplication("org_other", "theirs")
	last := apps[59]
	w.addAttempts(core.Endpoint{AppID: last.ID, ID: "ep_x"}, 200, w.addMessages(last.ID, 7, past())...)
	w.addAttempts(core.Endpoint{AppID: theirs.ID, ID: "ep_y"}, 200, w.addMessages(theirs.ID, 7, past())...)

	task, unresolved, err := w.service().StatsUsageApp(t.Context(), orgScope, period)
	task = w.ended(task, err)
	if unresolved != nil || task.Status != core.TaskFinished || task.Processed != 5_102+7 {
		t.Errorf("%d processed, %s, unresolved %q", task.Processed, task.Status, unresolved)
	}
	got := map[core.AppID]int64{}
	for _, line := range task.Data.AppStats {
		if line.AppUID == nil || line.AppID == theirs.ID {
			t.Errorf("a line is %+v", line)
		}
		got[line.AppID] += line.MessageDestinations
	}
	want := map[core.AppID]int64{w.app.ID: 5_100 + 100}
	for _, app := range apps {
		want[app.ID] = 0
	}
	want[last.ID] = 7
	if !maps.Equal(got, want) || len(task.Data.AppStats) != 61 {
		t.Errorf("counted %v in %d lines", got, len(task.Data.AppStats))
	}

	period.AppRefs = []string{"app59", string(w.app.ID), "acme", "app7", "theirs", string(theirs.ID)}
	task, unresolved, err = w.service().StatsUsageApp(t.Context(), orgScope, period)
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, testOrg, apps[7].ID, now())
	})
	task = w.ended(task, err)
	if !slices.Equal(unresolved, []string{"theirs", string(theirs.ID)}) || len(task.Data.AppStats) != 2 ||
		task.Data.AppStats[0].MessageDestinations != 5_200 || task.Data.AppStats[1].MessageDestinations != 7 {
		t.Errorf("unresolved %q, %+v", unresolved, task.Data.AppStats)
	}
}

func TestEventTypesAreListedByApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addEndpoint(func(e *core.Endpoint) { e.EventTypes = []string{"b", "a"} })
	w.addEndpoint(func(e *core.Endpoint) { e.EventTypes, e.Disabled = []string{"c", "a"}, true })
	gone := w.addEndpoint(nil)
	w.in(func(ctx context.Context, tx core.Tx) error { return tx.EndpointDelete(ctx, w.app.ID, gone.ID, now()) })
	all := w.addApplication(testOrg, "all")
	w.addEndpoint(func(e *core.Endpoint) { e.AppID = all.ID })
	for n := range 50 {
		w.addApplication(testOrg, fmt.Sprint("app", n))
	}
	w.addApplication("org_other", "theirs")
	task := w.ended(w.service().StatsUsageEventTypes(t.Context(), orgScope))
	lines := task.Data.EventTypes
	slices.SortFunc(lines, func(a, b core.AppEventTypes) int { return len(b.EventTypes) - len(a.EventTypes) })
	catchAll := slices.DeleteFunc(slices.Clone(lines), func(l core.AppEventTypes) bool { return !l.CatchAll })
	if task.Status != core.TaskFinished || len(lines) != 52 || lines[0].AppID != w.app.ID ||
		strings.Join(lines[0].EventTypes, "") != "abc" || len(catchAll) != 1 || catchAll[0].AppID != all.ID || catchAll[0].EventTypes == nil {
		t.Errorf("%s, %d lines, catch all: %+v, first: %+v", task.Status, len(lines), catchAll, lines[0])
	}
}

func (w *world) replaysMissing(e core.Endpoint) core.BackgroundTask {
	w.t.Helper()
	return w.ended(w.service().EndpointReplayMissing(w.t.Context(), orgScope, "acme", string(e.ID),
		core.PeriodIn{Since: past().Add(-time.Minute)}))
}
