package nats

import (
	"slices"
	"strings"
	"unicode"
)

func unprintable(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// isFilter reports whether text is a subject or a subject filter: tokens separated by dots, where * matches any
// single token and a final > matches one or more.
func isFilter(text string) bool {
	tokens := strings.Split(text, ".")
	for i, token := range tokens {
		if token == "" || strings.ContainsFunc(token, unprintable) || (token == ">" && i < len(tokens)-1) {
			return false
		}
	}
	return true
}

// matches reports whether a filter matches a subject.
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

// takes reports whether a consumer with these filters receives a subject; without filters it receives all.
func takes(filters []string, subject string) bool {
	return len(filters) == 0 || slices.ContainsFunc(filters, func(f string) bool { return matches(f, subject) })
}

// sameSet reports whether two lists have the same elements, in any order.
func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
