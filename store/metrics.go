package store

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// scopeName is the instrumentation scope of the module's own metrics.
const scopeName = "github.com/postrider/postrider"

// newBatchRows returns functions that count the rows of coalesced statements.
func newBatchRows(meters metric.MeterProvider) func(operation string) func(rows int) {
	// A meter returns an error only for an invalid name or option, and a histogram that works all the same.
	histogram, _ := meters.Meter(scopeName).Int64Histogram("postrider.store.batch_rows", metric.WithUnit("{row}"),
		metric.WithDescription("Rows of one statement that stores the messages or results of many callers, by operation."),
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, batchRowsMax))
	return func(operation string) func(rows int) {
		label := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("operation", operation)))}
		return func(rows int) { histogram.Record(context.Background(), int64(rows), label...) }
	}
}
