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

// statuses says with which status each kind of error is answered.
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

// retryAfter is how many seconds a client is asked to wait while the service cannot answer.
const retryAfter = "1"

// fail answers a request with an error. What is the client's fault it is told in full; of the rest
// it gets a fixed sentence with the request's id, and the log gets the error, once.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if c, ok := w.(*captured); ok {
		c.err = err
		return
	}
	e := *clientError(err)
	e.Fields = asSent(e.Fields, callOf(r.Context()).body)
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

// errorAnswer is what a client is told of an error.
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

// clientError is err as an error of core, an internal one if it is nothing we know.
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

// logFailure logs an error that is not the client's fault; one that came of the client hanging up is
// nobody's.
func logFailure(ctx context.Context, log *slog.Logger, route string, err error) {
	level := slog.LevelError
	if errors.Is(ctx.Err(), context.Canceled) {
		level = slog.LevelDebug
	}
	log.LogAttrs(ctx, level, "request failed",
		slog.String("request_id", callOf(ctx).id),
		slog.String("route", route),
		slog.Any("error", err),
	)
}

// An answer about what is wrong with a request has bounds: 2 MiB have room for half a million faults,
// or for one name that all of them would repeat, and nobody reads so much.
const (
	faultsMax     = 100
	faultTextsMax = 1000 // bytes of a message, and of a step on the way to it
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

// writeJSON answers, unless an answer has begun already: then the error came of writing it, and
// there is nobody left to tell.
func writeJSON(w http.ResponseWriter, status int, body any) {
	if a, ok := w.(*answer); ok && a.status != 0 {
		return
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and slices of strings alone come here
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // Only a client that has gone makes this fail.
}
