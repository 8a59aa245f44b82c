package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/core"
)

var errAway = fmt.Errorf("claim: %w", &core.Error{Kind: core.KindUnavailable, Code: "unavailable", Err: errors.New("away")})

// outageLog is a log of outages whose database is unavailable while away is set.
type outageLog struct {
	strings.Builder
	*slog.Logger
	away atomic.Bool
}

// inOutages runs test with its own clock.
func inOutages(t *testing.T, test func(*outageLog)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := new(outageLog)
		o := newOutages(slog.New(slog.NewTextHandler(&l.Builder, nil)))
		o.ready = func(context.Context) error {
			if l.away.Load() {
				return errAway
			}
			return nil
		}
		l.Logger = o.watched().With("part", "worker")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); o.watch(ctx) }()
		test(l)
		stop()
		<-done
	})
}

// wait advances the clock; if the database is away, each of many parts fails once a second.
func (l *outageLog) wait(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); <-time.After(time.Second) {
		for n := 0; n < 10 && l.away.Load(); n++ {
			l.Error("claim failed; retrying", "error", errAway)
		}
	}
	synctest.Wait()
}

func (l *outageLog) want(t *testing.T, unavailable, again int) {
	t.Helper()
	text := l.String()
	if strings.Count(text, "database unavailable") != unavailable || strings.Count(text, "database recovered") != again {
		t.Errorf("want %d events of outages and %d of their ends:\n%s", unavailable, again, text)
	}
	if strings.Contains(text, "msg=\"claim failed") {
		t.Errorf("each failure is logged:\n%s", text)
	}
}

func TestOutageIsLoggedAtItsBeginningEachMinuteAndAtItsEnd(t *testing.T) {
	t.Parallel()
	inOutages(t, func(l *outageLog) {
		l.wait(time.Minute)
		l.want(t, 0, 0)
		l.away.Store(true)
		l.wait(30 * time.Second)
		l.want(t, 1, 0)
		l.wait(2 * time.Minute)
		l.want(t, 3, 0)
		l.away.Store(false)
		l.wait(time.Minute)
		l.want(t, 3, 1)
	})
}

func TestOutagesInQuickSuccessionAreLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	inOutages(t, func(l *outageLog) {
		for range 9 {
			l.away.Store(true)
			l.wait(2 * time.Second)
			l.away.Store(false)
			l.wait(8 * time.Second)
		}
		l.want(t, 2, 2)
	})
}

func TestOutagesLeaveOtherErrorsInTheLog(t *testing.T) {
	t.Parallel()
	inOutages(t, func(l *outageLog) {
		l.Error("receive failed", "error", errors.New("broker away"))
		l.Warn("no error")
		for range 3 {
			l.Error("request failed", "error", core.TooBusy("Too many"))
		}
		for text, want := range map[string]int{"receive failed": 1, "no error": 1, "request failed": 1, "part=worker": 3} {
			if got := strings.Count(l.String(), text); got != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", text, got, want, l.String())
			}
		}
	})
}
