package core

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// keys is a list as a store holds it.
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
	p, err := NewEventTypePage(in)
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
		if _, err := NewEventTypePage(PageIn{Limit: &limit}); !IsKind(err, KindInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	for _, iterator := range []string{"x", "-", "-x", "app_000", "atmpt_" + firstID("", time.Now())} {
		if _, err := NewMessagePage(TimedPageIn{Iterator: iterator}, time.Now()); !IsKind(err, KindInvalid) {
			t.Errorf("iterator %s: %v", iterator, err)
		}
	}
}

// A client that sent a malformed iterator got a 200 and an unrelated page.
func TestMalformedIteratorsAreRefused(t *testing.T) {
	t.Parallel()
	tail := strings.Repeat("z", ksuidChars)
	malformed := []string{"BAD-$$$ITERATOR", "-", "a\x00", "\uFFFD", "a b", "-a b", "~", "-~", "~-a", "~YQ", "~LWE=", "~AA", "~_w", strings.Repeat("a", 257)}
	for kind, read := range map[string]struct {
		page   func(PageIn) (Page, error)
		prefix string // empty: names
	}{
		"applications":     {NewApplicationPage, appPrefix},
		"endpoints":        {NewEndpointPage, endpointPrefix},
		"background tasks": {NewBackgroundTaskPage, taskPrefix},
		"event types":      {NewEventTypePage, ""},
	} {
		bad, good := malformed, []string{"", read.prefix + tail, "-" + read.prefix + tail}
		if read.prefix == "" {
			good = append(good, "a", "-a", "--a", ".", "a-", "~LWE", "-~LWE") // ~LWE is -a
		} else {
			bad = append([]string{
				"a", "--", "msg_" + tail, read.prefix, read.prefix + tail[1:], read.prefix + tail + "z", read.prefix + tail[1:] + ".",
				"--" + read.prefix + tail, "~" + read.prefix + tail, strings.ToUpper(read.prefix) + tail,
			}, bad...)
		}
		for _, iterator := range bad {
			if _, err := read.page(PageIn{Iterator: iterator}); !IsKind(err, KindInvalid) {
				t.Errorf("%s: iterator %.40q: %v, want it refused", kind, iterator, err)
			}
		}
		for _, iterator := range good {
			if _, err := read.page(PageIn{Iterator: iterator}); err != nil {
				t.Errorf("%s: iterator %q: %v", kind, iterator, err)
			}
		}
	}
}

// The iterator of "-a" was "-a", which means the page before "a": pages repeated for ever, or left out names.
func TestPagesOfAnyNamesHoldEachOnce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(13, 2))
	const chars = "--~.aZ_0 /"
	for range 500 {
		var names keys
		for range random.IntN(12) {
			name := make([]byte, 1+random.IntN(3))
			for i := range name {
				name[i] = chars[random.IntN(len(chars))]
			}
			names = append(names, string(name))
		}
		slices.Sort(names)
		names = slices.Compact(names)
		limit, descending := 1+random.IntN(4), random.IntN(2) == 0
		want := slices.Clone(names)
		if descending {
			slices.Reverse(want)
		}
		forward := walk(t, names, PageIn{Limit: &limit, Descending: descending}, false)
		if !slices.Equal(forward, want) {
			t.Fatalf("%q by %d, descending %t: %q", want, limit, descending, forward)
		}
		if len(want) == 0 {
			continue
		}
		last := want[len(want)-1]
		back := walk(t, names, PageIn{Limit: &limit, Descending: descending, Iterator: "-" + EventTypeIterator(last)}, true)
		if !slices.Equal(back, want[:len(want)-1]) {
			t.Fatalf("%q by %d, descending %t, back from %q: %q", want, limit, descending, last, back)
		}
	}
}

// walk follows the iterators to the end, as a client does, and returns all names in the order of display.
func walk(t *testing.T, names keys, in PageIn, back bool) (all []string) {
	t.Helper()
	for range len(names) + 1 {
		l := page(t, names, in)
		if back {
			all = append(slices.Clone(l.Data), all...)
		} else {
			all = append(all, l.Data...)
		}
		if l.Done {
			return all
		}
		in.Iterator = EventTypeIterator(l.Data[len(l.Data)-1])
		if back {
			in.Iterator = "-" + EventTypeIterator(l.Data[0])
		}
	}
	t.Fatalf("%q has no last page", names)
	return nil
}

// Iterators of plain names stay unencoded: they are used as they are in URLs, and clients store them.
func TestIteratorOfAPlainNameIsTheName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "invoice.paid", "a-b", "A_0", ".", strings.Repeat("a", 256)} {
		if got := EventTypeIterator(name); got != name {
			t.Errorf("the iterator of %s is %s", name, got)
		}
	}
}

func TestTimedPages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	daysAgo := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	var k keys // one per day: k[0] is 200 days ago
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
