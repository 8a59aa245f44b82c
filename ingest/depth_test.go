package ingest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// measuredSource is a source whose broker answers as the test says.
type measuredSource struct {
	*fakeSource

	mu    sync.Mutex
	depth Depth
	err   error
	asked int
	hangs bool // until the question is given up
}

func (m *measuredSource) Depth(ctx context.Context) (Depth, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if m.hangs {
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
	}
	return m.depth, m.err
}

// answer sets the answer, and waits until the broker has been asked for it three times.
func (m *measuredSource) answer(t *testing.T, d Depth, err error) {
	t.Helper()
	m.mu.Lock()
	m.depth, m.err = d, err
	from := m.asked
	m.mu.Unlock()
	awaitThat(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.asked >= from+4 // the answer to the third is exported when the fourth is asked
	})
}

const (
	lagSeries     = "postrider.consumer.lag source=fake,source_name=test"
	lettersSeries = "postrider.dead_letters source=fake,source_name=test"
)

func TestDepthIsExportedWhileTheBrokerTellsIt(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	source := &measuredSource{fakeSource: &fakeSource{}, depth: unknown, err: errors.New("away")}
	meter, collect := counted(t)
	stop := startWith(t, Config{
		Source: source, Sink: &fakeSink{}, Tracer: untraced, Meter: meter.Meter(""), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, step := range []struct {
		depth Depth
		err   error
	}{
		{unknown, errors.New("away")},
		{Depth{Lag: 7, DeadLetters: 0}, nil},
		{Depth{Lag: 0, DeadLetters: 2}, nil},
		{Depth{Lag: 3, DeadLetters: Unknown}, errors.New("not allowed")},
		{unknown, errors.New("away again")},
	} {
		source.answer(t, step.depth, step.err)
		got := collect()
		for series, want := range map[string]int64{lagSeries: step.depth.Lag, lettersSeries: step.depth.DeadLetters} {
			if n, there := got[series]; there != (want != Unknown) || there && n != want {
				t.Errorf("with %+v, %s is %d, %t", step, series, n, there)
			}
		}
	}
	stop()
	if _, there := collect()[lagSeries]; there {
		t.Error("a source that has stopped has a lag")
	}
	text := log.String()
	if n := strings.Count(text, "level=WARN"); n != 2 || !strings.Contains(text, "error=away\n") || !strings.Contains(text, `error="not allowed"`) {
		t.Errorf("%d warnings, want one for each of two outages: %s", n, text)
	}
	if n := strings.Count(text, "source measured again"); n != 1 {
		t.Errorf("the log says %d times that the source answers again: %s", n, text)
	}
}

// A broker that does not answer delays neither messages nor a stop.
func TestDepthOfASilentBrokerDelaysNothing(t *testing.T) {
	t.Parallel()
	source := &measuredSource{fakeSource: &fakeSource{batches: [][]Message{batchOf("1")}}, hangs: true}
	stop := start(t, source, &fakeSink{}, untraced)
	source.await(t, 1)
	stop()
	if !source.closed {
		t.Error("the source is not closed")
	}
}
