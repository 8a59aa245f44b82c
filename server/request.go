package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postrider/postrider/core"
)

// A call is what we know of a request besides the request.
type call struct {
	id    string
	trace *string    // that it is part of; nil: none
	sdk   sdk        // that sent it
	body  []byte     // what was decoded of it; nil: nothing
	token core.Token // empty where the route takes none
	scope core.Scope // of the token
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

func scopeOf(ctx context.Context) core.Scope { return callOf(ctx).scope }

// ServeHTTP implements [http.Handler].
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.clock()
	c := &call{id: requestID(r.Header), trace: traceParent(r.Header), sdk: sdkOf(r.Header)}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), callKey{}, c), s.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, s.bytes)
	a := &answer{ResponseWriter: w}
	a.Header().Set("X-Request-Id", c.id)
	a.Header().Set("Access-Control-Allow-Origin", "*")

	defer s.logAccess(a, r, c, began)
	defer func() { s.recovered(a, r, recover()) }()
	s.serve(a, r)
}

// serve answers what needs no route, and brings the rest into the form that routes know.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	// A client that sent Expect: 100-continue is told before it sends the body.
	if r.ContentLength > s.bytes {
		s.fail(w, r, tooLarge(s.bytes, nil))
		return
	}
	if err := normalise(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if !isText(r.URL.Path) && s.routes.methods(r) != "" { // No id or name is such that Postgres cannot take it.
		s.fail(w, r, core.NotFound())
		return
	}
	if client := callOf(r.Context()).sdk; client.refusesUnknownFields() {
		known := &knownFields{ResponseWriter: w}
		s.routes.ServeHTTP(known, r)
		known.write(r, client)
		return
	}
	s.routes.ServeHTTP(w, r)
}

// preflight tells a browser that a page of any origin may send the request it has in mind. Names of
// headers are mirrored, because a * would not cover Authorization.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "*")
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		h.Set("Access-Control-Allow-Headers", names)
	}
	h.Set("Access-Control-Max-Age", "600")
	h.Set("Vary", "Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
}

// normalise trims the slashes off the end of the path and puts the query into its canonical form.
// Paths that ServeMux would answer with a redirect lead nowhere.
func normalise(r *http.Request) error {
	u := *r.URL
	r.URL = &u
	escaped := u.EscapedPath()
	trimmed := strings.TrimRight(escaped, "/")
	if trimmed == "" && escaped != "" {
		trimmed = "/"
	}
	u.Path = u.Path[:len(u.Path)-(len(escaped)-len(trimmed))]
	if u.RawPath != "" {
		u.RawPath = trimmed
	}
	if trimmed == "" || trimmed[0] != '/' {
		return noPath("There is no such path; see /docs for all operations.")
	}
	if path.Clean(trimmed) != trimmed {
		return noPath("There is no such path: it has two slashes in a row, or a segment . or ..; see /docs for all operations.")
	}
	query, err := canonicalQuery(u.RawQuery)
	if err != nil {
		return &core.Error{
			Kind: core.KindBadRequest, Code: "generic_error",
			Message: "The query string cannot be read: " + err.Error(), Err: err,
		}
	}
	u.RawQuery = query
	return nil
}

func noPath(message string) error {
	return &core.Error{Kind: core.KindNotFound, Code: "not_found", Message: message}
}

// isText reports whether Postgres can take s as text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

const idChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// requestID is the client's own id for the request, if it is one that can stand in a log, or else a
// new one.
func requestID(h http.Header) string {
	for _, name := range []string{"Svix-Req-Id", "X-Request-Id"} {
		if id := h.Get(name); id != "" && len(id) <= 128 && strings.Trim(id, idChars) == "" {
			return id
		}
	}
	return strconv.FormatUint(rand.Uint64(), 36)
}

// An answer is a ResponseWriter that remembers its status; 0 while nothing is written.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(text []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(text)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// recovered answers a request whose handler panicked. Where the answer has begun, the connection is
// broken off, so that the client does not take half of it for the whole.
func (s *server) recovered(a *answer, r *http.Request, cause any) {
	if cause == nil {
		return
	}
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "request panicked",
		slog.String("request_id", callOf(r.Context()).id),
		slog.String("route", r.Pattern),
		slog.String("panic", fmt.Sprint(cause)),
		slog.String("stack", string(debug.Stack())),
	)
	if a.status != 0 {
		panic(http.ErrAbortHandler)
	}
	writeJSON(a, http.StatusInternalServerError, failureText(core.KindInternal, callOf(r.Context()).id))
}

// logAccess writes the request's line. Paths and queries may hold what is the client's business:
// the route says enough.
func (s *server) logAccess(a *answer, r *http.Request, c *call, began time.Time) {
	if !s.log.Enabled(r.Context(), slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(r.Context(), slog.LevelDebug, "request answered",
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.Int("status", a.status),
		slog.Float64("duration_ms", s.clock().Sub(began).Seconds()*1000),
		slog.String("request_id", c.id),
		slog.String("org_id", string(c.scope.OrgID)),
	)
}
