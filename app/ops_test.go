package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
	"github.com/postrider/postrider/telemetry"
)

func TestProbeAsksOnceASecondWhoeverAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		p := newProbe(func(context.Context) error {
			asked.Add(1)
			<-time.After(100 * time.Millisecond)
			return nil
		})
		flood := func() {
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() { _ = p.ask() })
			}
			all.Wait()
		}
		flood()
		flood()
		if n := asked.Load(); n != 1 {
			t.Errorf("2000 who asked at a time made %d checks", n)
		}
		<-time.After(readyFor)
		flood()
		if n := asked.Load(); n != 2 {
			t.Errorf("a second later there were %d checks", n)
		}
	})
}

func TestProbeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := newProbe(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if err := p.ask(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != readyTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestReadyzSaysWhatFailedAndNoMore(t *testing.T) {
	t.Parallel()
	i := &Instance{}
	o := &ops{database: newProbe(func(context.Context) error {
		return &core.Error{Kind: core.KindUnavailable, Code: "unavailable", Err: errors.New("dial tcp 10.0.0.7:5432: secret")}
	})}
	for _, step := range []struct {
		change func()
		want   string
	}{
		{func() {}, "starting"},
		{func() { o.started(i) }, `"database","cause":"unreachable"`},
		{func() {
			i.fit.failed.Store(&health{Status: "unavailable", Failed: "role", Cause: "1 privilege missing"})
		}, `"role","cause":"1 privilege missing"`},
		{func() { i.draining.Store(true) }, "draining"},
	} {
		step.change()
		answer := httptest.NewRecorder()
		o.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if text := answer.Body.String(); answer.Code != 503 || !strings.Contains(text, step.want) || strings.Contains(text, "secret") {
			t.Errorf("%d %s, want %s", answer.Code, text, step.want)
		}
	}
}

func TestMetricsBeginWithTheParts(t *testing.T) {
	t.Parallel()
	metrics, err := telemetry.StartMetrics(t.Context(), telemetry.Process{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = metrics.Stop(t.Context()) }()
	o := &ops{}
	get := func() *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		o.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return answer
	}
	if answer := get(); answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "starting") {
		t.Errorf("before the parts have started: %d %s", answer.Code, answer.Body)
	}
	o.started(&Instance{metrics: metrics})
	if answer := get(); answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "postrider_build_info") {
		t.Errorf("after that: %d %s", answer.Code, answer.Body)
	}
}

func TestStopDelayIsOfAPIsThatOthersReach(t *testing.T) {
	t.Parallel()
	address := httptest.NewUnstartedServer(nil).Listener.Addr()
	for name, c := range map[string]struct {
		instance *Instance
		terminal bool
		want     time.Duration
	}{
		"a service":              {&Instance{address: address}, false, stopDelayDefault},
		"no API":                 {&Instance{config: Config{StopDelay: new(time.Minute)}}, false, 0},
		"at a terminal":          {&Instance{address: address}, true, 0},
		"the local Postgres":     {&Instance{address: address, local: true}, false, 0},
		"at a terminal, but set": {&Instance{address: address, config: Config{StopDelay: new(time.Minute)}}, true, time.Minute},
	} {
		if got := c.instance.stopDelay(c.terminal); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestHealthcheckReachesWhatListensEverywhere(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"0.0.0.0:9071": "localhost:9071", ":9071": "localhost:9071", "[::]:9071": "localhost:9071", "127.0.0.1:9071": "127.0.0.1:9071",
		"[::1]:9071": "[::1]:9071", "ops.internal:9071": "ops.internal:9071",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}
