package server

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/postrider/postrider/core"
)

// idempotencyKeyBytesMax is far above what clients make: "auto_" and a UUID.
const idempotencyKeyBytesMax = 1024

// ownKeys are the POSTs that see to their keys themselves: they store messages, each in one statement
// with its key, which is shared with other requests and so is in no transaction of this one.
var ownKeys = map[string]bool{"MessageCreate": true, "MessageCreateMany": true}

// noKeys are the POSTs that a key makes no difference to. An answer that holds a token is not kept:
// whoever can read the table could use it. And a logout counts for the token it is sent with, whatever
// was logged out with the same key before.
var noKeys = map[string]bool{"AuthAppPortalAccess": true, "AuthDashboardAccess": true, "AuthLogout": true}

// once answers a request with an idempotency key as the first one with that key was answered. The
// handler's work, the answer and the key are committed together, before the client hears of it.
func (s *server) once(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, err := idempotencyKey(r.Header)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if key == "" {
			next(w, r)
			return
		}
		// All of it before the transaction begins: that must not wait for a client, and may need it twice.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.fail(w, r, unreadable(err))
			return
		}
		id := core.NewIdempotencyKey(scopeOf(r.Context()), r.Method, r.URL.Path, r.URL.RawQuery, key)
		answer, err := s.keys.Once(r.Context(), id, s.handlers.service.Now(),
			func(ctx context.Context, store core.Store) (core.StoredAnswer, error) {
				return s.capture(r.WithContext(ctx), body, store)
			})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if r.Pattern == rotateRoute {
			s.writeRotated(w, r, answer)
			return
		}
		writeAnswer(w, answer)
	}
}

func idempotencyKey(h http.Header) (string, error) {
	if len(h.Values("Idempotency-Key")) > 1 {
		return "", core.Invalid("The header must be given only once.", "header", "idempotency-key")
	}
	return boundedKey(h.Get("Idempotency-Key"))
}

func boundedKey(key string) (string, error) {
	if len(key) > idempotencyKeyBytesMax {
		return "", core.Invalid("The idempotency key must not exceed 1024 bytes", "header", "idempotency-key")
	}
	return key, nil
}

// capture runs a request's handler on a store that is a transaction, and returns what it answers or
// fails with.
func (s *server) capture(r *http.Request, body []byte, store core.Store) (core.StoredAnswer, error) {
	within := *s.handlers
	within.service = s.handlers.service.Within(store) // an operation that stores messages belongs to ownKeys
	handler := &picked{pattern: r.Pattern}
	s.register(&within, handler)
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := &captured{header: http.Header{}}
	handler.ServeHTTP(w, r)
	return w.answer, w.err
}

// picked is a router that keeps the handler of one route. Handlers come from generated code all
// together, which takes some microseconds.
type picked struct {
	pattern string
	http.HandlerFunc
}

// HandleFunc takes the handler if it is the one.
func (p *picked) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if pattern == p.pattern {
		p.HandlerFunc = handler
	}
}

// captured is a ResponseWriter that keeps the answer. What fail is given it keeps as it is: the
// database may be asked again, and then nobody hears of it.
type captured struct {
	header http.Header
	answer core.StoredAnswer
	err    error
}

func (c *captured) Header() http.Header { return c.header }

func (c *captured) WriteHeader(status int) {
	if c.answer.Status == 0 {
		c.answer.Status = status
	}
}

func (c *captured) Write(text []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	c.answer.Body = append(c.answer.Body, text...)
	return len(text), nil
}

// writeAnswer writes what was captured. All bodies of the API are JSON.
func writeAnswer(w http.ResponseWriter, a core.StoredAnswer) {
	if len(a.Body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // Only a client that has gone makes this fail.
}
