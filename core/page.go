package core

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Page is a part of a list: the first Limit rows with After < key < Before. Pages use keys, never offsets, so that
// they stay correct while rows are added.
type Page struct {
	After, Before string
	Limit         int
	Descending    bool // the order to read in
	Look          int  // how many rows to examine for the page; 0: the store decides
	Bare          bool // without large fields that are not shown: payloads of messages, responses of attempts
	flip          bool // read against the order of display, because the end of the range is wanted
}

const (
	pageLimitDefault = 50
	pageLimitMost    = 250

	lastKey = "\x7f" // above every id and name under COLLATE "C"

	listWindow = 90 * 24 * time.Hour // how far back a list that is bounded in time reaches
	listAhead  = time.Hour           // another machine's clock may be ahead of ours
)

// PageIn is a page as a client requests it.
type PageIn struct {
	Limit      *int
	Iterator   string // the item to continue after; with a leading "-", the page that ends just before that item
	Descending bool   // the order of display
}

// NewApplicationPage returns a page of applications.
func NewApplicationPage(in PageIn) (Page, error) { return idPage(in, appPrefix) }

// NewEndpointPage returns a page of endpoints.
func NewEndpointPage(in PageIn) (Page, error) { return idPage(in, endpointPrefix) }

// NewBackgroundTaskPage returns a page of background tasks.
func NewBackgroundTaskPage(in PageIn) (Page, error) { return idPage(in, taskPrefix) }

// NewEventTypePage returns a page of event types.
func NewEventTypePage(in PageIn) (Page, error) { return keyPage(in, eventTypeKey) }

// idPage returns a page of a list that is ordered by ids with that prefix.
func idPage(in PageIn, prefix string) (Page, error) {
	return keyPage(in, func(iterator string) (string, bool) {
		tail, ok := strings.CutPrefix(iterator, prefix)
		return iterator, ok && len(tail) == ksuidChars && strings.Trim(tail, base62) == ""
	})
}

// keyPage returns a page of a list. key returns the key that an iterator stands for, without the "-" of a previous
// page, and reports whether the iterator is well formed.
func keyPage(in PageIn, key func(iterator string) (string, bool)) (Page, error) {
	p, err := newPage(in)
	if err != nil || in.Iterator == "" {
		return p, err
	}
	iterator, previous := strings.CutPrefix(in.Iterator, "-")
	bound, ok := key(iterator)
	if !ok {
		return p, invalidIterator()
	}
	if previous {
		p.turn()
	}
	p.bound(bound)
	return p, nil
}

// encodedMark begins the iterator of an event type whose name cannot be an iterator itself. No valid name begins
// with it.
const encodedMark = "~"

// EventTypeIterator returns the iterator of an event type: its name. A name that begins with "-" would be read as
// the page before another, and a name that another system stored may hold any character, so these are encoded.
func EventTypeIterator(name string) string {
	if isName(name) && name[0] != '-' {
		return name
	}
	return encodedMark + base64.RawURLEncoding.EncodeToString([]byte(name))
}

// eventTypeKey is the inverse of EventTypeIterator. It also accepts "-a" for the event type of that name: "--a" is
// the iterator that earlier releases returned for the page before it.
func eventTypeKey(iterator string) (name string, ok bool) {
	encoded, marked := strings.CutPrefix(iterator, encodedMark)
	if !marked {
		return iterator, isName(iterator)
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	name = string(text)
	return name, err == nil && name != "" && !strings.ContainsFunc(name, unstorable) && EventTypeIterator(name) == iterator
}

// unstorable reports whether Postgres cannot store text with r in it. U+FFFD stands for invalid UTF-8.
func unstorable(r rune) bool { return r == 0 || r == '\uFFFD' }

func newPage(in PageIn) (Page, error) {
	p := Page{Before: lastKey, Limit: pageLimitDefault, Descending: in.Descending}
	if in.Limit != nil {
		p.Limit = *in.Limit
	}
	if p.Limit < 0 {
		return p, Invalid(fmt.Sprintf("limit must not be negative, and is %d", p.Limit), "query", "limit")
	}
	if p.Limit > pageLimitMost {
		return p, Invalid(fmt.Sprintf("limit must not exceed %d, and is %d", pageLimitMost, p.Limit), "query", "limit")
	}
	if strings.ContainsFunc(in.Iterator, unstorable) {
		return p, invalidIterator()
	}
	return p, nil
}

func invalidIterator() *Error {
	return Invalid("Invalid iterator: pass the iterator or prevIterator of a page of this list", "query", "iterator")
}

// turn makes p the page before its key instead of the one after it.
func (p *Page) turn() { p.Descending, p.flip = !p.Descending, !p.flip }

// bound makes p start after key, in the order of reading.
func (p *Page) bound(key string) {
	if p.Descending {
		p.Before = min(p.Before, key)
	} else {
		p.After = max(p.After, key)
	}
}

// window restricts p to the keys between the two.
func (p *Page) window(after, before string) {
	p.After, p.Before = max(p.After, after), min(p.Before, before)
}

// TimedPageIn is a page of a list that is displayed newest first and bounded in time. Messages and attempts are such
// lists; there are too many of them to search them all.
type TimedPageIn struct {
	Limit         *int
	Iterator      string
	Before, After *time.Time
}

// NewMessagePage returns a page of messages.
func NewMessagePage(in TimedPageIn, now time.Time) (Page, error) {
	return timedPage(in, messagePrefix, now)
}

// NewAttemptPage returns a page of attempts.
func NewAttemptPage(in TimedPageIn, now time.Time) (Page, error) {
	return timedPage(in, attemptPrefix, now)
}

// timedPage adds to each bound that the client sets a window of 90 days on its far side; without bounds, the window
// is the 90 days up to now. With only after, the page holds the oldest items after that instant, so that a client
// can walk forward from it.
func timedPage(in TimedPageIn, prefix string, now time.Time) (Page, error) {
	p, err := newPage(PageIn{Limit: in.Limit, Iterator: in.Iterator, Descending: true})
	if err != nil {
		return p, err
	}
	span := func(from, to time.Time) { p.window(firstID(prefix, from), firstID(prefix, to)) }
	if in.Before != nil {
		span(in.Before.Add(-listWindow), *in.Before)
	}
	if in.After != nil {
		span(*in.After, in.After.Add(listWindow))
	}
	switch {
	case in.Iterator != "":
		err = p.continueAt(in.Iterator, prefix)
	case in.After != nil && in.Before == nil:
		p.turn()
	case in.Before == nil:
		span(now.Add(-listWindow), now.Add(listAhead))
	}
	return p, err
}

func (p *Page) continueAt(iterator, prefix string) error {
	id, previous := strings.CutPrefix(iterator, "-")
	at, err := idTime(prefix, id)
	if err != nil {
		return invalidIterator()
	}
	if previous {
		p.turn()
		p.window(id, firstID(prefix, at.Add(listWindow)))
	} else {
		p.window(firstID(prefix, at.Add(-listWindow)), id)
	}
	return nil
}

// List is a page of a list, in the order of display.
type List[T any] struct {
	Data []T
	Done bool // nothing follows in the requested direction

	// The keys from which to continue forward and back, if the page ended before it was full. If they are empty, they
	// are those of the last and the first item.
	Next, Previous string
}

// endEarly records that the page ended before it was full: nothing after key was examined. A page without items
// continues in both directions, so that a client that only moves forward never gets the first page again.
func (l *List[T]) endEarly(p Page, key string) {
	l.Done = false
	if p.flip {
		l.Previous = key
	}
	if !p.flip || len(l.Data) == 0 {
		l.Next = key
	}
}

// cut keeps the first n items, in the order in which they were read.
func (l *List[T]) cut(p Page, n int) {
	switch {
	case n >= len(l.Data):
		return
	case p.flip:
		l.Data, l.Previous = l.Data[len(l.Data)-n:], ""
	default:
		l.Data, l.Next = l.Data[:n], ""
	}
	l.Done = false
}

// list reads one row more than the page holds, to know whether more follow.
func list[T any](p Page, read func(Page) ([]T, error)) (List[T], error) {
	p.Limit++
	rows, err := read(p)
	if err != nil {
		return List[T]{}, err
	}
	l := List[T]{Data: rows, Done: len(rows) < p.Limit}
	if !l.Done {
		l.Data = rows[:p.Limit-1]
	}
	if p.flip {
		slices.Reverse(l.Data)
	}
	return l, nil
}

// listLooked is list for filters that no index covers: read examines a bounded number of rows. ended is the key of
// the last one, if read stopped there with more to examine.
func listLooked[T any](p Page, read func(Page) (rows []T, ended string, err error)) (List[T], error) {
	var ended string
	l, err := list(p, func(p Page) (rows []T, err error) {
		rows, ended, err = read(p)
		return rows, err
	})
	if ended != "" && l.Done {
		l.endEarly(p, ended)
	}
	return l, err
}
