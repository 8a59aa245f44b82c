package world

import (
	"fmt"
	"strings"
)

// words is the text that payloads, names and responses are made of.
type words struct {
	eventTypes []string
	channels   []string
	tags       []string
	text       string // prose to cut pieces from; it has no characters that are special in JSON or COPY
}

var (
	nouns = strings.Fields("invoice order customer payment shipment refund ticket account")
	verbs = strings.Fields("created updated paid cancelled archived")
	prose = strings.Fields("the order of a customer was shipped to another address because nobody answered there " +
		"and payment reference amount currency EUR USD net gross discount line item quantity street city note")
)

func newWords(r random) *words {
	w := &words{}
	for n := range eventTypes {
		w.eventTypes = append(w.eventTypes, nouns[n%len(nouns)]+"."+verbs[n/len(nouns)])
	}
	for n := range 20 {
		w.channels = append(w.channels, fmt.Sprintf("project_%d", n))
		w.tags = append(w.tags, fmt.Sprintf("batch-%d", n))
	}
	var text strings.Builder
	for text.Len() < 1<<16 {
		text.WriteString(prose[r.IntN(len(prose))])
		if r.chance(0.4) { // parts that differ between messages compress badly
			fmt.Fprintf(&text, " %x", r.Uint64())
		}
		text.WriteByte(' ')
	}
	w.text = text.String()
	return w
}

func (w *words) channel(r random) string { return w.channels[r.skewed(len(w.channels))] }
func (w *words) tag(r random) string     { return w.tags[r.skewed(len(w.tags))] }

// piece returns n bytes of prose.
func (w *words) piece(r random, n int) string {
	at := r.IntN(len(w.text) - n)
	return w.text[at : at+n]
}
