package world

import "time"

// Queues, as documented in the comment on delivery.queue.
const (
	queueFirst   = 0
	queueRetry   = 1
	queueInOrder = 2
)

// send makes the attempts at one endpoint up to now, and the pending delivery if they failed.
func (h *history) send(m *message, e *endpoint) {
	switch {
	case m.at.Before(e.created), !e.ends.IsZero() && m.at.After(e.ends):
		return
	case !e.pausedAt.IsZero() && m.at.After(e.pausedAt):
		h.owe(m, e, queueFirst, m.at, 0)
		return
	case !e.blocked.IsZero() && m.at.After(e.blocked):
		h.sendBlocked(m, e)
		return
	}
	h.attempt(m, e, h.failureOf(m, e))
}

// failureOf returns the probability that an attempt fails: the endpoint's own, unless it is a waiting endpoint.
func (h *history) failureOf(m *message, e *endpoint) float64 {
	if m.at.Before(h.Now.Add(-waitingFor)) {
		return e.failure
	}
	ordinary := e.app.byType == nil && e.app != h.large && e.app != h.dead && e.app != h.plain && !e.app.deleted
	plain := !e.fifo && e.ends.IsZero() && e.pausedAt.IsZero() && e.failure < 0.1
	if ordinary && plain && !e.waiting && h.waiting < h.WaitingEndpoints && h.chance(0.6) {
		e.waiting = true
		h.waiting++
	}
	if e.waiting {
		return 1
	}
	return e.failure
}

// sendBlocked sends to a FIFO endpoint whose first delivery fails: those behind it were never attempted.
func (h *history) sendBlocked(m *message, e *endpoint) {
	if !e.waiting {
		e.waiting = true
		h.attempt(m, e, 1)
		return
	}
	h.owe(m, e, queueInOrder, m.at, 0)
}

// attempt follows the retry schedule until an attempt succeeds, the schedule ends, or the next attempt is in the
// future.
func (h *history) attempt(m *message, e *endpoint, failure float64) {
	at := m.at.Add(time.Duration(5+h.IntN(50)) * time.Millisecond)
	for attempts := 1; ; attempts++ {
		failed := h.chance(failure)
		h.addAttempt(m, e, at, failed)
		if !failed {
			e.failures, e.failing = 0, time.Time{}
			return
		}
		if e.failures++; e.failing.IsZero() || at.Before(e.failing) {
			e.failing = at
		}
		if attempts > len(h.retries) {
			return
		}
		wait := float64(h.retries[attempts-1]) * (0.8 + 0.4*h.Float64())
		at = at.Add(time.Duration(wait)).Truncate(time.Microsecond)
		switch {
		case !e.ends.IsZero() && at.After(e.ends):
			return
		case at.After(h.Now):
			queue := queueRetry
			if e.fifo {
				queue = queueInOrder
			}
			h.owe(m, e, queue, at, attempts)
			return
		}
	}
}

const attemptColumns = "app_id, id, message_id, endpoint_id, url, status, response_status_code, response, " +
	"duration_ms, trigger, created_at"

func (h *history) addAttempt(m *message, e *endpoint, at time.Time, failed bool) {
	r := &h.chunk.attempts[h.week(at)]
	r.text(string(m.app.app.ID))
	r.text(h.id(attemptPrefix, at))
	r.text(m.id)
	r.text(string(e.id))
	r.text(h.URL)
	r.buf.WriteString(string(e.id))
	if failed {
		h.addFailure(r)
	} else {
		h.addSuccess(r)
	}
	r.int(0) // scheduled
	r.time(at)
	r.end()
}

func (h *history) addSuccess(r *rows) {
	r.int(0)
	r.int([]int{200, 200, 200, 202, 204}[h.IntN(5)])
	switch h.IntN(4) {
	case 0:
		r.text("")
	case 1:
		r.text(h.words.piece(h.random, 20+h.skewed(200)))
	default:
		r.text(`{"ok":true}`)
	}
	r.int(15 + h.skewed(400))
}

func (h *history) addFailure(r *rows) {
	r.int(2)
	switch h.IntN(10) {
	case 0, 1:
		r.int(0)
		r.text("no answer in time")
		r.int(15_000 + h.IntN(20))
	case 2:
		r.int(0)
		r.text("connection refused")
		r.int(1 + h.IntN(5))
	default:
		r.int([]int{500, 502, 503, 404, 429}[h.skewed(5)])
		r.text(h.words.piece(h.random, 100+h.skewed(1000)))
		r.int(15 + h.skewed(5000))
	}
}

// The defaults of delivery's later columns are right.
const deliveryColumns = "app_id, message_id, endpoint_id, due_at, lease, attempts, queue, resume_at"

func (h *history) owe(m *message, e *endpoint, queue int, due time.Time, attempts int) {
	if e.app.deleted || e.deleted && !e.ends.IsZero() {
		return
	}
	m.owed = true
	r := &h.deliveries
	r.text(string(m.app.app.ID))
	r.text(m.id)
	r.text(string(e.id))
	r.time(due)
	r.int(attempts) // claimed once for each attempt
	r.int(attempts)
	r.int(queue)
	if attempts == 0 {
		due = time.Time{}
	}
	r.timeOrNull(due)
	r.end()
}
