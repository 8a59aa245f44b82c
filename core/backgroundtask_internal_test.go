package core

import (
	"encoding/json"
	"testing"
	"time"
)

func TestTaskPeriodIsCutToWhatCanBeReplayed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	at := func(d time.Duration) *time.Time { return new(now.Add(d)) }
	for name, test := range map[string]struct {
		in           PeriodIn
		ok           bool
		since, until time.Duration // from now
	}{
		"until now":              {PeriodIn{Since: *at(-day)}, true, -day, 0},
		"until then":             {PeriodIn{Since: *at(-2 * day), Until: at(-day)}, true, -2 * day, -day},
		"until the future":       {PeriodIn{Since: *at(-day), Until: at(day)}, true, -day, 0},
		"of one instant":         {PeriodIn{Since: *at(-day), Until: at(-day)}, true, -day, -day},
		"of a clock ahead":       {PeriodIn{Since: *at(time.Minute)}, true, time.Minute, 0},
		"backwards":              {PeriodIn{Since: *at(-day), Until: at(-2 * day)}, false, 0, 0},
		"backwards by an hour":   {PeriodIn{Since: *at(time.Minute), Until: at(-time.Hour)}, false, 0, 0},
		"of the future":          {PeriodIn{Since: *at(time.Hour), Until: at(2 * time.Hour)}, false, 0, 0},
		"of all time":            {PeriodIn{}, true, -90 * day, 0},
		"of before all payloads": {PeriodIn{Until: at(-100 * day)}, true, -90 * day, -100 * day},
	} {
		var c checks
		p := test.in.period(&c, now)
		if (c.err() == nil) != test.ok {
			t.Errorf("a period %s: %v", name, c.err())
		}
		if test.ok && (!p.Since.Equal(now.Add(test.since)) || !p.Until.Equal(now.Add(test.until))) {
			t.Errorf("a period %s is %s to %s", name, p.Since.Sub(now), p.Until.Sub(now))
		}
	}
}

func TestTaskShowsItsProgress(t *testing.T) {
	t.Parallel()
	for want, task := range map[string]BackgroundTask{
		`{"messagesProcessed":0,"messagesSent":0}`:                  {Data: TaskData{MessagesSent: new(int64)}},
		`{"messagesProcessed":7,"messagesPurged":3,"error":"gone"}`: {Processed: 7, Error: new("gone"), Data: TaskData{MessagesPurged: new(int64(3))}},
		`{"appStats":[]}`:    {Processed: 7, Data: TaskData{AppStats: []AppUsage{}}},
		`{"event_types":[]}`: {Data: TaskData{EventTypes: []AppEventTypes{}}},
		`{}`:                 {},
	} {
		if got, err := json.Marshal(task.Progress()); err != nil || string(got) != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
}

func TestTaskOfALaterReleaseIsLeftToIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	task := BackgroundTask{Task: "message.broadcast", Status: TaskRunning, NextAt: now}
	if err := task.step(t.Context(), nil, now); err != nil || task.Status != TaskRunning || !task.NextAt.After(now) {
		t.Errorf("%v: %+v", err, task)
	}
}

func TestTaskRangeHoldsTheMessagesOfItsPeriod(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 12, 0, 0, 1e6, time.UTC)
	until := since.Add(time.Hour)
	task := BackgroundTask{Parameters: TaskParameters{Since: since, Until: until}}
	r := task.messages("", 10)
	for at, in := range map[time.Time]bool{
		since.Add(-4 * time.Millisecond): false, since: true, since.Add(time.Minute): true, until: true, until.Add(4 * time.Millisecond): false,
	} {
		if id := string(NewMessageID(at)); (id > r.After && id < r.Before) != in {
			t.Errorf("a message of %s is in it: %t, want %t", at, !in, in)
		}
	}
	if earliest := NewAttemptID(since); earliest < r.FirstAttempt {
		t.Errorf("%s is before %s", earliest, r.FirstAttempt)
	}
	behind := string(NewMessageID(since.Add(time.Minute)))
	if again := task.messages(behind, 10); again.After != behind || again.Before != r.Before || again.FirstAttempt < r.FirstAttempt {
		t.Errorf("behind %s it is %+v", behind, again)
	}
}
