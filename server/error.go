package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/postrider/postrider/core"
)

// statuses maps each kind of error to its HTTP status.
var statuses = map[core.Kind]int{
	core.KindInternal:        http.StatusInternalServerError,
	core.KindBadRequest:      http.StatusBadRequest,
	core.KindUnauthenticated: http.StatusUnauthorized,
	core.KindForbidden:       http.StatusForbidden,
	core.KindNotFound:        http.StatusNotFound,
	core.KindConflict:        http.StatusConflict,
	core.KindTooLarge:        http.StatusRequestEntityTooLarge,
	core.KindUnsupported:     http.StatusUnsupportedMediaType,
	core.KindInvalid:         http.StatusUnprocessableEntity,
	core.KindUnavailable:     http.StatusServiceUnavailable,
}

// retryAfter is how many seconds a client is asked to wait while the service is unavailable.
const retryAfter = "1"

// fail answers a request with an error. Client errors are reported in full. For all others the client gets a fixed
// sentence with the request's id, and the error is logged once.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if c, ok := w.(*captured); ok {
		c.err = err
		return
	}
	e := *clientError(err)
	e.Fields = asSent(e.Fields, callOf(r.Context()).body)
	callOf(r.Context()).error = &e
	status, body := errorAnswer(&e, callOf(r.Context()).id)
	if e.Kind == core.KindUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	switch {
	case status >= http.StatusInternalServerError:
		logFailure(r.Context(), s.log, r.Pattern, &e)
	case e.Kind == core.KindUnauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case e.Kind == core.KindUnsupported:
		w.Header().Set("Accept-Encoding", "identity")
	}
	writeJSON(w, status, body)
}

// errorAnswer returns the status and body that a client gets for an error.
func errorAnswer(e *core.Error, requestID string) (status int, body any) {
	status = statuses[e.Kind]
	switch {
	case status >= http.StatusInternalServerError:
		return status, failureText(e.Kind, requestID)
	case e.Kind == core.KindInvalid:
		return status, validationError(e)
	}
	return status, HTTPErrorOut{Code: e.Code, Detail: e.Message}
}

// clientError converts err to a core.Error, an internal one if err is of an unknown type.
func clientError(err error) *core.Error {
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		return core.Invalid(e.ParamName+" has the wrong type or is given twice.", "query", e.ParamName)
	}
	if e, ok := errors.AsType[*TooManyValuesForParamError](err); ok {
		return core.Invalid("The header must be given only once.", "header", e.ParamName)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &core.Error{Kind: core.KindUnavailable, Code: "unavailable", Err: err}
	}
	return &core.Error{Kind: core.KindInternal, Code: "server_error", Err: err}
}

func failureText(kind core.Kind, id string) HTTPErrorOut {
	if kind == core.KindUnavailable {
		return HTTPErrorOut{Code: "unavailable", Detail: fmt.Sprintf("The service is temporarily unavailable; try again. Request id: %s", id)}
	}
	return HTTPErrorOut{Code: "server_error", Detail: fmt.Sprintf("Internal error; report it to the operator. Request id: %s", id)}
}

// logFailure logs an error that is not the client's fault. If the client hung up, the error is nobody's fault and is
// logged at debug level.
func logFailure(ctx context.Context, log *slog.Logger, route string, err error) {
	level := slog.LevelError
	if errors.Is(ctx.Err(), context.Canceled) {
		level = slog.LevelDebug
	}
	log.LogAttrs(ctx, level, "request failed", withTrace(ctx,
		slog.String("request_id", callOf(ctx).id),
		slog.String("route", route),
		slog.Any("error", err),
	)...)
}

// The answer to an invalid request is limited in size: a body of 2 MiB has room for half a million faults, or for one
// long name that each fault would repeat, and nobody reads that much.
const (
	faultsMax     = 100
	faultTextsMax = 1000 // bytes of a message, and of each step of its location
)

func validationError(e *core.Error) HTTPValidationError {
	fields := e.Fields[:min(faultsMax, len(e.Fields))]
	out := HTTPValidationError{Detail: make([]ValidationErrorItem, len(fields))}
	for i, f := range fields {
		loc := make([]string, len(f.Loc))
		for i, step := range f.Loc {
			loc[i] = cutText(step)
		}
		out.Detail[i] = ValidationErrorItem{Loc: loc, Msg: cutText(f.Message), Type: f.Type}
	}
	return out
}

func cutText(s string) string {
	if len(s) <= faultTextsMax {
		return s
	}
	return strings.ToValidUTF8(s[:faultTextsMax], "") + "..."
}

// writeJSON writes an answer unless one has already begun. In that case the error came from writing it, and there is
// no client left to tell.
func writeJSON(w http.ResponseWriter, status int, body any) {
	if a, ok := w.(*answer); ok && a.status != 0 {
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // bodies contain only strings and slices of strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // fails only if the client has gone
}
