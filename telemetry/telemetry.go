// Package telemetry provides the log, one event per line on standard output, metrics and traces. It does not know what is
// logged, counted or traced.
package telemetry

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes events of level and above to w, as JSON if format is "json", else as text.
func NewLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
