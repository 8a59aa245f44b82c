package sourcetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// odd publishes good messages before, between and after odd ones. Each odd message must be stored or refused with a
// reason, and must not block any good one.
func odd(t *testing.T, s Suite) {
	t.Helper()
	b := s.Broker(t)
	r := s.recorder(t, b)
	all := b.Odd(t)
	var seen []string // the names of those visible to consumers
	for n, o := range all {
		b.Produce(t, series("red", n, n+1)...)
		o.Send(t)
		if !o.Hidden {
			seen = append(seen, o.Name)
		}
	}
	b.Produce(t, series("red", len(all), len(all)+1)...)
	stop := s.run(t, b.Source(t), r)
	await(t, func() string {
		if n := len(r.numbers("red")); n <= len(all) {
			before := "the first"
			if n > 0 {
				before = all[n-1].Name
			}
			return fmt.Sprintf("%d of %d good messages are stored; the next one came behind %q", n, len(all)+1, before)
		}
		return ""
	})
	arrived(t, s, r, "red", len(all)+1)
	var letters []DeadLetter
	await(t, func() string {
		letters = b.DeadLetters(t)
		if names := r.odd(); len(letters)+len(names) < len(seen) {
			return fmt.Sprintf("of %d odd messages %q are stored and %d refused: %q; sent are %q",
				len(seen), names, len(letters), reasons(letters), seen)
		}
		return ""
	})
	stop()
	stored := r.odd()
	if len(letters)+len(stored) > len(seen) {
		t.Errorf("%q are stored and %q refused, want each odd message once: %q", stored, reasons(letters), seen)
	}
	for _, name := range stored {
		if !slices.Contains(seen, name) {
			t.Errorf("%q was stored, which nobody should have seen", name)
		}
	}
	for _, letter := range letters {
		if strings.TrimSpace(letter.Reason) == "" || strings.Contains(letter.Reason, "panicked") {
			t.Errorf("the reason is %q for %.200q", letter.Reason, letter.Body)
		}
	}
}

func reasons(letters []DeadLetter) (all []string) {
	for _, letter := range letters {
		all = append(all, letter.Reason)
	}
	return all
}

// odd returns the names of the odd messages that are stored.
func (r *recorder) odd() (names []string) {
	for _, s := range r.snapshot() {
		if s.Odd != "" {
			names = append(names, s.Odd)
		}
	}
	return names
}

// oddBodies returns the bodies that are odd on every broker, by name.
func oddBodies() map[string]string {
	deep := 100_000
	return map[string]string{
		"no body":               "",
		"a space":               " ",
		"null":                  "null",
		"a list":                "[1, 2]",
		"a NUL":                 "\x00",
		"a byte order mark":     "\ufeff" + OddBody("a byte order mark"),
		"invalid UTF-8":         strings.Replace(OddBody("invalid UTF-8", `, "x": "?"`), "?", "\xff\xfe", 1),
		"half a surrogate pair": strings.Replace(OddBody("half a surrogate pair"), "test", `test\ud800`, 1),
		"an escaped NUL":        OddBody("an escaped NUL", `, "x": "\u0000"`),
		"a field twice":         strings.Replace(OddBody("a field twice"), "{", `{"application": "acme", `, 1),
		"nested deeply":         OddBody("nested deeply", `, "x": `, strings.Repeat("[", deep), strings.Repeat("]", deep)),
		"nested and cut off":    strings.Repeat(`{"payload":`, deep),
		"a huge number":         OddBody("a huge number", `, "x": 1e999999999, "y": -0, "z": `, strings.Repeat("9", 10_000)),
		"a number for a name":   `{"application": 7, "eventType": "test", "payload": {}}`,
		"null for a name":       `{"application": null, "eventType": "test", "payload": {}}`,
		"a list for a payload":  `{"application": "acme", "eventType": "test", "payload": []}`,
		"null for a payload":    `{"application": "acme", "eventType": "test", "payload": null}`,
		"null for channels":     `{"application": "acme", "eventType": "test", "channels": [null], "payload": {"odd": "null for channels"}}`,
		"2 MiB and a byte":      OddBody("2 MiB and a byte", `, "x": "`, strings.Repeat("x", 2<<20), `"`),
		"another encoding":      "\xff\xfe{\x00}\x00",
	}
}

// OddBodies returns odd messages for a broker that passes bodies on unchanged. takes reports whether the broker
// accepts a body.
func OddBodies(takes func(body string) bool, send func(t testing.TB, body string)) (all []Odd) {
	for name, text := range oddBodies() {
		if takes(text) {
			all = append(all, Odd{Name: name, Send: func(t testing.TB) { t.Helper(); send(t, text) }})
		}
	}
	slices.SortFunc(all, func(a, b Odd) int { return strings.Compare(a.Name, b.Name) })
	return all
}
