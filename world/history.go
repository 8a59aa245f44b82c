package world

import (
	"context"
	"time"

	"github.com/postrider/postrider/core"
)

const (
	chunkMessages = 10_000 // about 10 MB
	payloadKept   = 90 * 24 * time.Hour
	keysKept      = 12 * time.Hour

	// waitingFor is how long the waiting endpoints have not responded. It is shorter than the longest pause of the
	// retry schedule, so everything sent to them in that time is still pending.
	waitingFor = 10 * time.Hour
)

// chunk is a part of the history: consecutive messages with their attempts, week by week.
type chunk struct {
	messages, attempts [weeks + 1]rows
	eventIDs, keys     rows
}

// message is the part of a message that the history needs to deliver it.
type message struct {
	id        string
	app       *application
	at        time.Time
	eventType int
	channels  []string
	owed      bool
}

// history draws messages and their deliveries, in the order in which they were sent.
type history struct {
	*population
	world      *World
	chunk      *chunk
	deliveries rows
	retries    []time.Duration
	shares     []share
	waiting    int // endpoints so far
	larges     int // messages of the large application so far
	wides      int
}

// share is an application with a fixed number of messages, evenly spread from a given message on.
type share struct {
	app          *application
	from         int // the first message that may belong to it
	n, of        int // n of the following messages
	credit, left int
}

func newHistory(p *population) *history {
	h := &history{population: p, world: &World{}, retries: core.DefaultRetrySchedule()}
	span := p.Now.Sub(p.start)
	last := int(float64(p.Messages) * float64(deadFor) / float64(span)) // messages while the dead endpoint is dead
	h.shares = []share{
		{app: p.large, n: p.LargeMessages, of: p.Messages},
		{app: p.wide, n: p.WideMessages, of: p.Messages},
		{app: p.dead, n: p.DeadBacklog, of: last, from: p.Messages - last},
		{app: p.plain, n: min(200, p.Messages/1000), of: p.Messages},
	}
	for i := range h.shares {
		s := &h.shares[i]
		s.left, s.credit = s.n, s.of/2 // half the distance before the first and half after the last
	}
	return h
}

// sender returns the application that sends the n-th message.
func (h *history) sender(n int) *application {
	for i := range h.shares {
		if s := &h.shares[i]; n >= s.from {
			s.credit += s.n
		}
	}
	for i := range h.shares {
		if s := &h.shares[i]; s.credit >= s.of && s.left > 0 {
			s.credit -= s.of
			s.left--
			return s.app
		}
	}
	return h.others[h.skewed(len(h.others))]
}

// drawAll sends chunk after chunk, and closes the channel when all are drawn or nobody receives any more.
func (h *history) drawAll(ctx context.Context, chunks chan<- *chunk) {
	defer close(chunks)
	step := h.Now.Sub(h.start) / time.Duration(h.Messages)
	at := h.start
	for first := 0; first < h.Messages; first += chunkMessages {
		h.chunk = &chunk{}
		for n := first; n < min(first+chunkMessages, h.Messages); n++ {
			h.drawMessage(n, at.Add(time.Duration(h.Int64N(int64(step)))).Truncate(time.Microsecond))
			at = at.Add(step)
		}
		select {
		case chunks <- h.chunk:
		case <-ctx.Done():
			return
		}
	}
}

func (h *history) drawMessage(n int, at time.Time) {
	m := &message{app: h.sender(n), at: at, id: h.id(messagePrefix, at)}
	tags := h.describe(m)
	eventID := ""
	if h.chance(0.2) {
		eventID = "event-" + m.id[len(m.id)-12:]
		h.addEventID(m, eventID)
	}
	if at.After(h.Now.Add(-keysKept)) && h.chance(0.5) {
		h.addKey(m)
	}
	h.addMessage(m, eventID, tags)
	endpoints := m.app.endpoints
	if m.app.byType != nil {
		endpoints = m.app.byType[m.eventType]
	}
	for _, e := range endpoints {
		if e.wants(m.eventType, m.channels) {
			h.send(m, e)
		}
	}
	h.name(m)
}

// describe draws a message's event type, channels and tags, and returns the tags.
func (h *history) describe(m *message) (tags []string) {
	m.eventType = h.skewed(eventTypes)
	if h.chance(0.1) {
		m.channels = []string{h.words.channel(h.random)}
	}
	if h.chance(0.15) {
		tags = []string{h.words.tag(h.random)}
	}
	switch m.app {
	case h.large:
		return h.describeLarge(m, tags)
	case h.wide:
		m.eventType = eventTypes + h.wides%h.wideTypes()
		h.wides++
	}
	return tags
}

func (h *history) describeLarge(m *message, tags []string) []string {
	switch u := h.Float64(); {
	case u < 0.1:
		m.eventType = commonType
	case u < 0.12:
		m.eventType = tripleType
	}
	edge := h.LargeMessages / 50
	for _, rare := range []int{edge, h.LargeMessages / 2, h.LargeMessages - edge} {
		switch h.larges {
		case rare:
			m.eventType = rareType
		case rare + 1:
			m.channels = []string{rareChannel}
		case rare + 2:
			tags = []string{rareTag}
		}
	}
	h.larges++
	return tags
}

// name remembers the messages that World refers to.
func (h *history) name(m *message) {
	id := core.MessageID(m.id)
	settled := !m.owed && m.at.Before(h.Now.Add(-48*time.Hour))
	switch {
	case m.app == h.plain && settled:
		h.world.OrdinaryMessage = id
	case m.app == h.large:
		if h.world.FirstMessage == "" {
			h.world.FirstMessage = id
		}
		h.world.LastMessage = id
		if m.eventType == tripleType && settled {
			h.world.Triple = id
		}
	}
}

const (
	messageColumns = "app_id, id, event_id, event_type, channels, tags, payload, expires_at, created_at"
	eventIDColumns = "app_id, event_id, message_id"
	keyColumns     = "app_id, key_hash, message_id, created_at"
)

// week is counted from the week of the first message.
func (h *history) week(at time.Time) int { return int(at.Sub(h.start) / week) }

func (h *history) addMessage(m *message, eventID string, tags []string) {
	r := &h.chunk.messages[h.week(m.at)]
	eventType := h.eventType(m.eventType)
	r.text(string(m.app.app.ID))
	r.text(m.id)
	r.textOrNull(eventID)
	r.text(eventType)
	r.list(m.channels...)
	r.list(tags...)
	h.addPayload(r, m, eventType)
	r.time(m.at.Add(payloadKept))
	r.time(m.at)
	r.end()
}

// addPayload writes JSON of 300 to 1,900 bytes, 800 on average. Some payloads are expunged, but only of messages that
// can have no pending delivery.
func (h *history) addPayload(r *rows, m *message, eventType string) {
	if m.at.Before(h.Now.Add(-deadFor)) && h.chance(0.002) {
		r.null()
		return
	}
	r.text(`{"type":"`)
	r.buf.WriteString(eventType)
	r.buf.WriteString(`","timestamp":"`)
	r.buf.Write(m.at.AppendFormat(r.buf.AvailableBuffer(), time.RFC3339Nano))
	r.buf.WriteString(`","data":{"note":"`)
	r.buf.WriteString(h.words.piece(h.random, 200+h.skewed(1600)))
	r.buf.WriteString(`"}}`)
}

func (h *history) addEventID(m *message, eventID string) {
	r := &h.chunk.eventIDs
	r.text(string(m.app.app.ID))
	r.text(eventID)
	r.text(m.id)
	r.end()
}

func (h *history) addKey(m *message) {
	r := &h.chunk.keys
	r.text(string(m.app.app.ID))
	r.bytes(append(h.secret(), h.secret()[:8]...))
	r.text(m.id)
	r.time(m.at)
	r.end()
}
