package store

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postrider/postrider/core"
)

// traced is a world whose statements are traced and measured.
type traced struct {
	*world
	spans   *tracetest.SpanRecorder
	tracer  trace.Tracer // of callers
	metrics *sdkmetric.ManualReader
}

func newTraced(t *testing.T) traced {
	t.Helper()
	spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	s, err := Open(t.Context(), Config{
		Database: Database{URL: pg.New(t)}, Clock: time.Now, Log: slog.New(slog.DiscardHandler),
		Traces: provider, Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{Store: s, t: t}
	w.app = w.addApplication(testOrg, "acme")
	if n := len(spans.Started()); n != 0 {
		t.Fatalf("%d spans without a trace", n)
	}
	return traced{w, spans, provider.Tracer(""), reader}
}

// call runs something as part of a trace, and returns the span that it is part of.
func (w traced) call(run func(context.Context)) trace.SpanContext {
	w.t.Helper()
	ctx, span := w.tracer.Start(w.t.Context(), "call")
	defer span.End()
	run(ctx)
	return span.SpanContext()
}

// named returns the ended spans of a name.
func named(spans *tracetest.SpanRecorder, name string) (found []sdktrace.ReadOnlySpan) {
	for _, span := range spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

func attributesOf(span sdktrace.ReadOnlySpan) map[string]string {
	texts := map[string]string{}
	for _, a := range span.Attributes() {
		texts[string(a.Key)] = a.Value.String()
	}
	return texts
}

func TestStatementsOfATraceHaveASpan(t *testing.T) {
	t.Parallel()
	w := newTraced(t)
	call := w.call(func(ctx context.Context) {
		err := w.InTx(ctx, func(ctx context.Context, tx core.Tx) error {
			_, err := tx.ApplicationGet(ctx, testOrg, "acme")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	var names []string
	for _, span := range w.spans.Ended() {
		names = append(names, span.Name())
		if span.Name() != "call" && (span.SpanKind() != trace.SpanKindClient || span.Parent().SpanID() != call.SpanID()) {
			t.Errorf("%s is %s below %v, want client below %v", span.Name(), span.SpanKind(), span.Parent(), call)
		}
	}
	if want := []string{"begin", "ApplicationGet", "commit", "call"}; !slices.Equal(names, want) {
		t.Fatalf("spans %v, want %v", names, want)
	}
	got, conn := attributesOf(w.spans.Ended()[1]), w.pool.Config().ConnConfig
	want := map[string]string{
		"db.system.name": "postgresql", "db.namespace": conn.Database + "|postrider", "db.operation.name": "ApplicationGet",
		"server.address": conn.Host, "server.port": fmt.Sprint(conn.Port), "pgx.rows_affected": "1",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the span says\n%v, want\n%v", got, want)
	}
}

// TestStatementsAreMeasuredByQuery checks the labels: their number must not depend on what anybody does.
func TestStatementsAreMeasuredByQuery(t *testing.T) {
	t.Parallel()
	w := newTraced(t)
	_, _ = w.pool.Exec(t.Context(), "INSERT INTO nowhere VALUES (1)")
	err := w.InTx(t.Context(), func(ctx context.Context, tx core.Tx) error {
		_, err := tx.MessageInsertMany(ctx, []core.NewMessage{w.event(nil)}, now()) // behind a savepoint
		return err
	})
	if err != nil {
		t.Error(err)
	}
	var data metricdata.ResourceMetrics
	if err := w.metrics.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	counted := map[string]uint64{}
	for _, m := range data.ScopeMetrics[0].Metrics {
		switch values := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, p := range values.DataPoints {
				counted[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] += p.Count
			}
		case metricdata.Sum[int64]:
			for _, p := range values.DataPoints {
				counted[m.Name+" "+p.Attributes.Encoded(attribute.DefaultEncoder())] += uint64(p.Value)
			}
		}
	}
	const labels = ",db.system.name=postgresql,pgx.operation.type=query"
	for key, want := range map[string]uint64{
		"db.client.operation.duration db.operation.name=ServerVersionAnyTenant" + labels: 1,
		"db.client.operation.duration db.operation.name=ApplicationInsert" + labels:      1,
		"db.client.operation.duration db.operation.name=MessageInsertMany" + labels:      1,
		"db.client.operation.duration db.operation.name=begin" + labels:                  2,
		"db.client.operation.duration db.operation.name=savepoint" + labels:              1,
		"db.client.operation.duration db.operation.name=other" + labels:                  1,
		"db.client.operation.errors db.operation.name=other" + labels:                    1,
	} {
		if counted[key] != want {
			t.Errorf("%s is %d, want %d", key, counted[key], want)
		}
	}
}

// TestErrorsInSpansQuoteNoValues provokes errors in which Postgres and the driver quote values.
func TestErrorsInSpansQuoteNoValues(t *testing.T) {
	t.Parallel()
	w := newTraced(t)
	w.addApplication(testOrg, "hidden")
	exec := func(sql string, args ...any) func(context.Context) error {
		return func(ctx context.Context) error { _, err := w.pool.Exec(ctx, sql, args...); return err }
	}
	for name, test := range map[string]struct {
		run       func(context.Context) error
		text      string // what the error itself says
		errorType string
		shown     string
	}{
		"in the detail": {
			exec("INSERT INTO application SELECT * FROM application WHERE uid = $1", "hidden"), "application_pkey", "23505", "ERROR: application_pkey (SQLSTATE 23505)",
		},
		"in the message": {
			exec("SELECT $1::text::int", "hidden"), "hidden", "22P02", "ERROR: statement failed (SQLSTATE 22P02)",
		},
		"in the statement": {
			exec("SELECT hidden"), "hidden", "42703", "ERROR: statement failed (SQLSTATE 42703)",
		},
		"by the driver": {
			exec("SELECT $1::int", struct{ V string }{"hidden"}), "hidden", "_OTHER", "_OTHER",
		},
		"by the driver, reading": {
			func(ctx context.Context) error {
				var n int
				return w.pool.QueryRow(ctx, "SELECT 'hidden'::text").Scan(&n)
			}, "scan", "_OTHER", "_OTHER",
		},
		"of a caller who left": {
			func(ctx context.Context) error {
				conn, err := w.pool.Acquire(ctx)
				if err != nil {
					return err
				}
				defer conn.Release()
				ctx, leave := context.WithCancel(ctx)
				leave()
				_, err = conn.Exec(ctx, "SELECT $1", "hidden")
				return err
			}, "canceled", "canceled", "canceled",
		},
	} {
		w.spans.Reset()
		w.call(func(ctx context.Context) {
			if err := test.run(ctx); err == nil || !strings.Contains(fmt.Sprintf("%+v", err), test.text) {
				t.Errorf("%s: %v, want an error with %q", name, err, test.text)
			}
		})
		span := w.spans.Ended()[0]
		if got := attributesOf(span)["error.type"]; got != test.errorType || span.Status().Description != test.shown {
			t.Errorf("%s: error.type is %q, status is %+v; want %s, %s", name, got, span.Status(), test.errorType, test.shown)
		}
		for _, stub := range tracetest.SpanStubsFromReadOnlySpans(w.spans.Ended()) {
			if text := fmt.Sprintf("%+v", stub); strings.Contains(text, "hidden") {
				t.Errorf("%s: the span says %s", name, text)
			}
		}
	}
}

func TestOperationNamesAreThoseOfQueries(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"-- name: MessageInsertMany :many\nWITH": "MessageInsertMany", "begin": "begin", "begin isolation level serializable": "begin",
		"savepoint sp_1": "savepoint", "rollback to savepoint sp_1": "rollback", "release savepoint sp_1": "release",
		"-- name: X": "X", "": "other", "SELECT 'hidden'": "other", "begins": "other",
	} {
		if got := operationName(sql); got != want {
			t.Errorf("%q is called %q, want %q", sql, got, want)
		}
	}
}

// TestStatementsWithoutATraceCostLittle counts allocations, which are the metric's. It is not parallel, as those of other
// tests would count.
//
//nolint:paralleltest // see above
func TestStatementsWithoutATraceCostLittle(t *testing.T) {
	conn, err := pgx.ParseConfig("postgres://u@localhost/db")
	if err != nil {
		t.Fatal(err)
	}
	sampler := sdktrace.WithSampler(sdktrace.NeverSample())
	provider := sdktrace.NewTracerProvider(sampler, sdktrace.WithSpanProcessor(tracetest.NewSpanRecorder()))
	tracer := newStatementTracer(Config{Traces: provider, Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))}, conn)
	unsampled, _ := provider.Tracer("").Start(t.Context(), "call")
	for name, ctx := range map[string]context.Context{"no trace": t.Context(), "a trace that is not sampled": unsampled} {
		got := testing.AllocsPerRun(100, func() {
			within := tracer.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "-- name: MessageInsertMany :many\nWITH", Args: []any{1, 2}})
			tracer.TraceQueryEnd(within, nil, pgx.TraceQueryEndData{})
		})
		if most := 15.0; got > most {
			t.Errorf("%s: %v allocations per statement, want up to %v", name, got, most)
		}
	}
}
