package store

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// statementTracer traces and measures statements under the names of their queries. A statement has a span only as part
// of a trace, and a metric always. Connecting and preparing are left out: they happen while a statement waits, or on
// behalf of any statement.
//
// Spans contain neither parameters nor the text of the statement, which takes up to ten kilobytes and can be found by
// the name, nor the text of errors, which quotes values.
type statementTracer struct{ tracer *otelpgx.Tracer }

var _ pgx.QueryTracer = statementTracer{}

func newStatementTracer(c Config, conn *pgx.ConnConfig) statementTracer {
	name := func(_ context.Context, sql string) string { return operationName(sql) }
	return statementTracer{otelpgx.NewTracer(
		otelpgx.WithTracerProvider(c.Traces), otelpgx.WithMeterProvider(c.Meters),
		otelpgx.WithSpanNameCtxFunc(name), otelpgx.WithMetricOperationName(name),
		otelpgx.WithTracerAttributes(databaseAttributes(c.Database, conn)...),
		otelpgx.WithDisableConnectionDetailsInAttributes(), // it would copy the configuration for each span
		otelpgx.WithDisableSQLStatementInAttributes(),
	)}
}

// databaseAttributes returns the attributes of all spans of statements.
func databaseAttributes(d Database, conn *pgx.ConnConfig) []attribute.KeyValue {
	attributes := []attribute.KeyValue{attribute.String("db.namespace", conn.Database+"|"+d.schema())}
	if namesSeveralHosts(conn) {
		return attributes // each connection may lead to another one
	}
	return append(attributes, attribute.String("server.address", conn.Host), attribute.Int("server.port", int(conn.Port)))
}

// TraceQueryStart implements [pgx.QueryTracer].
func (s statementTracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	data.Args = nil
	ctx = s.tracer.TraceQueryStart(ctx, conn, data)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("db.operation.name", operationName(data.SQL)))
	}
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (s statementTracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if data.Err != nil {
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.SetAttributes(attribute.String("error.type", errorType(data.Err)))
		}
		data.Err = withoutValues(data.Err)
	}
	s.tracer.TraceQueryEnd(ctx, conn, data)
}

// queryPrefix begins the text of each query in queries/, which goes on with its name and its kind.
const queryPrefix = "-- name: "

// operationName returns the name of a statement's query, or for statements of the driver, what they do.
func operationName(sql string) string {
	if query, ours := strings.CutPrefix(sql, queryPrefix); ours {
		name, _, _ := strings.Cut(query, " ")
		return name
	}
	switch word, _, _ := strings.Cut(sql, " "); word {
	case "begin", "commit", "rollback", "savepoint", "release":
		return word
	}
	return "other"
}

// errorType returns the kind of a statement's error: its SQLSTATE if it comes from Postgres.
func errorType(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case isUnavailable(err):
		return "connection"
	}
	return "_OTHER"
}

// withoutValues returns what a span shows of an error. Messages and details of Postgres, and errors of the driver about
// parameters, quote values.
func withoutValues(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &pgconn.PgError{Severity: e.Severity, Code: e.Code, Message: cmp.Or(e.ConstraintName, "statement failed")}
	}
	return errors.New(errorType(err))
}
