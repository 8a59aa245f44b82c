package server

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/postrider/postrider/core"
)

// idempotencyKeyBytesMax is far longer than the keys that clients generate, which are "auto_" and a UUID.
const idempotencyKeyBytesMax = 1024

// ownKeys lists the POSTs that handle their own keys. They store each message and its key in one statement, which is
// shared with other requests and so cannot run in this request's transaction.
var ownKeys = map[string]bool{"MessageCreate": true, "MessageCreateMany": true}

// noKeys lists the POSTs that ignore keys. An answer that contains a token is not stored, because anyone who can read
// the table could use the token. And a logout applies to the token it is sent with, whichever token was logged out
// with the same key before.
var noKeys = map[string]bool{"AuthAppPortalAccess": true, "AuthDashboardAccess": true, "AuthLogout": true}

// once gives a request with an idempotency key the same answer as the first request with that key. The handler's
// work, the answer and the key are committed together, before the client gets the answer.
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
		// The whole body is read before the transaction begins, which must not wait for a client and may be retried.
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

// capture runs a request's handler on a store that is a transaction, and returns the handler's answer or error.
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

// picked is a router that keeps the handler of one route. Generated code registers all handlers at once, which takes
// a few microseconds.
type picked struct {
	pattern string
	http.HandlerFunc
}

// HandleFunc keeps the handler if it belongs to the route.
func (p *picked) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if pattern == p.pattern {
		p.HandlerFunc = handler
	}
}

// captured is a ResponseWriter that stores the answer. An error passed to fail is stored unchanged, because the
// transaction may be retried, and the error is then not reported.
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

// writeAnswer writes a captured answer. All bodies of the API are JSON.
func writeAnswer(w http.ResponseWriter, a core.StoredAnswer) {
	if len(a.Body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // fails only if the client has gone
}
