package core

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Page is a part of a list, by key and never by offset, so that it stays right while rows are
// added: those with After < key < Before, the first Limit of them.
type Page struct {
	After, Before string
	Limit         int
	Descending    bool // the order to read in
	Look          int  // how many rows to look at for it; 0: as many as the store sees fit
	Bare          bool // without what is large and not shown: payloads of messages, responses of attempts
	flip          bool // it was read against the order of display, because what counts is its end
}

const (
	pageLimitDefault = 50
	pageLimitMost    = 250

	lastKey = "\x7f" // above every id and name under COLLATE "C"

	listWindow = 90 * 24 * time.Hour // how far a list that is bounded in time reaches
	listAhead  = time.Hour           // another machine's clock may be ahead of ours
)

// PageIn is a page as a client asks for it.
type PageIn struct {
	Limit      *int
	Iterator   string // of the item to go on after; "-" before it: the page that ends just before that item
	Descending bool   // the order of display
}

// NewApplicationPage reads a page of applications.
func NewApplicationPage(in PageIn) (Page, error) { return idPage(in, appPrefix) }

// NewEndpointPage reads a page of endpoints.
func NewEndpointPage(in PageIn) (Page, error) { return idPage(in, endpointPrefix) }

// NewBackgroundTaskPage reads a page of background tasks.
func NewBackgroundTaskPage(in PageIn) (Page, error) { return idPage(in, taskPrefix) }

// NewEventTypePage reads a page of event types.
func NewEventTypePage(in PageIn) (Page, error) { return keyPage(in, eventTypeKey) }

// idPage reads a page of a list that is kept in order of ids with that prefix.
func idPage(in PageIn, prefix string) (Page, error) {
	return keyPage(in, func(iterator string) (string, bool) {
		tail, ok := strings.CutPrefix(iterator, prefix)
		return iterator, ok && len(tail) == ksuidChars && strings.Trim(tail, base62) == ""
	})
}

// keyPage reads a page of a list; key is the key that an iterator stands for, without the "-" of a previous
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

// encodedMark begins the iterator of an event type whose name cannot stand there as it is. No name that is
// accepted begins with it.
const encodedMark = "~"

// EventTypeIterator is the iterator of an event type: its name. A name that begins with "-" would be read as
// the page before another, and one that another system stored may hold any character: these are encoded.
func EventTypeIterator(name string) string {
	if isName(name) && name[0] != '-' {
		return name
	}
	return encodedMark + base64.RawURLEncoding.EncodeToString([]byte(name))
}

// eventTypeKey is the inverse of EventTypeIterator. It also accepts "-a" for the event type of that name, as
// in "--a", which earlier releases answered for the page before it.
func eventTypeKey(iterator string) (name string, ok bool) {
	encoded, marked := strings.CutPrefix(iterator, encodedMark)
	if !marked {
		return iterator, isName(iterator)
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	name = string(text)
	return name, err == nil && name != "" && !strings.ContainsFunc(name, unstorable) && EventTypeIterator(name) == iterator
}

// unstorable reports whether Postgres cannot take a text with r in it; U+FFFD stands for what is no UTF-8.
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

// turn makes p the page before its key instead of the one behind it.
func (p *Page) turn() { p.Descending, p.flip = !p.Descending, !p.flip }

// bound makes p start behind key, in the order it is read.
func (p *Page) bound(key string) {
	if p.Descending {
		p.Before = min(p.Before, key)
	} else {
		p.After = max(p.After, key)
	}
}

// window makes p stay between the two keys.
func (p *Page) window(after, before string) {
	p.After, p.Before = max(p.After, after), min(p.Before, before)
}

// TimedPageIn is a page of a list that is displayed newest first and bounded in time: messages and
// attempts, of which there are too many to look through all.
type TimedPageIn struct {
	Limit         *int
	Iterator      string
	Before, After *time.Time
}

// NewMessagePage reads a page of messages.
func NewMessagePage(in TimedPageIn, now time.Time) (Page, error) {
	return timedPage(in, messagePrefix, now)
}

// NewAttemptPage reads a page of attempts.
func NewAttemptPage(in TimedPageIn, now time.Time) (Page, error) {
	return timedPage(in, attemptPrefix, now)
}

// timedPage gives each bound the client names a window of 90 days on its far side; without any, the
// 90 days up to now. With after alone the page is the oldest behind that instant: so a client can
// walk forward from one.
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
	Done bool // nothing follows in the direction the page was asked for

	// Of a page that ended before it was full: the keys from which to go on, and back. Empty: those of the last
	// and the first item.
	Next, Previous string
}

// endEarly notes that the page was not filled: what follows key was not looked at. A page without items leads on
// in both directions, so that a client which only ever goes on never gets the first page again.
func (l *List[T]) endEarly(p Page, key string) {
	l.Done = false
	if p.flip {
		l.Previous = key
	}
	if !p.flip || len(l.Data) == 0 {
		l.Next = key
	}
}

// cut leaves the first n of the items, in the order in which they were read.
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

// list reads one row more than the page has, to know whether anything follows.
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

// listLooked is list where no index knows what the list leaves out: read looks at a bounded number of rows. ended is
// the key of the last one, if read stopped there with more to look at.
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
