package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

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
