package ingest

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

func TestMessageWhoseDecoderPanicsIsADeadLetter(t *testing.T) {
	t.Parallel()
	source, sink := &fakeSource{batches: [][]Message{batchOf("1", "2", "3")}}, &fakeSink{}
	decode := func(m Message) (in core.IngestIn, err error) {
		if m.Position == "2" {
			_ = m.Body[: 1 : cap(m.Body)+1]
		}
		return in, nil
	}
	var text bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		Run(ctx, Config{
			Name: "test", Source: source, Sink: sink, Decode: decode, StopTimeout: time.Minute,
			Tracer: untraced, Meter: uncounted, Clock: time.Now, Log: slog.New(slog.NewTextHandler(&text, nil)),
		})
	})
	got := source.await(t, 3)
	cancel()
	done.Wait()
	want := []string{"1 ack", "2 dead: it cannot be read: the decoder panicked", "3 ack"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if log := text.String(); !strings.Contains(log, "out of range") || !strings.Contains(log, "panic_test.go") {
		t.Errorf("the log does not say what panicked, and where: %s", log)
	}
}
