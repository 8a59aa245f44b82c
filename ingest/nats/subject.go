package nats

import (
	"slices"
	"strings"
	"unicode"
)

func unprintable(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// isFilter tells whether a text is a subject, or a pattern of some: tokens with dots between them, of
// which * stands for any one, and > at the end for one or more.
func isFilter(text string) bool {
	tokens := strings.Split(text, ".")
	for i, token := range tokens {
		if token == "" || strings.ContainsFunc(token, unprintable) || (token == ">" && i < len(tokens)-1) {
			return false
		}
	}
	return true
}

// matches tells whether a filter takes a subject.
func matches(filter, subject string) bool {
	filters, tokens := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, f := range filters {
		switch {
		case i >= len(tokens):
			return false
		case f == ">":
			return true
		case f != "*" && f != tokens[i]:
			return false
		}
	}
	return len(filters) == len(tokens)
}

// takes tells whether a consumer with these filters takes a subject; without any it takes all.
func takes(filters []string, subject string) bool {
	return len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return matches(f, subject) })
}

// sameSet tells whether two lists hold the same, in whatever order.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
