// Package telemetry is how Postrider is observed: its log, which goes to standard output one event a
// line, and its traces. It knows nothing of what is logged or traced.
package telemetry

import (
	"io"
	"log/slog"
)

// NewLogger writes events of level and above to w, as JSON when format is "json", else as text.
func NewLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
