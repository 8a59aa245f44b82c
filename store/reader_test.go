package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// service is the use cases on the test's database: pages are made there.
func (w *world) service() *core.Service {
	return &core.Service{Store: w.Store, Messages: NewMessageInserter(w.Store, nil), Clock: time.Now}
}

func TestAnApplicationIsItsOrganisationsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, ref := range []string{string(w.app.ID), "acme"} {
		if got, err := w.ApplicationGet(t.Context(), testOrg, ref); err != nil || got.ID != w.app.ID {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
		if _, err := w.ApplicationGet(t.Context(), "org_other", ref); !core.IsKind(err, core.KindNotFound) {
			t.Errorf("%s read by another organisation: %v", ref, err)
		}
	}
	err := w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, "org_other", w.app.ID, now())
	})
	if !core.IsKind(err, core.KindNotFound) {
		t.Errorf("deleted by another organisation: %v", err)
	}
}

func TestAUIDIsTakenOnceAndFreeAfterDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	again := core.Application{OrgID: testOrg, ID: core.NewAppID(now()), UID: w.app.UID, Metadata: core.Metadata{}, CreatedAt: now(), UpdatedAt: now()}
	insert := func(ctx context.Context, tx core.Tx) error { return tx.ApplicationInsert(ctx, again) }
	if err := w.InTx(t.Context(), insert); !core.IsKind(err, core.KindConflict) {
		t.Errorf("taken: %v", err)
	}
	w.in(func(ctx context.Context, tx core.Tx) error {
		return tx.ApplicationDelete(ctx, testOrg, w.app.ID, now())
	})
	w.in(insert)
}

func TestAFailedUnitOfWorkLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
		app := core.Application{OrgID: testOrg, ID: core.NewAppID(now()), Name: "half", Metadata: core.Metadata{}, CreatedAt: now(), UpdatedAt: now()}
		if err := tx.ApplicationInsert(ctx, app); err != nil {
			return err
		}
		return core.Forbidden()
	})
	if !core.IsKind(err, core.KindForbidden) {
		t.Errorf("the error of the work: %v", err)
	}
	if n := value[int](w, "SELECT count(*) FROM application"); n != 1 {
		t.Errorf("%d applications", n)
	}
}

func TestListsGoBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scope := core.Scope{OrgID: testOrg}
	want := []string{"acme"}
	for n := range 6 {
		name := fmt.Sprint("app", n)
		want = append(want, name)
		w.addApplication(testOrg, name)
	}
	w.addApplication("org_other", "theirs")
	two := 2
	read := func(in core.PageIn) core.List[core.Application] {
		t.Helper()
		in.Limit = &two
		p, err := core.NewApplicationPage(in)
		if err != nil {
			t.Fatal(err)
		}
		l, err := w.service().ApplicationList(t.Context(), scope, core.ApplicationFilter{}, p)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	var got []string
	var second core.AppID
	for l, in := read(core.PageIn{}), (core.PageIn{}); ; l = read(in) {
		for _, a := range l.Data {
			got = append(got, a.Name)
		}
		if len(got) == 2 {
			second = l.Data[1].ID
		}
		if l.Done {
			break
		}
		in.Iterator = string(l.Data[len(l.Data)-1].ID)
	}
	if !slices.IsSorted(want) || len(got) != len(want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	back := read(core.PageIn{Iterator: "-" + string(second)})
	if len(back.Data) != 1 || back.Data[0].Name != got[0] || !back.Done {
		t.Errorf("the page before the second: %+v", back)
	}
}

func TestAttemptsAreFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	inserter := NewMessageInserter(w.Store, nil)
	for n := range 4 {
		_, err := inserter.MessageInsert(t.Context(), w.event(func(m *core.NewMessage) {
			m.EventType = fmt.Sprint("type.", n%2)
			m.Channels = []string{fmt.Sprint("channel", n/2)}
			m.Tags = []string{fmt.Sprint("tag", n)}
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, d := range w.claim(room()) {
		r := result(d, time.Time{})
		if n == 0 {
			r = result(d, now().Add(time.Hour))
		}
		w.record(r)
	}
	success, fail := core.StatusSuccess, core.StatusFail
	page := core.Page{Before: "~", Limit: 10, Descending: true}
	of := func(f core.MessageFilter) core.AttemptFilter { return core.AttemptFilter{MessageFilter: f} }
	for name, c := range map[string]struct {
		filter core.AttemptFilter
		want   int
	}{
		"all":                {core.AttemptFilter{}, 4},
		"success":            {core.AttemptFilter{Status: &success}, 3},
		"fail":               {core.AttemptFilter{Status: &fail}, 1},
		"5xx":                {core.AttemptFilter{CodeFrom: 500, CodeTo: 599}, 1},
		"event type":         {of(core.MessageFilter{EventTypes: []string{"type.1"}}), 2},
		"channel":            {of(core.MessageFilter{Channel: "channel0"}), 2},
		"both":               {of(core.MessageFilter{Channel: "channel0", EventTypes: []string{"type.1", "x"}}), 1},
		"tag":                {of(core.MessageFilter{Tag: "tag3"}), 1},
		"2xx":                {core.AttemptFilter{CodeFrom: 200, CodeTo: 299}, 3},
		"5xx that succeeded": {core.AttemptFilter{CodeFrom: 500, CodeTo: 599, Status: &success}, 0},
		"pending":            {core.AttemptFilter{Status: new(core.StatusPending)}, 0},
		"none":               {of(core.MessageFilter{Channel: "elsewhere"}), 0},
	} {
		got, _, err := w.AttemptListByEndpoint(t.Context(), w.app.ID, e.ID, c.filter, page)
		if err != nil || len(got) != c.want {
			t.Errorf("%s: %d attempts, %v; want %d", name, len(got), err, c.want)
		}
		page.Descending = !page.Descending
	}
}

func TestAnAttemptIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.addEndpoint(nil)
	w.send(1)
	w.record(result(w.claim(room())[0], time.Time{}))
	page := core.Page{Before: "~", Limit: 10}
	all, _, err := w.AttemptListByEndpoint(t.Context(), w.app.ID, e.ID, core.AttemptFilter{}, page)
	if err != nil {
		t.Fatal(err)
	}
	one := all[0]
	if got, err := w.AttemptGet(t.Context(), w.app.ID, one.MessageID, one.ID); err != nil || got != one {
		t.Errorf("%+v, %v; want %+v", got, err, one)
	}
	byMessage, _, err := w.AttemptListByMessage(t.Context(), w.app.ID, one.MessageID, core.AttemptFilter{EndpointID: e.ID}, page)
	if err != nil || len(byMessage) != 1 || byMessage[0] != one {
		t.Errorf("by message: %+v, %v", byMessage, err)
	}
	if _, err := w.AttemptGet(t.Context(), "app_other", one.MessageID, one.ID); !core.IsKind(err, core.KindNotFound) {
		t.Errorf("read by another application: %v", err)
	}
}
