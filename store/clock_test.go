package store

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/core"
)

// shifted is a process on w's database whose host's clock is ahead by the given duration.
func (w *world) shifted(by time.Duration) (*world, *strings.Builder) {
	w.t.Helper()
	log := new(strings.Builder)
	s, err := Open(w.t.Context(), Config{
		Database: Database{URL: w.pool.Config().ConnString()}, Clock: func() time.Time { return time.Now().Add(by) },
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return &world{Store: s, t: w.t, app: w.app}, log
}

func TestClockIsTheServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, by := range []time.Duration{-5 * time.Minute, 0, 45 * time.Second} {
		other, log := w.shifted(by)
		if off := time.Until(other.Now()).Abs(); off > 5*time.Second { // a busy machine
			t.Errorf("a clock %s ahead is %s off", by, off)
		}
		if warned := strings.Contains(log.String(), "clock differs"); warned != (by != 0) {
			t.Errorf("a clock %s ahead: log %q", by, log)
		}
	}
}

func TestClockFollowsTheServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, log := w.shifted(0)
	for _, by := range []time.Duration{time.Hour, 0} {
		other.clock.local = func() time.Time { return time.Now().Add(by) }
		if err := other.compareClock(t.Context()); err != nil {
			t.Fatal(err)
		}
		if off := time.Until(other.Now()).Abs(); off > 5*time.Second {
			t.Errorf("set %s ahead: %s off", by, off)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "clock agrees") {
		t.Errorf("log %q", log)
	}
}

// Each of several processes whose hosts' clocks are minutes apart immediately finds what another one has stored, and
// nothing that another one has leased. The tolerance of a second is for a machine so busy that they learn the time no
// more precisely.
func TestDeliveriesOfHostsMinutesApart(t *testing.T) {
	t.Parallel()
	for _, limited := range []bool{false, true} {
		w := newWorld(t)
		w.addEndpoint(func(e *core.Endpoint) {
			if limited {
				e.ThrottleRate = new(int32(1000))
			}
		})
		ahead, _ := w.shifted(5 * time.Minute)
		behind, _ := w.shifted(-5 * time.Minute)
		for _, pair := range [][2]*world{{ahead, behind}, {behind, ahead}} {
			storing, claiming := pair[0], pair[1]
			storing.store(1)
			r := room()
			r.LeasedUntil = claiming.Now().Add(time.Minute)
			got := claiming.claimAt(r, claiming.Now().Add(time.Second)).Deliveries
			if len(got) != 1 {
				t.Fatalf("limited %t: claimed %+v", limited, got)
			}
			r.LeasedUntil = storing.Now().Add(time.Minute)
			if again := storing.claimAt(r, storing.Now().Add(time.Second)).Deliveries; len(again) != 0 {
				t.Errorf("limited %t: claimed %+v as well", limited, again)
			}
			if !claiming.record(result(got[0], time.Time{})) {
				t.Errorf("limited %t: the lease was lost", limited)
			}
		}
	}
}
