package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log" //nolint:depguard // as in library.go
	"log/slog"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
)

// Not parallel: it changes the loggers of the whole process.
//
//nolint:paralleltest // see above
func TestLibrariesLogEventsOfOurs(t *testing.T) {
	flags, prefix, writer, standard := log.Flags(), log.Prefix(), log.Writer(), slog.Default()
	t.Cleanup(func() {
		slog.SetDefault(standard)
		log.SetFlags(flags)
		log.SetPrefix(prefix)
		log.SetOutput(writer)
	})
	hostile := "Unsolicited response received on idle HTTP channel starting with \"\x1b[31m\xff\n{\"level\":\"ERROR\"}\r\n" + strings.Repeat("x", 5000)
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		var out bytes.Buffer
		CaptureLibraries(NewLogger(&out, level, "json"))
		log.Print(hostile)
		log.New(log.Writer(), "lib: ", log.LstdFlags).Println(hostile)
		slog.Warn("from slog")
		otel.Handle(errors.New("no exporter"))
		var texts, all int
		for line := range strings.Lines(out.String()) {
			var event struct{ Level, Msg, Text string }
			if err := json.Unmarshal([]byte(line), &event); err != nil || event.Level == "" || len(line) > 2*libraryTextBytesMax {
				t.Errorf("%v: %q", err, line)
			}
			if strings.Contains(event.Msg, "Unsolicited") {
				t.Errorf("the text is the message: %q", line)
			}
			if strings.Contains(event.Text, "Unsolicited") {
				texts++
			}
			all++
		}
		if want := map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0}[level]; texts != want || all == 0 {
			t.Errorf("at %s there are %d texts of libraries among %d events, want %d", level, texts, all, want)
		}
	}
}

func TestTextLogBoundsAndQuotesText(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		l := TextLog(NewLogger(&out, slog.LevelInfo, format), slog.LevelWarn, "connection refused")
		l.Print("http: TLS handshake error from 10.0.0.1: \x00\nlevel=ERROR msg=forged " + strings.Repeat("é", 2000))
		if got := out.String(); strings.Count(got, "\n") != 1 || len(got) > 3*libraryTextBytesMax || !strings.Contains(got, "connection refused") {
			t.Errorf("%s: %q", format, got)
		}
	}
}
