package main

import "strings"

// messageKey is a message's id without its prefix: a fixed size without pointers, so that the garbage collector never
// scans a set of a million.
type messageKey [27]byte

const messagePrefix = "msg_"

func keyOf(id string) (k messageKey, ok bool) {
	tail, found := strings.CutPrefix(id, messagePrefix)
	return k, found && copy(k[:], tail) == len(k) && len(tail) == len(k)
}

func (k messageKey) String() string { return messagePrefix + string(k[:]) }

// tally counts how often each message arrived.
type tally struct {
	seen       map[messageKey]struct{}
	duplicates int
	unreadable int // ids that are not valid
}

func newTally(size int) *tally { return &tally{seen: make(map[messageKey]struct{}, size)} }

// add counts an arrival and reports whether the message is new.
func (t *tally) add(id string) bool {
	k, ok := keyOf(id)
	if !ok {
		t.unreadable++
		return false
	}
	if _, again := t.seen[k]; again {
		t.duplicates++
		return false
	}
	t.seen[k] = struct{}{}
	return true
}

// missing returns which of the ids never arrived.
func (t *tally) missing(ids []string) []string {
	var lost []string
	for _, id := range ids {
		if k, ok := keyOf(id); !ok || !t.has(k) {
			lost = append(lost, id)
		}
	}
	return lost
}

func (t *tally) has(k messageKey) bool {
	_, ok := t.seen[k]
	return ok
}
