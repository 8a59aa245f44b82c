package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFitFollowsSchemaAndRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var changing sync.Mutex // fake timers do not order what two goroutines do
		var missing []string
		var behind int
		var away error
		f := &fit{
			log: slog.New(slog.NewTextHandler(&log, nil)),
			missing: func(context.Context) ([]string, error) {
				changing.Lock()
				defer changing.Unlock()
				return missing, away
			},
			behind: func(context.Context) (int, error) { return behind, nil },
		}
		stop := started(f.watch)
		defer stop()
		for _, step := range []struct {
			change func()
			want   string // the failed check and its cause
			events int    // in the log
		}{
			{func() {}, "", 0},
			{func() { behind = 2 }, "schema 2 migrations behind", 1},
			{func() {}, "schema 2 migrations behind", 0},
			{func() { behind = 1 }, "schema 1 migration behind", 1},
			{func() { missing = []string{"INSERT on message", "UPDATE on endpoint"} }, "role 2 privileges missing", 1},
			{func() { away = errors.New("connection refused") }, "role 2 privileges missing", 0}, // nobody knows better
			{func() { away, missing, behind = nil, nil, 0 }, "", 1},
		} {
			changing.Lock()
			log.Reset()
			step.change()
			changing.Unlock()
			<-time.After(fitInterval)
			synctest.Wait()
			got := ""
			if failed := f.failed.Load(); failed != nil {
				got = failed.Failed + " " + failed.Cause
			}
			if n := strings.Count(log.String(), "\n"); got != step.want || n != step.events {
				t.Errorf("%q, want %q; logged %d events, want %d: %s", got, step.want, n, step.events, log.String())
			}
		}
		changing.Lock()
		log.Reset()
		missing = []string{"INSERT on message"}
		changing.Unlock()
		<-time.After(10 * time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), `missing="INSERT on message"`); n != 10 {
			t.Errorf("%d events in ten minutes, want one each minute", n)
		}
	})
}
