package core

import (
	"errors"
	"fmt"
	"strings"
)

// Kind classifies an Error. Adapters turn it into their own terms, such as a status.
type Kind int

const (
	KindInternal        Kind = iota // our fault: the client can do nothing about it
	KindBadRequest                  // cannot be read at all
	KindUnauthenticated             // no token, or an untrusted one
	KindForbidden                   // a valid token that may not do this
	KindNotFound                    // does not exist, or belongs to another tenant
	KindConflict                    // clashes with what is stored
	KindTooLarge                    // more bytes than we accept
	KindUnsupported                 // in an encoding that we do not read
	KindInvalid                     // readable, but a field is wrong: see Error.Fields
	KindUnavailable                 // the database is unavailable; the same request may succeed later
)

// Error is the one error type that may reach a client.
type Error struct {
	Kind    Kind
	Code    string  // stable and documented, e.g. "not_found"
	Message string  // safe to show
	Fields  []Field // what is wrong with which field; only for KindInvalid
	Err     error   // for the log alone; may be nil
}

// Field is one thing wrong with a request.
type Field struct {
	Loc     []string // the path to the field, as the client wrote it: "body", "eventTypes"
	Message string
	Type    string // "value_error", "value_error.jsondecode", ...
}

func (e *Error) Error() string {
	parts := []string{e.Code, e.Message}
	for _, f := range e.Fields {
		parts = append(parts, strings.Join(f.Loc, " "), f.Message)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// Reason returns in one line, safe to show, why something was rejected.
func Reason(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return "Something went wrong on our side"
	}
	parts := []string{e.Message}
	for _, f := range e.Fields {
		text := f.Message
		if path := strings.Join(f.Loc[min(1, len(f.Loc)):], "."); !strings.HasPrefix(text, path) {
			text = path + ": " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// IsKind reports whether err is, or wraps, an Error of that kind.
func IsKind(err error, kind Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == kind
}

// KindOf returns the kind of err. An error that is not an Error is internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// NotFound returns the same error for a row that does not exist and for one that belongs to another tenant.
func NotFound() *Error {
	return &Error{Kind: KindNotFound, Code: "not_found", Message: "Entity not found"}
}

// CodeTooBusy is the code of TooBusy.
const CodeTooBusy = "too_busy"

// TooBusy returns the error for a request that exceeds what can be handled at the moment.
func TooBusy(message string) *Error {
	return &Error{Kind: KindUnavailable, Code: CodeTooBusy, Message: message}
}

// Conflict returns the error for a unique name that is taken.
func Conflict(message string) *Error {
	return &Error{Kind: KindConflict, Code: "conflict", Message: message}
}

// EndpointDisabled returns the error for a request to send something to a disabled endpoint.
func EndpointDisabled() *Error {
	return &Error{
		Kind: KindConflict, Code: "endpoint_disabled",
		Message: "The endpoint is disabled, so nothing is sent to it; enable it first.",
	}
}

// TooManyEndpoints returns the error for an endpoint above the application's limit.
func TooManyEndpoints(most int) *Error {
	return &Error{
		Kind: KindConflict, Code: "too_many_endpoints",
		Message: fmt.Sprintf("The application already has %d endpoints, the maximum; delete one first.", most),
	}
}

// Unstorable returns the error for a value that the database cannot hold.
func Unstorable(err error) *Error {
	e := Invalid("The database cannot store a value of the body", "body")
	e.Err = err
	return e
}

const codeRefused = "refused"

// Refused returns the error for a row that violates a database rule that none of our checks covers. That is our bug,
// but a retry does not help.
func Refused(rule string, err error) *Error {
	return &Error{Kind: KindInternal, Code: codeRefused, Message: "The database rejected the row: " + rule, Err: err}
}

// isRefused reports whether err is a Refused.
func isRefused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == codeRefused
}

const codeExhausted = "exhausted"

// Exhausted returns the error for a row that the database had no memory or locks for, even alone in its statement. A
// retry may help, unless it is the row itself that needs so much.
func Exhausted(err error) *Error {
	return &Error{
		Kind: KindUnavailable, Code: codeExhausted,
		Message: "The database ran out of memory or locks; try again.", Err: err,
	}
}

// IsExhausted reports whether err is an Exhausted.
func IsExhausted(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == codeExhausted
}

// Forbidden returns the error for a token that lacks the permission altogether.
func Forbidden() *Error {
	// The space in the code is deliberate: existing clients compare with it.
	return &Error{
		Kind: KindForbidden, Code: "insufficient access",
		Message: "The token does not allow this operation; use a token of the organisation, or one with the capability it needs.",
	}
}

// Invalid returns an Error about one field. loc is the path to it and begins with "body" or "query".
func Invalid(message string, loc ...string) *Error {
	return invalid([]Field{{Loc: loc, Message: message, Type: "value_error"}})
}

func invalid(fields []Field) *Error {
	return &Error{Kind: KindInvalid, Code: "validation_error", Message: "Validation error", Fields: fields}
}
