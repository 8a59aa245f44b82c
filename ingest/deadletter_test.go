package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
)

// place accepts letters up to a size: 100 bytes for a message's headers, 10 for each of ours.
type place struct {
	most  int
	tells bool // it reports by how much a letter is too large
	tried []Letter
}

func (p *place) put(l Letter) error {
	l.About = maps.Clone(l.About)
	p.tried = append(p.tried, l)
	size := 10*len(l.About) + l.Body
	if l.Headers {
		size += 100
	}
	switch {
	case size <= p.most:
		return nil
	case p.tells:
		return fmt.Errorf("put: %w", TooLargeError{Err: errors.New("too large"), Over: size - p.most})
	}
	return TooLargeError{Err: errors.New("too large")}
}

// kept describes the variable parts of the last letter.
func (p *place) kept() string {
	l := p.tried[len(p.tried)-1]
	kept := fmt.Sprintf("%d bytes", l.Body)
	if l.Headers {
		kept += ", its headers"
	}
	if _, ok := l.About[ReasonHeader]; ok {
		kept += ", a reason"
	}
	for _, name := range []string{LeftOutHeader, CutHeader} {
		if value, ok := l.About[name]; ok {
			kept += ", " + name + " " + value
		}
	}
	return kept
}

func TestPutAsideLeavesOutAsLittleAsPossible(t *testing.T) {
	t.Parallel()
	all := Letter{Headers: true, Body: 1000}
	for name, test := range map[string]struct {
		whole Letter
		place place
		want  string
		tries int
		lack  string // what the log says was left out
	}{
		"all":             {all, place{most: 1110}, "1000 bytes, its headers, a reason", 1, ""},
		"without headers": {all, place{most: 1109}, "1000 bytes, a reason, postrider-left-out headers", 2, "headers"},
		"the body alone":  {all, place{most: 1000}, "1000 bytes", 3, "headers, reason"},
		"a body cut exactly": {
			all, place{most: 999, tells: true}, "969 bytes, a reason, postrider-left-out headers, postrider-cut-from 1000", 5,
			"headers, 31 of 1000 bytes of the body",
		},
		"a body cut in half": {
			all, place{most: 999}, "500 bytes, a reason, postrider-left-out headers, postrider-cut-from 1000", 4,
			"headers, 500 of 1000 bytes of the body",
		},
		"no body": {
			all, place{most: 30}, "0 bytes, a reason, postrider-left-out headers, postrider-cut-from 1000", 13,
			"headers, 1000 of 1000 bytes of the body",
		},
		"one without headers": {Letter{Body: 1000}, place{most: 1000}, "1000 bytes", 2, "left_out=reason"},
		"one without headers that is cut": {
			Letter{Body: 1000}, place{most: 999, tells: true}, "979 bytes, a reason, postrider-cut-from 1000", 4,
			`left_out="21 of 1000 bytes of the body"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			one := Settlement{Message: Message{Topic: "orders", Position: "orders/7"}, Reason: "it is no good"}
			if err := PutAside(slog.New(slog.NewTextHandler(&text, nil)), one, test.whole, test.place.put); err != nil {
				t.Fatal(err)
			}
			if got := test.place.kept(); got != test.want || len(test.place.tried) != test.tries {
				t.Errorf("put down after %d tries: %s; want %s after %d", len(test.place.tried), got, test.want, test.tries)
			}
			if test.lack == "" && text.Len() > 0 || test.lack != "" && strings.Count(text.String(), "\n") != 1 {
				t.Errorf("the log says %s", text.String())
			}
			for _, part := range []string{"orders/7", "topic=orders", "it is no good", "too large", test.lack} {
				if test.lack != "" && !strings.Contains(text.String(), part) {
					t.Errorf("the log does not say %q: %s", part, text.String())
				}
			}
		})
	}
}

// A letter that is too large at first must not be truncated because its destination is unavailable afterwards.
func TestPutAsideCutsNothingForAPlaceThatIsAway(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for tries := 1; tries < 5; tries++ {
		p := place{most: 10}
		put := func(l Letter) error {
			if len(p.tried) == tries {
				return away
			}
			return p.put(l)
		}
		err := PutAside(slog.New(slog.DiscardHandler), Settlement{}, Letter{Headers: true, Body: 1000}, put)
		if !errors.Is(err, away) || len(p.tried) != tries {
			t.Errorf("away at try %d: the error is %v after %d tries", tries, err, len(p.tried))
		}
	}
}

func TestPutAsideSaysWhatIsNeverTaken(t *testing.T) {
	t.Parallel()
	p := place{most: 9}
	err := PutAside(slog.New(slog.DiscardHandler), Settlement{}, Letter{Headers: true, Body: 1000}, p.put)
	if err == nil || err.Error() != "too large" {
		t.Errorf("the error is %v", err)
	}
}

func TestReasonIsCutToWholeCharacters(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"short": "short", "": reasonUnknown, "a\xffb": "ab",
		"x" + strings.Repeat("é", 1<<20): "x" + strings.Repeat("é", 511),
	} {
		if got := CutReason(reason); got != want {
			t.Errorf("a reason of %d bytes has %d, want %d", len(reason), len(got), len(want))
		}
	}
}
