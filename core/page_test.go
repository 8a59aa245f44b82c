package core

import (
	"slices"
	"testing"
	"time"
)

// keys is a list as a store would hold it.
type keys []string

// read does what every store must do with a page.
func (k keys) read(p Page) ([]string, error) {
	var rows []string
	for _, key := range k {
		if p.After < key && key < p.Before {
			rows = append(rows, key)
		}
	}
	if p.Descending {
		slices.Reverse(rows)
	}
	return rows[:min(len(rows), p.Limit)], nil
}

func page(t *testing.T, k keys, in PageIn) List[string] {
	t.Helper()
	p, err := NewPage(in)
	if err != nil {
		t.Fatal(err)
	}
	l, err := list(p, k.read)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPages(t *testing.T) {
	t.Parallel()
	k := keys{"a", "b", "c", "d", "e"}
	two, none := 2, 0
	for name, c := range map[string]struct {
		in   PageIn
		want []string
		done bool
	}{
		"first":                   {PageIn{Limit: &two}, []string{"a", "b"}, false},
		"next":                    {PageIn{Limit: &two, Iterator: "b"}, []string{"c", "d"}, false},
		"last":                    {PageIn{Limit: &two, Iterator: "d"}, []string{"e"}, true},
		"exactly the rest":        {PageIn{Limit: &two, Iterator: "c"}, []string{"d", "e"}, true},
		"previous":                {PageIn{Limit: &two, Iterator: "-d"}, []string{"b", "c"}, false},
		"previous, the first":     {PageIn{Limit: &two, Iterator: "-c"}, []string{"a", "b"}, true},
		"descending":              {PageIn{Limit: &two, Descending: true}, []string{"e", "d"}, false},
		"descending, next":        {PageIn{Limit: &two, Descending: true, Iterator: "d"}, []string{"c", "b"}, false},
		"descending, previous":    {PageIn{Limit: &two, Descending: true, Iterator: "-b"}, []string{"d", "c"}, false},
		"all":                     {PageIn{}, k, true},
		"none":                    {PageIn{Limit: &none}, []string{}, false},
		"an iterator of no row":   {PageIn{Limit: &two, Iterator: "bb"}, []string{"c", "d"}, false},
		"behind the last":         {PageIn{Iterator: "e"}, nil, true},
		"before the first, empty": {PageIn{Iterator: "-a"}, nil, true},
	} {
		got := page(t, k, c.in)
		if !slices.Equal(got.Data, c.want) || got.Done != c.done {
			t.Errorf("%s: %v, done %v; want %v, %v", name, got.Data, got.Done, c.want, c.done)
		}
	}
}

func TestBadPagesAreRefused(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{-1, 251} {
		if _, err := NewPage(PageIn{Limit: &limit}); !IsKind(err, KindInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	for _, iterator := range []string{"x", "-", "-x", "app_000", "atmpt_" + firstID("", time.Now())} {
		if _, err := NewMessagePage(TimedPageIn{Iterator: iterator}, time.Now()); !IsKind(err, KindInvalid) {
			t.Errorf("iterator %s: %v", iterator, err)
		}
	}
	if _, err := NewPage(PageIn{Iterator: "a\x00"}); !IsKind(err, KindInvalid) {
		t.Errorf("an iterator Postgres cannot store: %v", err)
	}
}

func TestTimedPages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	daysAgo := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	var k keys // one a day: k[0] is 200 days ago
	for n := 200; n >= 0; n-- {
		k = append(k, string(NewMessageID(daysAgo(n))))
	}
	id := func(n int) string { return k[200-n] }
	two := 2
	at := func(n int) *time.Time { v := daysAgo(n); return &v }
	for name, c := range map[string]struct {
		in   TimedPageIn
		want []string
	}{
		"newest":             {TimedPageIn{}, []string{id(0), id(1)}},
		"next":               {TimedPageIn{Iterator: id(1)}, []string{id(2), id(3)}},
		"previous":           {TimedPageIn{Iterator: "-" + id(5)}, []string{id(3), id(4)}},
		"before":             {TimedPageIn{Before: at(100)}, []string{id(101), id(102)}},
		"after: the oldest":  {TimedPageIn{After: at(100)}, []string{id(99), id(100)}},
		"after and before":   {TimedPageIn{After: at(100), Before: at(98)}, []string{id(99), id(100)}},
		"after and iterator": {TimedPageIn{After: at(3), Iterator: id(1)}, []string{id(2), id(3)}},
	} {
		c.in.Limit = &two
		p, err := NewMessagePage(c.in, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, _ := list(p, k.read)
		if !slices.Equal(got.Data, c.want) {
			t.Errorf("%s: %v, want %v", name, got.Data, c.want)
		}
	}
	everything := 250
	p, err := NewMessagePage(TimedPageIn{Limit: &everything}, now)
	if got, _ := list(p, k.read); err != nil || len(got.Data) != 91 || !got.Done {
		t.Errorf("without bounds: %d messages, want those of 90 days and today's", len(got.Data))
	}
}
