package telemetry

import (
	"context"
	"log" //nolint:depguard // what libraries use is what this is about
	"log/slog"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// CaptureLibraries sends what libraries log on their own to l: through package log (as net/http does), slog's
// default logger and OpenTelemetry's logger. Otherwise they would write to standard error, in any format and at any
// level. Some of their text comes from untrusted clients.
func CaptureLibraries(l *slog.Logger) {
	slog.SetDefault(l) // This also routes package log, but at level info and with the text as the message.
	log.SetFlags(0)
	log.SetPrefix("")
	log.SetOutput(&textLog{l, slog.LevelDebug, "library log"})
	otel.SetLogger(logr.FromSlogHandler(l.With("library", "opentelemetry").Handler()))
}

// TextLog returns a logger of package log for libraries that need one. Each line becomes an event with the given
// message and the text as an attribute, truncated to a bound.
func TextLog(l *slog.Logger, level slog.Level, message string) *log.Logger {
	return log.New(&textLog{l, level, message}, "", 0)
}

// libraryTextBytesMax bounds the text of one event. Some of it comes from untrusted clients and can have any length.
const libraryTextBytesMax = 1000

type textLog struct {
	log     *slog.Logger
	level   slog.Level
	message string
}

// Write logs one event: package log calls it once per event.
func (t *textLog) Write(text []byte) (int, error) {
	shown := strings.TrimRight(string(text[:min(len(text), libraryTextBytesMax)]), "\r\n")
	t.log.Log(context.Background(), t.level, t.message, "text", strings.ToValidUTF8(shown, "\uFFFD")) //nolint:sloglint // a constant of whoever made it
	return len(text), nil
}
