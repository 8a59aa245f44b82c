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

// A call is what we know about a request beyond the http.Request.
type call struct {
	id    string
	sdk   sdk         // the SDK that sent it
	body  []byte      // the decoded body; nil if none was decoded
	token core.Token  // empty if the route needs none
	scope core.Scope  // the token's scope
	error *core.Error // what was answered; nil if no error was

	panicked bool
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

func scopeOf(ctx context.Context) core.Scope { return callOf(ctx).scope }

// ServeHTTP implements [http.Handler].
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.clock()
	c := &call{id: requestID(r.Header), sdk: sdkOf(r.Header)}
	ctx, span := s.startSpan(r)
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, callKey{}, c), s.timeout)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, s.bytes)
	a := &answer{ResponseWriter: w}
	a.Header().Set("X-Request-Id", c.id)
	a.Header().Set("Access-Control-Allow-Origin", "*")

	defer func() { endSpan(span, a, r, c) }()
	defer s.account(a, r, c, began)
	defer func() { s.recovered(a, r, recover()) }()
	s.serve(a, r)
}

// serve answers requests that need no route, and normalises all others for routing.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	// A client that sent Expect: 100-continue gets the error before it sends the body.
	if r.ContentLength > s.bytes {
		s.fail(w, r, tooLarge(s.bytes, nil))
		return
	}
	if err := normalise(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if !isText(r.URL.Path) && s.routes.methods(r) != "" { // ids and names are always text that Postgres can store
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

// preflight tells a browser that a page of any origin may send the request. It echoes the requested header names,
// because * would not cover Authorization.
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

// normalise trims trailing slashes from the path and converts the query to its canonical form. Paths that ServeMux
// would answer with a redirect are not found.
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

// isText reports whether Postgres can store s as text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

const idChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// requestID returns the client's own id for the request if it is safe to log, or else a new one.
func requestID(h http.Header) string {
	for _, name := range []string{"Svix-Req-Id", "X-Request-Id"} {
		if id := h.Get(name); id != "" && len(id) <= 128 && strings.Trim(id, idChars) == "" {
			return id
		}
	}
	return strconv.FormatUint(rand.Uint64(), 36)
}

// An answer is a ResponseWriter that records its status, which is 0 until something is written.
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

// Unwrap is used by [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// recovered answers a request whose handler panicked. If the answer has begun, it aborts the connection, so that the
// client does not mistake a partial answer for a complete one.
func (s *server) recovered(a *answer, r *http.Request, cause any) {
	if cause == nil {
		return
	}
	callOf(r.Context()).panicked = true
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	s.log.LogAttrs(r.Context(), slog.LevelError, "request panicked", withTrace(r.Context(),
		slog.String("request_id", callOf(r.Context()).id),
		slog.String("route", r.Pattern),
		slog.String("panic", fmt.Sprint(cause)),
		slog.String("stack", string(debug.Stack())),
	)...)
	if a.status != 0 {
		panic(http.ErrAbortHandler)
	}
	writeJSON(a, http.StatusInternalServerError, failureText(core.KindInternal, callOf(r.Context()).id))
}

// account measures the request and writes its access log line. It logs the route and not the path and query, which may contain the
// client's data.
func (s *server) account(a *answer, r *http.Request, c *call, began time.Time) {
	took := s.clock().Sub(began)
	s.metrics.answered(r, a.status, took)
	if !s.log.Enabled(r.Context(), slog.LevelDebug) {
		return
	}
	attrs := withTrace(r.Context(),
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.Int("status", a.status),
		slog.Float64("duration_ms", took.Seconds()*1000),
		slog.String("request_id", c.id),
		slog.String("org_id", string(c.scope.OrgID)),
	)
	if e := c.error; e != nil {
		attrs = append(attrs, slog.String("error_code", e.Code), slog.String("reason", refusalReason(e)))
	}
	s.log.LogAttrs(r.Context(), slog.LevelDebug, "request answered", attrs...)
}

// refusalReason says for the log why a request was refused, as the client was told: the message, or the first fault.
func refusalReason(e *core.Error) string {
	if len(e.Fields) == 0 {
		return cutText(e.Message)
	}
	return cutText(strings.Join(e.Fields[0].Loc, ".") + ": " + e.Fields[0].Message)
}
